"""Sheets of pictures: what was found beside what is there."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from vigil.domain.boxes import Boxes
from vigil.domain.pictures.annotated import CORNERS, AnnotatedPictures
from vigil.pixels.drawing.on_pictures import (
    PALETTE_BGR,
    draw_boxes,
    tile,
    write_picture,
)
from vigil.pixels.drawing.text import Colour
from vigil.pixels.fitting import fit_within
from vigil.pixels.pictures.images import ImageSource
from vigil.pixels.pictures.picture import Picture

ORANGE, SKY, GREEN, _, _, RED, _ = PALETTE_BGR
TRUE, RIGHT, WRONG, IGNORED, MISSED = SKY, GREEN, RED, (160, 160, 160), ORANGE
GAP_PX = 2
PICTURE_WH = (320, 240)  # of each half of a compared picture
LEGEND = {
    "object, found": TRUE,
    "object, missed": MISSED,
    "detection, right": RIGHT,
    "detection, wrong": WRONG,
    "detection that counts neither way": IGNORED,
}
COLOURS = {"right": RIGHT, "wrong": WRONG, "ignored": IGNORED}


def compare(
    picture: Picture,
    true_boxes: Boxes,
    true_captions: Sequence[str],
    is_missed: Sequence[bool],
    found_boxes: Boxes,
    found_captions: Sequence[str],
    outcomes: Sequence[str],
    *,
    cell_wh: tuple[int, int],
) -> Picture:
    """The truth on the left (sky blue, orange if missed), what was found on the right.

    Detections are green if right, red if wrong, grey if they count neither way.

    Args:
        picture: (H, W, 3) BGR.
        true_boxes: (N, 4) in px of the picture.
        found_boxes: (M, 4) likewise; `outcomes` are `right`, `wrong` or `ignored`.
        cell_wh: each half is fitted to this size in px, which the result has whatever the picture.
    """
    small, scale = fit_within(picture, cell_wh)
    height, width = small.shape[:2]
    true_colours: list[Colour] = [MISSED if missed else TRUE for missed in is_missed]
    found_colours = [COLOURS[outcome] for outcome in outcomes]
    truth = draw_boxes(small, true_boxes * scale, true_captions, true_colours)
    found = draw_boxes(small, found_boxes * scale, found_captions, found_colours)
    sheet = np.full((cell_wh[1], 2 * cell_wh[0] + GAP_PX, 3), 255, np.uint8)
    sheet[:height, :width] = truth
    sheet[:height, cell_wh[0] + GAP_PX : cell_wh[0] + GAP_PX + width] = found
    return sheet


def draw_comparisons(
    known: AnnotatedPictures,
    outcome: pd.DataFrame,
    f1: "pd.Series[float]",
    source: ImageSource,
    file: Path,
    title: str,
) -> None:
    """Draws some pictures, truth on the left and detections on the right.

    Args:
        known: the truth.
        outcome: detections after `match`.
        f1: of each picture to draw, in the order of the sheet.
    """
    is_missed = ~np.isin(np.arange(len(known.boxes)), outcome["object"]) & ~known.is_ignored
    several = len(known.classes) > 1
    sheets, captions = [], []
    for picture, score in f1.items():
        true = known.boxes["image"] == picture
        own = outcome[outcome["image"] == picture]
        labels = [f"{label} " if several else "" for label in own["label"]]
        sheets.append(
            compare(
                source.rgb(str(picture))[..., ::-1],
                known.boxes.loc[true, CORNERS].to_numpy(),
                [label if several else "" for label in known.boxes.loc[true, "label"]],
                is_missed[true.to_numpy()].tolist(),
                own[CORNERS].to_numpy(),
                [f"{label}{one:.2f}" for label, one in zip(labels, own["score"], strict=True)],
                own["outcome"].tolist(),
                cell_wh=PICTURE_WH,
            )
        )
        captions.append(f"F1 {score:.2f}   {picture}")
    if not sheets:  # say so in place of an empty sheet
        sheets, captions = [np.full((60, 160), 255, np.uint8)], ["none to show"]
    title = f"{title}: truth on the left, detections with their scores on the right"
    write_picture(tile(sheets, captions, num_columns=2, title=title, legend=LEGEND), file)
