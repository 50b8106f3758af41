"""Writes the trained classifier for programs without torch, and measures what was written."""

from functools import partial
from pathlib import Path

from vigil.domain.sides import TEST, TRAIN, read_side
from vigil.learn.classifier.export.classifier_files import exportable_classifier
from vigil.learn.classifier.export.measuring import crops, measure_exported
from vigil.learn.classifier.network.data import CropDataset
from vigil.learn.classifier.trained import TrainedClassifier
from vigil.learn.exporting.writing import write_and_measure
from vigil.learn.networks.machine import prepare_torch
from vigil.plumbing.runner import run_stage
from vigil.settings.export_classifier import ExportClassifier


def main(
    *,
    samples: Path,
    splits: Path,
    weights: Path,
    card: Path,
    exported: Path,
    metrics: Path,
    settings: ExportClassifier,
) -> None:
    prepare_torch()
    trained = TrainedClassifier.from_files(weights, card)
    test = CropDataset(samples, read_side(splits / f"{TEST}.json"))
    write_and_measure(
        partial(exportable_classifier, weights, card),
        settings.formats,
        settings.int8,
        partial(crops, samples=samples, ids=read_side(splits / f"{TRAIN}.json")),
        exported,
        metrics,
        partial(measure_exported, trained=trained, test=test),
    )


if __name__ == "__main__":
    run_stage(main)
