"""Trains a classifier on stored samples: combines the data, the network and the training loop."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vigil.domain.hard_examples import read_hard_examples, repeated_positions
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
    """The samples of the training set and those of the validation set.

    Attributes:
        hard: ids of hard training samples, the hardest first.
    """

    train: CropDataset
    val: CropDataset
    hard: tuple[str, ...] = ()

    @classmethod
    def read(
        cls, samples: Path, train: Path, val: Path, hard_examples: Path | None = None
    ) -> "Sides":
        """Opens a folder of samples with the lists of ids for training and validation.

        Args:
            hard_examples: a list of hard training samples.

        Raises:
            InputError: a file is missing or damaged, or the folder lacks a sample of a list.
        """
        hard = () if hard_examples is None else read_hard_examples(hard_examples)
        train_set = CropDataset(samples, read_side(train))
        return cls(train_set, CropDataset(samples, read_side(val)), hard)

    def repeats(self, settings: TrainClassifier) -> list[int]:
        """Positions of training samples that an epoch has once more.

        Raises:
            InputError: a hard sample is not on the training side.
        """
        return repeated_positions(self.train.ids, self.hard, settings.hard_examples)


def plan_training(sides: Sides, settings: TrainClassifier) -> Plan:
    """Sets up a training, with random weights from the seed.

    Raises:
        FieldError: the network does not fit the samples.
    """
    seed_torch(settings.seed)
    model = build_classifier(settings.architecture, _configure(sides, settings))
    return Plan(
        ClassifierTraining(model, settings),
        batches(
            sides.train,
            settings.fitting.batch_size,
            shuffle_seed=settings.seed,
            repeats=sides.repeats(settings),
        ),
        batches(sides.val, settings.fitting.batch_size, shuffle_seed=None),
        settings.fitting,
        monitor=MONITOR,
        mode="min",
        seed=settings.seed,
        num_shards=settings.optimisation.num_shards,
    )


def train_classifier(
    sides: Sides, settings: TrainClassifier, *, weights: Path, card: Path, curves: Path
) -> None:
    """Trains a classifier and writes its files, or takes the results of the same training before.

    Args:
        weights, card: the two files of the model.
        curves: the folder of DVCLive's learning curves.

    Raises:
        InputError: see `plan_training` and `fit`.
    """

    repeats = sides.repeats(settings)

    def train_and_save(run: str, results: Mapping[str, Path]) -> None:
        plan = plan_training(sides, settings)
        fitted = fit(plan, branch="classifier", fingerprint=run, curves=results["curves"])
        facts = _describe(sides, settings, fitted)
        save_model(fitted.state, facts, results["weights"], results["card"])

    train_once(
        "classifier",
        {
            "code": code_fingerprint(train_classifier),
            "params": settings.used(),
            **({"repeats": repeats} if repeats else {}),
            "train": sides.train.digest(),
            "val": sides.val.digest(),
        },
        train_and_save,
        {"weights": weights, "card": card, "curves": curves},
    )


def _configure(sides: Sides, settings: TrainClassifier) -> dict[str, Any]:
    """The configuration that a network is built from."""
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
            "params": settings.used(),
            "num_train": len(sides.train),
            "num_val": len(sides.val),
            **fitted.facts(),
        },
    }
