"""Measures the detector on the test pictures."""

from pathlib import Path

from vigil.domain.detections import NAME, read_results
from vigil.domain.pictures.annotated import read_annotated
from vigil.domain.sides import TEST, VAL, read_side
from vigil.evaluation.detector import DetectorEvaluation, finds_masks, pick_score
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
    card: Path,
    predictions: Path,
    metrics: Path,
    plots: Path,
    settings: EvaluateDetector,
) -> None:
    truth = read_annotated(detections)
    val, test = (truth.select(read_side(splits / f"{side}.json")) for side in (VAL, TEST))
    predicted = read_results(truth, predictions / NAME, with_masks=finds_masks(card))
    evaluation = DetectorEvaluation(test, predicted, pick_score(settings, val, predicted), settings)
    numbers = evaluation.numbers()
    with whole(plots) as folder:
        (folder / PICTURES).mkdir(parents=True)
        evaluation.write_curves(folder)
        evaluation.draw_sheets(ImageSource(images), folder / PICTURES)
    write_json(numbers, metrics)  # last, so that this file means that all others are complete
    print_headline(numbers)


if __name__ == "__main__":
    run_stage(main)
