"""Draws sheets of pictures with their true and their predicted classes, and the confusion."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from vigil.domain.masks.class_map import IGNORED, ClassMap
from vigil.pixels.class_maps import fit_classes
from vigil.pixels.drawing.figures import as_label, figure
from vigil.pixels.drawing.on_pictures import PALETTE_BGR, tile, write_picture
from vigil.pixels.drawing.text import Colour
from vigil.pixels.fitting import fit_within
from vigil.pixels.overlays import (
    GREY,
    IGNORED_NAME,
    class_colours,
    overlay,
)
from vigil.pixels.pictures.picture import Picture

CELL_WH = (320, 240)
GAP_PX = 2
WRONG = PALETTE_BGR[5]
WRONG_NAME = "wrong"
HEADS = ("truth", "prediction", "where the prediction is wrong")
NOTE = (
    "mean IoU: over the classes that the truth or the prediction shows; a class that only one of "
    "them shows has an IoU of 0"
)


def compare(
    picture: Picture,
    truth: ClassMap,
    predicted: ClassMap,
    colours: Sequence[Colour | None],
) -> Picture:
    """Draws the truth, the prediction, and where the prediction is wrong, side by side.

    Args:
        picture: (H, W, 3) BGR.
        truth, predicted: (H, W).
        colours: the colour of each class; None: not drawn.
    """
    small, _ = fit_within(picture, CELL_WH)
    height, width = small.shape[:2]
    true, found = (fit_classes(one, (width, height)) for one in (truth, predicted))
    # 0: right, 1: wrong, `IGNORED`: counts neither way.
    errors = np.where(true == IGNORED, IGNORED, true != found).astype(np.uint8)
    cells = [
        overlay(small, true, colours),
        overlay(small, found, colours),
        overlay(small, errors, [None, WRONG], outlines=False),
    ]
    sheet = np.full((CELL_WH[1], 3 * CELL_WH[0] + 2 * GAP_PX, 3), 255, np.uint8)
    for number, cell in enumerate(cells):
        left = number * (CELL_WH[0] + GAP_PX)
        sheet[:height, left : left + width] = cell
    return sheet


def draw_comparisons(
    comparisons: Sequence[Picture],
    captions: Sequence[str],
    classes: Sequence[str],
    background: str,
    file: Path,
    title: str,
) -> None:
    """Draws comparisons below each other, with the colours of the classes above."""
    cells, names = list(comparisons), list(captions)
    if not cells:  # draw a note in place of an empty sheet
        cells, names = [np.full((60, 160), 255, np.uint8)], ["none to show"]
    legend = {**class_colours(classes, background), WRONG_NAME: WRONG, IGNORED_NAME: GREY}
    heads = HEADS if comparisons else ()
    sheet = tile(cells, names, num_columns=1, title=title, note=NOTE, legend=legend, heads=heads)
    write_picture(sheet, file)


def draw_confusion(confusion: pd.DataFrame, classes: Sequence[str], path: Path) -> None:
    """Draws the share of each true class (rows) that is predicted as each class (columns).

    Args:
        confusion: as `SegmentationMeasure.confusion_table` returns it.
    """
    num = len(classes)
    shares: npt.NDArray[np.float64] = confusion["share_of_actual"].to_numpy(float).reshape(num, num)
    side_inch = min(2.0 + 0.42 * num, 14.0)
    with figure(
        path,
        title="Pixels of each class, by prediction",
        x_label="predicted",
        y_label="actual",
        size_inch=(side_inch + 0.8, side_inch),
    ) as axes:
        axes.imshow(shares, vmin=0, vmax=1, cmap="viridis")
        names = [as_label(name) for name in classes]
        axes.set_xticks(range(num), names, rotation=90)
        axes.set_yticks(range(num), names)
        for row, column in zip(*np.nonzero(shares >= 0.005), strict=True):
            share = shares[row, column]
            colour = "white" if share < 0.6 else "black"
            axes.text(
                column, row, f"{share:.2f}", ha="center", va="center", color=colour, fontsize=7
            )
