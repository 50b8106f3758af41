"""Trains a classifier on stored samples: data, network and loop put together."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vigil.domain.samples.index import LABELS
from vigil.domain.sides import read_side
from vigil.learn.classifier.network.data import CropDataset, batches
from vigil.learn.classifier.network.registry import build_classifier
from vigil.learn.classifier.training.module import MONITOR, ClassifierTraining
from vigil.learn.networks.machine import seed_torch
from vigil.learn.networks.weights import save_model
from vigil.learn.training.loop import Fitted, Plan, fit
from vigil.plumbing.fingerprints import code_fingerprint
from vigil.plumbing.trainings import train_once
from vigil.settings.train_classifier import TrainClassifier

INPUT = "grey crops in [0, 255]; sides over size_px resized, shorter zero-padded"


@dataclass(frozen=True)
class Sides:
    """The samples to learn from, and those to tell the best epoch by."""

    train: CropDataset
    val: CropDataset

    @classmethod
    def read(cls, samples: Path, train: Path, val: Path) -> "Sides":
        """Opens a folder of samples, and the lists of their ids on either side.

        Raises:
            InputError: a file is missing or damaged, or a list has a sample that the folder lacks.
        """
        return cls(CropDataset(samples, read_side(train)), CropDataset(samples, read_side(val)))


def plan_training(sides: Sides, settings: TrainClassifier) -> Plan:
    """Puts a training together, its weights drawn by the seed.

    Raises:
        FieldError: a network that does not fit the samples.
    """
    seed_torch(settings.seed)
    model = build_classifier(settings.architecture, _configure(sides, settings))
    return Plan(
        ClassifierTraining(model, settings),
        batches(sides.train, settings.fitting.batch_size, shuffle_seed=settings.seed),
        batches(sides.val, settings.fitting.batch_size, shuffle_seed=None),
        settings.fitting,
        monitor=MONITOR,
        mode="min",
        seed=settings.seed,
    )


def train_classifier(
    sides: Sides, settings: TrainClassifier, *, weights: Path, card: Path, curves: Path
) -> None:
    """Trains a classifier and writes it, or takes what the same training wrote before.

    Args:
        weights, card: the two files of the model.
        curves: a folder of values by epoch, as DVCLive writes them.

    Raises:
        InputError: as `plan_training` and `fit`.
    """

    def train_and_save(run: str, results: Mapping[str, Path]) -> None:
        plan = plan_training(sides, settings)
        fitted = fit(plan, branch="classifier", fingerprint=run, curves=results["curves"])
        facts = _describe(sides, settings, fitted)
        save_model(fitted.state, facts, results["weights"], results["card"])

    train_once(
        "classifier",
        {
            "code": code_fingerprint(train_classifier),
            "params": settings.model_dump(mode="json"),
            "train": sides.train.digest(),
            "val": sides.val.digest(),
        },
        train_and_save,
        {"weights": weights, "card": card, "curves": curves},
    )


def _configure(sides: Sides, settings: TrainClassifier) -> dict[str, Any]:
    """What a network is built from, but for its weights."""
    num_frames, size_px, _ = sides.train.sample_shape
    return {"num_frames": num_frames, "size_px": size_px, **settings.network.model_dump()}


def _describe(sides: Sides, settings: TrainClassifier, fitted: Fitted) -> dict[str, Any]:
    """The model's card."""
    return {
        "architecture": settings.architecture,
        "config": _configure(sides, settings),
        "classes": list(LABELS),
        "input": INPUT,
        "training": {
            "params": settings.model_dump(mode="json"),
            "num_train": len(sides.train),
            "num_val": len(sides.val),
            **fitted.facts(),
        },
    }
