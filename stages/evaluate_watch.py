"""Measures events and tracks of watched videos against the truth."""

from pathlib import Path

from vigil.domain.watched import read_truth, read_watched
from vigil.evaluation.output import PICTURES, print_headline
from vigil.evaluation.watch import WatchEvaluation
from vigil.plumbing.outputs import whole
from vigil.plumbing.records import write_json
from vigil.plumbing.runner import run_stage
from vigil.settings.evaluate_watch import EvaluateWatch


def main(
    *, truth: Path, predictions: Path, metrics: Path, plots: Path, settings: EvaluateWatch
) -> None:
    videos = {folder.name: read_watched(folder) for folder in sorted(predictions.iterdir())}
    evaluation = WatchEvaluation(videos, read_truth(truth), settings)
    numbers = evaluation.numbers()
    with whole(plots) as folder:
        (folder / PICTURES).mkdir(parents=True)
        evaluation.write_curves(folder)
        evaluation.draw_pictures(folder / PICTURES)
    write_json(numbers, metrics)  # last, so that this file means that all others are complete
    print_headline(numbers)


if __name__ == "__main__":
    run_stage(main)
