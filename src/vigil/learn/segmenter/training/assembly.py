"""Trains a segmenter on pictures with masks: combines data, network and training loop."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vigil.domain.masks.class_map import IGNORED
from vigil.domain.masks.masked import MaskedPictures, read_masked
from vigil.domain.sides import read_side
from vigil.learn.networks.machine import seed_torch
from vigil.learn.networks.weights import save_model, state_digest
from vigil.learn.segmenter.network.data import MaskDataset, batches
from vigil.learn.segmenter.network.registry import imports_of_others
from vigil.learn.segmenter.training.augmentation import MaskAugmenter
from vigil.learn.segmenter.training.choosing import choose
from vigil.learn.segmenter.training.module import SegmenterTraining
from vigil.learn.segmenter.training.start import build_start
from vigil.learn.training.loop import Fitted, Plan, fit
from vigil.plumbing.errors import FieldError, InputError, listed
from vigil.plumbing.fingerprints import code_fingerprint
from vigil.plumbing.memo import file_digest
from vigil.plumbing.trainings import train_once
from vigil.settings.train_segmenter import TrainSegmenter

INPUT = {
    "resized": "RGB in [0, 255], resized in proportion and padded to canvas_wh",
    "tiled": "RGB in [0, 255], in parts of canvas_wh",
}
LEAST_SHARE = 1e-4
"""A class with a smaller share of pixels is weighted as if it had this share."""


@dataclass(frozen=True)
class Sides:
    """The pictures of the training set and those of the validation set, below `images`."""

    images: Path
    train: MaskedPictures
    val: MaskedPictures

    @classmethod
    def read(cls, images: Path, masks: Path, train: Path, val: Path) -> "Sides":
        """Reads masks, and the lists of the pictures for training and validation.

        Raises:
            InputError: a file is missing or damaged, or the training set has no mask.
        """
        known = read_masked(masks)
        sides = cls(images, known.select(read_side(train)), known.select(read_side(val)))
        if sides.train.is_ignored.all():
            raise InputError(f"{train}: expected pictures with masks to train on, found none")
        return sides


@dataclass(frozen=True)
class SegmenterPlan:
    """A training, and the facts that its result depends on besides the settings.

    Attributes:
        settings: the settings in use, without `auto`.
        chosen: the values chosen for `auto`, and the numbers that they depend on; empty: none.
        config: the configuration that the network is built from.
        class_weights: the weight of each class in the loss, by name; empty: all are equal.
        start: the digest of the weights that the training starts from.
        digests: the digests of the masks and pictures, for training and validation.
    """

    training: Plan
    settings: TrainSegmenter
    chosen: dict[str, Any]
    config: dict[str, Any]
    class_weights: dict[str, float]
    start: str
    digests: dict[str, list[str]]


def plan_training(sides: Sides, settings: TrainSegmenter) -> SegmenterPlan:
    """Sets up a training, with random weights from the seed or with loaded weights.

    Raises:
        FieldError: the weights are missing, or do not fit the network; a class is not known.
        InputError: the file of weights is damaged.
    """
    choice = choose(settings, sides.train)
    for line in choice.lines:
        print(f"auto: {line}")
    settings = choice.settings
    fitting = settings.fitting.chosen
    train_set = MaskDataset(
        sides.images,
        sides.train,
        canvas_wh=settings.size_wh,
        view=settings.view,
        augmentation=MaskAugmenter(settings.augmentation),
        part_wh=settings.part_wh,
        seed=settings.seed,
    )
    val_set = MaskDataset(sides.images, sides.val, canvas_wh=settings.size_wh, view=settings.view)
    class_weights = weigh_classes(settings, train_set)
    seed_torch(settings.seed)
    config: dict[str, Any] = {"num_classes": len(sides.train.classes)}
    if settings.architecture == "unet":
        config |= settings.unet.model_dump(mode="json")
    network = build_start(config, settings, sides.train.classes)
    module = SegmenterTraining(
        network,
        settings,
        num_classes=len(sides.train.classes),
        class_weights=_as_tensor(class_weights),
    )
    training = Plan(
        module,
        batches(train_set, fitting.batch_size, shuffle_seed=settings.seed),
        batches(val_set, fitting.batch_size, shuffle_seed=None),
        fitting,
        monitor=settings.monitor,
        mode=settings.mode,
        seed=settings.seed,
        num_shards=settings.optimisation.num_shards,
    )
    digests = {
        "train": [sides.train.digest(), train_set.digest()],
        "val": [sides.val.digest(), val_set.digest()],
    }
    return SegmenterPlan(
        *(training, settings, choice.facts, config, class_weights),
        state_digest(network),
        digests,
    )


def weigh_classes(settings: TrainSegmenter, train_set: MaskDataset) -> dict[str, float]:
    """The weight of each class in the loss; empty if all are equal.

    `balanced` weighs a class by one by the square root of its share of the pixels. A class without
    pixels in the training set has the weight 1: nothing tells its share. The other weights are
    scaled so that the mean weight in the loss is 1. The mean is that of the pixels, each with the
    weight of its class. In `bce` all classes weigh in each pixel, so it is the mean of the classes.

    Raises:
        FieldError: a weight is given for an unknown class.
    """
    classes, given = train_set.classes, settings.class_weights
    if given == "none":
        return {}
    if isinstance(given, dict):
        if unknown := given.keys() - set(classes):
            raise FieldError(
                "class_weights", f"expected some of {listed(classes, 20)}, got {listed(unknown)}"
            )
        return {name: given.get(name, 1.0) for name in classes}
    pixels = np.zeros(IGNORED + 1, np.int64)
    for position in range(len(train_set)):
        values = train_set.load(position).classes
        pixels += np.bincount(values.ravel(), minlength=IGNORED + 1)
    counts = pixels[: len(classes)]
    shares = counts / max(counts.sum(), 1)
    weights = np.maximum(shares, LEAST_SHARE) ** -0.5
    is_present = counts > 0
    parts = is_present / max(is_present.sum(), 1) if "bce" in settings.loss else shares
    weights /= max((weights * parts).sum(), 1e-12)
    weights[~is_present] = 1.0
    return dict(zip(classes, weights.round(6).tolist(), strict=True))


def _as_tensor(class_weights: Mapping[str, float]) -> Tensor | None:
    return torch.tensor(list(class_weights.values())) if class_weights else None


def train_segmenter(
    sides: Sides, settings: TrainSegmenter, *, weights: Path, card: Path, curves: Path
) -> None:
    """Trains a segmenter and writes its files, or takes the results of the same training before.

    Args:
        weights, card: the two files of the model.
        curves: the folder of DVCLive's learning curves.

    Raises:
        InputError: see `plan_training` and `fit`.
    """
    plan = plan_training(sides, settings)
    settings = plan.settings
    weights_digest = file_digest(settings.weights_file) if settings.weights_file else None

    def train_and_save(run: str, results: Mapping[str, Path]) -> None:
        fitted = fit(plan.training, branch="segmenter", fingerprint=run, curves=results["curves"])
        facts = _describe(sides, plan, weights_digest, fitted)
        save_model(fitted.state, facts, results["weights"], results["card"])

    train_once(
        "segmenter",
        {
            "code": code_fingerprint(train_segmenter, imports_of_others(settings.architecture)),
            "params": settings.used(),
            "weights": weights_digest,
            "start": plan.start,
            **plan.digests,
        },
        train_and_save,
        {"weights": weights, "card": card, "curves": curves},
    )


def _describe(
    sides: Sides, plan: SegmenterPlan, weights_digest: str | None, fitted: Fitted
) -> dict[str, Any]:
    """The model's card."""
    settings = plan.settings
    return {
        "architecture": settings.architecture,
        "config": plan.config,
        "classes": list(sides.train.classes),
        "background": sides.train.background,
        "canvas_wh": list(settings.size_wh),
        "view": settings.view,
        "loss": settings.loss,
        "input": INPUT[settings.view],
        "precision": settings.fitting.precision,
        **({"chosen": plan.chosen} if plan.chosen else {}),
        **({"class_weights": plan.class_weights} if plan.class_weights else {}),
        "training": {
            "params": settings.used(),
            "weights_sha256": weights_digest,
            "num_train": len(sides.train.images),
            "num_val": len(sides.val.images),
            **fitted.facts(),
        },
    }
