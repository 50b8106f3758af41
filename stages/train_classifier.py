"""Trains a network to tell people from background in sequences of crops."""

from pathlib import Path

from vigil.learn.classifier.training.assembly import Sides, train_classifier
from vigil.plumbing.runner import run_stage
from vigil.settings.train_classifier import TrainClassifier


def main(
    *,
    samples: Path,
    train: Path,
    val: Path,
    hard_examples: Path,
    weights: Path,
    card: Path,
    curves: Path,
    settings: TrainClassifier,
) -> None:
    sides = Sides.read(samples, train, val, hard_examples)
    train_classifier(sides, settings, weights=weights, card=card, curves=curves)


if __name__ == "__main__":
    run_stage(main, is_training=True)
