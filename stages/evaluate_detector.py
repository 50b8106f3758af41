"""Measures the detector on the pictures held out for the test."""

from pathlib import Path

from vigil.domain.detections import NAME, read_results
from vigil.domain.pictures.annotated import read_annotated
from vigil.domain.sides import TEST, VAL, read_side
from vigil.evaluation.detector import DetectorEvaluation, pick_score
from vigil.evaluation.output import PICTURES, print_headline
from vigil.pixels.pictures.images import ImageSource
from vigil.plumbing.outputs import whole
from vigil.plumbing.records import write_json
from vigil.plumbing.runner import run_stage
from vigil.settings.evaluate_detector import EvaluateDetector


def main(
    *,
    images: Path,
    detections: Path,
    splits: Path,
    predictions: Path,
    metrics: Path,
    plots: Path,
    settings: EvaluateDetector,
) -> None:
    known = read_annotated(detections)
    val, test = (known.select(read_side(splits / f"{side}.json")) for side in (VAL, TEST))
    found = read_results(known, predictions / NAME)
    evaluation = DetectorEvaluation(test, found, pick_score(settings, val, found), settings)
    numbers = evaluation.numbers()
    with whole(plots) as folder:
        (folder / PICTURES).mkdir(parents=True)
        evaluation.write_curves(folder)
        evaluation.draw_sheets(ImageSource(images), folder / PICTURES)
    write_json(numbers, metrics)  # last: where it is, the rest is
    print_headline(numbers)


if __name__ == "__main__":
    run_stage(main)
