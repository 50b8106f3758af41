"""Picks the score of the detector from which a box counts, from validation pictures alone."""

from pathlib import Path

from vigil.domain.detections import NAME, read_results
from vigil.domain.detector_score import write_score
from vigil.domain.measures.detector import best_score, precision_recall, select_in
from vigil.domain.pictures.annotated import read_annotated
from vigil.domain.sides import VAL, read_side
from vigil.plumbing.runner import run_stage


def main(*, detections: Path, splits: Path, predictions: Path, score: Path) -> None:
    truth = read_annotated(detections)
    val = truth.select(read_side(splits / f"{VAL}.json"))
    predicted = select_in(val, read_results(truth, predictions / NAME))
    best = best_score(precision_recall(val, predicted))
    write_score(best, score)
    print(f"boxes count from a score of {best:.4f}, by the F1 of the validation pictures")


if __name__ == "__main__":
    run_stage(main)
