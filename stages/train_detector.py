"""Trains a network to detect objects in pictures."""

from pathlib import Path

from vigil.learn.detector.training.assembly import Sides, train_detector
from vigil.plumbing.runner import run_stage
from vigil.settings.train_detector import TrainDetector


def main(
    *,
    images: Path,
    detections: Path,
    train: Path,
    val: Path,
    test: Path,
    hard_examples: Path,
    weights: Path,
    card: Path,
    curves: Path,
    settings: TrainDetector,
) -> None:
    sides = Sides.read(images, detections, train, val, hard_examples, test)
    train_detector(sides, settings, weights=weights, card=card, curves=curves)


if __name__ == "__main__":
    run_stage(main, is_training=True)
