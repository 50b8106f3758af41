"""Finds the class of each pixel in every picture of every side."""

from pathlib import Path

from vigil.domain.masks.masked import read_masked
from vigil.domain.segmentations import NAME, write_results
from vigil.domain.sides import SIDES, read_side
from vigil.learn.networks.machine import choose_device, prepare_torch
from vigil.learn.segmenter.network.data import MaskDataset
from vigil.learn.segmenter.trained import TrainedSegmenter
from vigil.plumbing.outputs import whole
from vigil.plumbing.runner import run_stage
from vigil.settings.predict_segmenter import PredictSegmenter


def main(
    *,
    images: Path,
    masks: Path,
    splits: Path,
    weights: Path,
    card: Path,
    predictions: Path,
    settings: PredictSegmenter,
) -> None:
    prepare_torch()
    segmenter = TrainedSegmenter.from_files(weights, card, choose_device())
    known = read_masked(masks)
    ids = [name for side in SIDES for name in read_side(splits / f"{side}.json")]
    how = segmenter.how
    pictures = MaskDataset(images, known.select(ids), canvas_wh=how.canvas_wh, view=how.view)
    predicted = segmenter.segment_all(
        pictures, batch_size=settings.batch_size, tile_overlap=settings.tile_overlap
    )
    with whole(predictions) as folder:
        folder.mkdir()
        write_results(known, predicted, folder / NAME)


if __name__ == "__main__":
    run_stage(main)
