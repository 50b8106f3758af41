"""Detects objects in every picture of every side, and keeps boxes with low scores."""

from pathlib import Path

from vigil.domain.detections import NAME, write_results
from vigil.domain.pictures.annotated import read_annotated
from vigil.domain.sides import SIDES, read_side
from vigil.learn.detector.network.data import PictureDataset
from vigil.learn.detector.trained import TrainedDetector
from vigil.learn.networks.machine import choose_device, prepare_torch
from vigil.plumbing.outputs import whole
from vigil.plumbing.runner import run_stage
from vigil.settings.predict_detector import PredictDetector


def main(
    *,
    images: Path,
    detections: Path,
    splits: Path,
    weights: Path,
    card: Path,
    predictions: Path,
    settings: PredictDetector,
) -> None:
    prepare_torch()
    detector = TrainedDetector.from_files(weights, card, choose_device())
    truth = read_annotated(detections)
    ids = [name for side in SIDES for name in read_side(splits / f"{side}.json")]
    pictures = PictureDataset(
        images,
        truth.select(ids),
        input_size_wh=detector.input_size_wh,
        frames=detector.frames,
        allows_short=detector.allows_short,
    )
    pictures.log_loose("annotated")
    predicted = detector.detect_all(pictures, settings.suppression, settings.batch_size)
    with whole(predictions) as folder:
        folder.mkdir()
        write_results(truth, predicted, folder / NAME)


if __name__ == "__main__":
    run_stage(main)
