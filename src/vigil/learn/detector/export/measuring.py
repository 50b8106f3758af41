"""Measures an exported detector on pictures, beside torch."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from tqdm.auto import tqdm

from vigil.domain.boxes import CORNERS, pairwise_iou
from vigil.domain.detections import as_table
from vigil.domain.measures.detector import measure_detections
from vigil.domain.pictures.annotated import AnnotatedPictures
from vigil.learn.detector.network.data import PictureDataset, batches
from vigil.learn.detector.trained import BATCH_SIZE, TrainedDetector
from vigil.learn.exporting.exportable import open_format
from vigil.learn.exporting.writing import spread
from vigil.runtime.card import read_card_text
from vigil.runtime.detector import ExportedDetector
from vigil.settings.suppression import Suppression

SAME_BOX_IOU = 0.99
DECIMALS = 6


def open_exported(file: Path) -> ExportedDetector:
    """Opens a written detector in any format.

    Raises:
        InputError: see `ExportedDetector.from_file`.
    """
    network = open_format(file)
    return ExportedDetector(network.run, read_card_text(network.card, file, "detector"), file)


def measure_exported(
    files: Mapping[str, Path],
    trained: TrainedDetector,
    images: Path,
    test: AnnotatedPictures,
    suppression: Suppression,
) -> dict[str, Any]:
    """The score of torch in 32 bits and of each file on test pictures, and how boxes differ.

    Args:
        files: by the name of the format.
    """
    pictures = PictureDataset(
        images,
        test,
        input_size_wh=trained.input_size_wh,
        frames=trained.frames,
        allows_short=trained.allows_short,
    )
    by_torch = trained.detect_all(pictures, suppression)
    numbers: dict[str, Any] = {"torch": _scores(test, by_torch)}
    for name, file in files.items():
        table = detect_all(open_exported(file), pictures, suppression)
        numbers[name] = _scores(test, table) | compare_tables(by_torch, table)
    return numbers


def canvases(
    num: int, trained: TrainedDetector, images: Path, pictures: AnnotatedPictures
) -> Iterator[npt.NDArray[np.uint8]]:
    """Some pictures as the network takes them, evenly spread, one by one. Args: num: how many."""
    chosen = pictures.select(spread(pictures.images.index.tolist(), num))
    dataset = PictureDataset(
        images,
        chosen,
        input_size_wh=trained.input_size_wh,
        frames=trained.frames,
        allows_short=trained.allows_short,
    )
    for batch, _ in batches(dataset, 1, shuffle_seed=None):
        yield batch.numpy()


def detect_all(
    exported: ExportedDetector, pictures: PictureDataset, suppression: Suppression
) -> pd.DataFrame:
    """Finds boxes in all pictures of a dataset: a table of `DETECTION_COLUMNS`."""
    found: list[Any] = []
    loader = batches(pictures, BATCH_SIZE, shuffle_seed=None)
    for batch, _ in tqdm(loader, desc="exported", unit="batch", disable=None, leave=False):
        for kept in exported.detect_canvases(batch.numpy(), suppression):
            position = len(found)
            size_wh = pictures.sizes_wh[position]
            found.append(exported.place(kept, pictures.scale(position), size_wh))
    return as_table(pictures.ids, found)


def compare_tables(expected: pd.DataFrame, table: pd.DataFrame) -> dict[str, Any]:
    """How the boxes of a table differ from those that are expected.

    A box is found again if a box of its class has an IoU of at least `SAME_BOX_IOU` with it.

    Returns:
        `num_boxes` expected, `num_not_found_again` among them, and the `largest_score_difference`
        of those that were found again.
    """
    groups = dict(tuple(table.groupby("image")))
    missing, largest = 0, 0.0
    for image, rows in expected.groupby("image"):
        others = groups.get(image, table.iloc[:0])
        overlaps = pairwise_iou(rows[CORNERS].to_numpy(float), others[CORNERS].to_numpy(float))
        is_same_class = rows["label"].to_numpy()[:, None] == others["label"].to_numpy()[None]
        is_same = (overlaps >= SAME_BOX_IOU) & is_same_class
        missing += int((~is_same.any(axis=1)).sum())
        differences = np.abs(rows["score"].to_numpy()[:, None] - others["score"].to_numpy()[None])
        # Of several boxes at one place, the one with the nearest score.
        nearest = np.where(is_same, differences, np.inf).min(axis=1, initial=np.inf)
        largest = max([largest, *nearest[np.isfinite(nearest)].tolist()])
    return {
        "num_boxes": len(expected),
        "num_not_found_again": missing,
        "largest_score_difference": round(largest, DECIMALS),
    }


def _scores(test: AnnotatedPictures, table: pd.DataFrame) -> dict[str, Any]:
    measured = measure_detections(test, table)
    return {name: measured[name] for name in ("map", "map_50", "mar_100")}
