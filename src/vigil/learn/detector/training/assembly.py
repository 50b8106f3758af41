"""Trains a detector on annotated pictures: combines the data, the network and the training loop."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd

from vigil.domain.hard_examples import read_hard_examples, repeated_positions
from vigil.domain.measures.detector import measure_detections, measure_masks
from vigil.domain.pictures.annotated import AnnotatedPictures, read_annotated
from vigil.domain.sides import read_side
from vigil.learn.detector.network.data import PictureDataset, batches
from vigil.learn.detector.network.registry import imports_of_others
from vigil.learn.detector.training.anchor_sizes import cluster_sizes
from vigil.learn.detector.training.augmentation import BoxAugmentation
from vigil.learn.detector.training.choosing import choose, imports_of_recognition
from vigil.learn.detector.training.module import DetectorTraining, Measure
from vigil.learn.detector.training.start import build_start, imports_of_other_starts
from vigil.learn.networks.machine import seed_torch
from vigil.learn.networks.weights import save_model, state_digest
from vigil.learn.training.loop import Fitted, Plan, fit
from vigil.plumbing.errors import FieldError, InputError
from vigil.plumbing.fingerprints import code_fingerprint
from vigil.plumbing.memo import file_digest
from vigil.plumbing.ranks import this_rank
from vigil.plumbing.records import read_json, write_json
from vigil.plumbing.trainings import train_once
from vigil.settings.train_detector import (
    TrainDetector,
    TransformerArchitecture,
    TrunkArchitecture,
)

INPUT = "RGB in [0, 255], resized in proportion and padded to input_size_wh"


@dataclass(frozen=True)
class Sides:
    """The pictures of the training set and those of the validation set.

    Attributes:
        images: the folder of the pictures.
        hard: names of hard training pictures, the hardest first.
        test: the pictures of the test set, which no training sequence may hold; none of them is
            looked at.
    """

    images: Path
    train: AnnotatedPictures
    val: AnnotatedPictures
    hard: tuple[str, ...] = ()
    test: AnnotatedPictures | None = None

    @property
    def held_out(self) -> dict[str, int]:
        """The names of validation and test pictures, and their indices in their videos."""
        others = [side.images["frame_index"] for side in (self.val, self.test) if side is not None]
        indices: dict[str, int] = (
            pd.concat(others).drop(self.train.images.index, errors="ignore").to_dict()
        )
        return indices

    @classmethod
    def read(
        cls,
        images: Path,
        detections: Path,
        train: Path,
        val: Path,
        hard_examples: Path | None = None,
        test: Path | None = None,
    ) -> "Sides":
        """Reads annotations, and the lists of the pictures for training and validation.

        Args:
            hard_examples: a list of hard training pictures.
            test: the list of the test pictures.

        Raises:
            InputError: a file is missing or damaged, or the training set has no object.
        """
        known = read_annotated(detections)
        hard = () if hard_examples is None else read_hard_examples(hard_examples)
        sides = cls(
            images,
            *(known.select(read_side(train)), known.select(read_side(val)), hard),
            None if test is None else known.select(read_side(test)),
        )
        if sides.train.is_ignored.all():
            raise InputError(f"{train}: expected pictures with objects to train on, found none")
        return sides


@dataclass(frozen=True)
class DetectorPlan:
    """A training, and the facts that its result depends on besides the settings.

    Attributes:
        settings: the settings in use, without `auto`.
        chosen: the values chosen for `auto`, and the numbers that they depend on; empty: none.
        config: the configuration that the network is built from.
        start: the digest of the weights that the training starts from.
        digests: the digests of the objects and pictures, for training and validation.
        repeats: positions of training pictures that an epoch has once more.
    """

    training: Plan
    settings: TrainDetector
    chosen: dict[str, Any]
    config: dict[str, Any]
    start: str
    digests: dict[str, list[str]]
    repeats: list[int]


def plan_training(sides: Sides, settings: TrainDetector) -> DetectorPlan:
    """Sets up a training, with random weights from the seed or with loaded weights.

    Raises:
        FieldError: the weights are missing, or do not fit the network; or the objects have no masks
            to learn from; or the detector cannot be trained by several processes.
        InputError: the file of weights is damaged, or a hard picture is not on the training side.
    """
    _check_masks(sides.train, settings)
    _check_processes(settings)
    choice = choose(settings, sides.train, sides.images, sides.held_out)
    for line in choice.lines:
        print(f"auto: {line}")
    allows_short = settings.frames.num == "auto"
    settings = choice.settings
    fitting = settings.fitting.chosen
    repeats = repeated_positions(list(sides.train.images.index), sides.hard, settings.hard_examples)
    train_set, val_set = _datasets(sides, settings, allows_short=allows_short)
    seed_torch(settings.seed)
    config = _configure(train_set, settings)
    plain = PictureDataset(sides.images, sides.train, input_size_wh=settings.canvas_wh)
    network = build_start(config, settings, plain)
    module = DetectorTraining(
        network,
        settings,
        val_set=val_set,
        measure=lambda table: measure_detections(sides.val, table, decimals=None)["map"] or 0.0,
        measure_masks=_mask_measure(sides.val) if settings.masks else None,
    )
    training = Plan(
        module,
        batches(train_set, fitting.batch_size, shuffle_seed=settings.seed, repeats=repeats),
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
    return DetectorPlan(
        training, settings, choice.facts, config, state_digest(network), digests, repeats
    )


def _datasets(
    sides: Sides, settings: TrainDetector, *, allows_short: bool
) -> tuple[PictureDataset, PictureDataset]:
    """The pictures of training, changed at random, and those of validation."""
    train_set = PictureDataset(
        sides.images,
        sides.train,
        input_size_wh=settings.canvas_wh,
        augmentation=BoxAugmentation(settings.augmentation, settings.fitting.chosen.max_epochs),
        seed=settings.seed,
        frames=settings.frames,
        allows_short=allows_short,
        held_out=sides.held_out,
        with_masks=settings.masks,
    )
    unchanged = partial(
        PictureDataset,
        sides.images,
        input_size_wh=settings.canvas_wh,
        frames=settings.frames,
        allows_short=allows_short,
    )
    train_set.log_loose("training")
    val_set = unchanged(sides.val)
    val_set.log_loose("validation")
    if sides.test is not None:
        unchanged(sides.test)  # reads no picture, but raises now what the prediction would raise
    return train_set, val_set


def _check_masks(train: AnnotatedPictures, settings: TrainDetector) -> None:
    if settings.masks and not train.has_masks:
        raise FieldError(
            "masks",
            "expected false, since the imported objects have boxes alone "
            "(dataset.detection.format: masks takes those of import_masks), got true",
        )


def _check_processes(settings: TrainDetector) -> None:
    rank = this_rank()
    if rank.size > 1 and settings.architecture.startswith("rfdetr"):
        raise FieldError(
            "architecture",
            f"expected another detector for {rank.size} processes, got {settings.architecture}: in "
            "transformers, its loss depends on the number of processes; one process can train it",
        )


def _mask_measure(val: AnnotatedPictures) -> Measure:
    """Measures the mean average precision of masks."""
    return lambda table: measure_masks(val, table, decimals=None).get("segm_map") or 0.0


def train_detector(
    sides: Sides, settings: TrainDetector, *, weights: Path, card: Path, curves: Path
) -> None:
    """Trains a detector and writes its files, or takes the results of the same training before.

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
        fitted = fit(plan.training, branch="detector", fingerprint=run, curves=results["curves"])
        facts = _describe(sides, plan, settings, weights_digest, fitted)
        save_model(fitted.state, facts, results["weights"], results["card"])

    train_once(
        "detector",
        {
            "code": code_fingerprint(
                train_detector,
                imports_of_others(settings.architecture)
                | imports_of_other_starts(settings.architecture)
                | imports_of_recognition(),
            ),
            "params": settings.used(),
            "weights": weights_digest,
            "start": plan.start,
            **plan.digests,
            **({"repeats": plan.repeats} if plan.repeats else {}),
        },
        train_and_save,
        {"weights": weights, "card": card, "curves": curves},
    )
    if plan.chosen:
        # The same values may have been given in an earlier training, or chosen for other reasons.
        write_json(read_json(card) | {"chosen": plan.chosen}, card)


def _configure(train_set: PictureDataset, settings: TrainDetector) -> dict[str, Any]:
    """The configuration that a detector is built from."""
    num_classes = len(train_set.classes)
    if settings.architecture in get_args(TransformerArchitecture):
        return {"num_classes": num_classes, **({"masks": True} if settings.masks else {})}
    if settings.architecture == "maskrcnn":
        return _configure_maskrcnn(train_set, settings)
    if not settings.is_own:
        return {"num_classes": num_classes, "input_size_wh": list(settings.canvas_wh)}
    config: dict[str, Any] = {"loss": settings.loss.model_dump(), "num_classes": num_classes}
    if settings.frames.length > 1:
        config["frames"] = settings.frames.model_dump()
    if settings.architecture not in get_args(TrunkArchitecture):
        return config
    features = settings.features.model_dump(mode="json")
    config |= {"strides": features.pop("strides"), "features": features}
    if settings.architecture == "grid":
        return config | settings.grid.model_dump()
    anchor = settings.anchor.model_dump(mode="json", exclude={"num_sizes"})
    return config | anchor | {"sizes_px": anchor["sizes_px"] or _cluster(train_set, settings)}


def _configure_maskrcnn(train_set: PictureDataset, settings: TrainDetector) -> dict[str, Any]:
    features = settings.features.model_dump(mode="json")
    unused = {"num_sizes", "assignment"}
    anchor = settings.anchor.model_dump(mode="json", exclude=unused)
    return {
        "num_classes": len(train_set.classes),
        "input_size_wh": list(settings.canvas_wh),
        "strides": features.pop("strides"),
        "features": features,
        **anchor,
        "sizes_px": anchor["sizes_px"] or _cluster(train_set, settings),
    }


def _cluster(train_set: PictureDataset, settings: TrainDetector) -> list[float]:
    """Anchor sizes by k-means on the training boxes, scaled to the canvas."""
    boxes = train_set.boxes_on_canvas()
    sizes = np.asarray(boxes[:, 2:] - boxes[:, :2], dtype=np.float64)
    num_sizes = settings.anchor.num_sizes * len(settings.features.strides)
    return list(cluster_sizes(sizes, num_sizes, settings.seed))


def _describe(
    sides: Sides,
    plan: DetectorPlan,
    settings: TrainDetector,
    weights_digest: str | None,
    fitted: Fitted,
) -> dict[str, Any]:
    """The model's card, without `chosen`."""
    return {
        "architecture": settings.architecture,
        "config": plan.config,
        "classes": list(sides.train.classes),
        "input_size_wh": list(settings.canvas_wh),
        "input": INPUT,
        "precision": settings.fitting.precision,
        "training": {
            "params": settings.used(),
            "weights_sha256": weights_digest,
            "num_train": len(sides.train.images),
            "num_val": len(sides.val.images),
            **fitted.facts(),
        },
    }
