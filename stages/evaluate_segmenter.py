"""Measures the segmenter on the test pictures."""

from pathlib import Path

from vigil.domain.masks.masked import read_masked
from vigil.domain.segmentations import NAME, PredictedMaps
from vigil.domain.sides import TEST, read_side
from vigil.evaluation.output import PICTURES, print_headline
from vigil.evaluation.segmenter import SegmenterEvaluation
from vigil.pixels.pictures.images import ImageSource
from vigil.plumbing.outputs import whole
from vigil.plumbing.records import write_json
from vigil.plumbing.runner import run_stage
from vigil.settings.evaluate_segmenter import EvaluateSegmenter


def main(
    *,
    images: Path,
    masks: Path,
    splits: Path,
    predictions: Path,
    metrics: Path,
    plots: Path,
    settings: EvaluateSegmenter,
) -> None:
    known = read_masked(masks)
    test = known.select(read_side(splits / f"{TEST}.json"))
    evaluation = SegmenterEvaluation(test, PredictedMaps(known, predictions / NAME), settings)
    numbers = evaluation.numbers()
    with whole(plots) as folder:
        (folder / PICTURES).mkdir(parents=True)
        evaluation.write_tables(folder)
        evaluation.draw_sheets(ImageSource(images), folder / PICTURES)
    write_json(numbers, metrics)  # last, so that this file means that all others are complete
    print_headline(numbers)


if __name__ == "__main__":
    run_stage(main)
