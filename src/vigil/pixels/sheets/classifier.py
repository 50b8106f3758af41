"""Draws sheets of crops with their predictions."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from vigil.domain.samples.attention import Attention
from vigil.domain.samples.index import read_crops
from vigil.pixels.attention import heat_legend, lay_heat
from vigil.pixels.drawing.on_pictures import tile, write_picture
from vigil.pixels.pictures.picture import Picture

CROP_SIDE_PX = 160  # crops are enlarged to this side, so that captions fit below them
NUM_COLUMNS = 6
SMALL_SIDE_PX = 100  # of crops in sheets of attention
MEAN = "mean of heads"


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


def draw_attention(
    shown: pd.DataFrame,
    attention: Attention,
    samples: Path,
    file: Path,
    *,
    title: str,
    note: str,
) -> None:
    """Draws the crops of each sample, then the attention to each patch on the middle crop.

    The crops of a sample are the channels of a patch, so one map holds for all crops of a sample:
    first the mean of the heads, then each head. A map's brightest colour is its largest value.

    Args:
        shown: predictions, one in each row.
        attention: (N, heads, h, w), in the order of `shown`.
        note: the text of an empty sheet.
    """
    pictures: list[Picture] = []
    captions: list[str] = []
    num_columns = 1
    for sample, maps in zip(shown.itertuples(), attention.astype(np.float32), strict=True):
        crops = read_crops(samples, str(sample.video), int(sample.row))
        colours = [_in_colour(_enlarge(crop, SMALL_SIDE_PX)) for crop in crops]
        middle = colours[len(colours) // 2]
        row = [*colours, _lay(middle, maps.mean(axis=0)), *(_lay(middle, one) for one in maps)]
        pictures += row
        captions += [
            f"{sample.label} {sample.probability:.2f}",
            *(f"crop {number}" for number in range(2, len(crops) + 1)),
            MEAN,
            *(f"head {number}" for number in range(1, len(maps) + 1)),
        ]
        num_columns = len(row)
    if not pictures:  # draw the note in place of an empty sheet
        pictures, captions = [np.zeros((CROP_SIDE_PX, CROP_SIDE_PX), np.uint8)], [note]
    sheet = tile(
        pictures,
        captions,
        num_columns=num_columns,
        title=f"{title}: the crops of a sample, then the attention to each patch of the middle one",
        note="below the first crop: true class, probability of a person",
        legend=heat_legend(),
    )
    write_picture(sheet, file)


def _in_colour(crop: Picture) -> Picture:
    return np.repeat(crop[..., None], 3, axis=2)


def _lay(picture: Picture, attention: np.ndarray) -> Picture:
    return lay_heat(picture, attention, max(float(attention.max()), 1e-12))


def _enlarge(crop: Picture, side_px: int = CROP_SIDE_PX) -> Picture:
    """Enlarges a crop to a square without interpolation, so that its pixels stay visible."""
    size = (side_px, side_px)
    resized = cv2.resize(np.asarray(crop), size, interpolation=cv2.INTER_NEAREST)
    return resized.astype(np.uint8, copy=False)
