"""Trains a network to find the class of each pixel of pictures."""

from pathlib import Path

from vigil.learn.segmenter.training.assembly import Sides, train_segmenter
from vigil.plumbing.runner import run_stage
from vigil.settings.train_segmenter import TrainSegmenter


def main(
    *,
    images: Path,
    masks: Path,
    train: Path,
    val: Path,
    weights: Path,
    card: Path,
    curves: Path,
    settings: TrainSegmenter,
) -> None:
    sides = Sides.read(images, masks, train, val)
    train_segmenter(sides, settings, weights=weights, card=card, curves=curves)


if __name__ == "__main__":
    run_stage(main, is_training=True)
