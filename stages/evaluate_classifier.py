"""Measures the classifier on the test samples."""

from pathlib import Path

from vigil.domain.samples.attention import read_attention
from vigil.domain.samples.predictions import read_predictions
from vigil.domain.sides import TEST
from vigil.evaluation.classifier import ClassifierEvaluation
from vigil.evaluation.output import PICTURES, print_headline
from vigil.plumbing.outputs import whole
from vigil.plumbing.records import write_json
from vigil.plumbing.runner import run_stage
from vigil.settings.evaluate_classifier import EvaluateClassifier


def main(
    *, samples: Path, predictions: Path, metrics: Path, plots: Path, settings: EvaluateClassifier
) -> None:
    table = read_predictions(predictions)
    test = table[table["split"] == TEST]
    evaluation = ClassifierEvaluation(test, settings)
    attention = read_attention(predictions, len(test))
    numbers = evaluation.numbers()
    with whole(plots) as folder:
        (folder / PICTURES).mkdir(parents=True)
        evaluation.write_curves(folder)
        evaluation.draw_sheets(samples, attention, folder / PICTURES)
    write_json(numbers, metrics)  # last, so that this file means that all others are complete
    print_headline(numbers)


if __name__ == "__main__":
    run_stage(main)
