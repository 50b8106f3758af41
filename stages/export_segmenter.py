"""Writes the trained segmenter for programs without torch, and measures what was written."""

from functools import partial
from pathlib import Path

from vigil.domain.masks.masked import read_masked
from vigil.domain.sides import TEST, TRAIN, read_side
from vigil.learn.exporting.writing import write_and_measure
from vigil.learn.networks.machine import prepare_torch
from vigil.learn.segmenter.export.measuring import canvases, measure_exported
from vigil.learn.segmenter.export.segmenter_files import exportable_segmenter, segmenter_in_32_bits
from vigil.plumbing.runner import run_stage
from vigil.settings.export_segmenter import ExportSegmenter


def main(
    *,
    images: Path,
    masks: Path,
    splits: Path,
    weights: Path,
    card: Path,
    exported: Path,
    metrics: Path,
    settings: ExportSegmenter,
) -> None:
    prepare_torch()
    trained = segmenter_in_32_bits(weights, card)
    known = read_masked(masks)
    train, test = (known.select(read_side(splits / f"{side}.json")) for side in (TRAIN, TEST))
    write_and_measure(
        partial(exportable_segmenter, weights, card),
        settings.formats,
        settings.int8,
        partial(canvases, trained=trained, images=images, pictures=train),
        exported,
        metrics,
        partial(measure_exported, trained=trained, images=images, test=test),
    )


if __name__ == "__main__":
    run_stage(main)
