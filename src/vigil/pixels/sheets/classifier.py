"""Draws sheets of crops with their predictions."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from vigil.domain.samples.index import read_crops
from vigil.pixels.drawing.on_pictures import tile, write_picture
from vigil.pixels.pictures.picture import Picture

CROP_SIDE_PX = 160  # crops are enlarged to this side, so that captions fit below them
NUM_COLUMNS = 6


def draw_predictions(
    shown: pd.DataFrame, samples: Path, file: Path, *, title: str, note: str
) -> None:
    """Draws the middle crop of each sample with its label, probability and size in px.

    Args:
        shown: predictions, one in each row.
        note: the text of an empty sheet.
    """
    pictures, captions = [], []
    for sample in shown.itertuples():
        crops = read_crops(samples, str(sample.video), int(sample.row))
        pictures.append(_enlarge(crops[len(crops) // 2]))
        size = f"{sample.width_px:.0f}x{sample.height_px:.0f}"
        captions.append(f"{sample.label} {sample.probability:.2f}, {size}")
    if not pictures:  # draw the note in place of an empty sheet
        pictures, captions = [np.zeros((CROP_SIDE_PX, CROP_SIDE_PX), np.uint8)], [note]
    title = f"{title}: true class, probability of a person, width x height in px"
    write_picture(tile(pictures, captions, num_columns=NUM_COLUMNS, title=title), file)


def _enlarge(crop: Picture) -> Picture:
    """Enlarges a crop to CROP_SIDE_PX without interpolation, so that its pixels stay visible."""
    size = (CROP_SIDE_PX, CROP_SIDE_PX)
    resized = cv2.resize(np.asarray(crop), size, interpolation=cv2.INTER_NEAREST)
    return resized.astype(np.uint8, copy=False)
