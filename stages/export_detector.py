"""Writes the trained detector for programs without torch, and measures what was written."""

from functools import partial
from pathlib import Path

from vigil.domain.pictures.annotated import read_annotated
from vigil.domain.sides import TEST, TRAIN, read_side
from vigil.learn.detector.export.detector_files import detector_in_32_bits, exportable_detector
from vigil.learn.detector.export.measuring import canvases, measure_exported
from vigil.learn.exporting.writing import write_and_measure
from vigil.learn.networks.machine import prepare_torch
from vigil.plumbing.runner import run_stage
from vigil.settings.export_detector import ExportDetector
from vigil.settings.suppression import DEFAULT


def main(
    *,
    images: Path,
    detections: Path,
    splits: Path,
    detector_score: Path,
    weights: Path,
    card: Path,
    exported: Path,
    metrics: Path,
    settings: ExportDetector,
) -> None:
    prepare_torch()
    trained = detector_in_32_bits(weights, card)
    truth = read_annotated(detections)
    train, test = (truth.select(read_side(splits / f"{side}.json")) for side in (TRAIN, TEST))
    write_and_measure(
        partial(exportable_detector, weights, card, detector_score),
        settings.formats,
        settings.int8,
        partial(canvases, trained=trained, images=images, pictures=train),
        exported,
        metrics,
        partial(measure_exported, trained=trained, images=images, test=test, suppression=DEFAULT),
    )


if __name__ == "__main__":
    run_stage(main)
