"""Draws sheets of pictures with the annotated objects beside the detections."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from vigil.domain.boxes import CORNERS, Boxes
from vigil.domain.pictures.annotated import COUNTS, AnnotatedPictures
from vigil.pixels.drawing.on_pictures import (
    PALETTE_BGR,
    draw_boxes,
    tile,
    write_picture,
)
from vigil.pixels.drawing.text import Colour
from vigil.pixels.fitting import fit_within
from vigil.pixels.overlays import shade_masks
from vigil.pixels.pictures.images import ImageSource
from vigil.pixels.pictures.picture import Picture

_, SKY, GREEN, YELLOW, _, VERMILION, _ = PALETTE_BGR
TRUE, RIGHT, WRONG, IGNORED, MISSED = SKY, GREEN, VERMILION, (160, 160, 160), YELLOW
GAP_PX = 2
NUM_COLUMNS = 2
HEADS = ("truth", "detections with their scores")
PICTURE_WH = (320, 240)  # the size of each half of a comparison
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
    detected_boxes: Boxes,
    detected_captions: Sequence[str],
    outcomes: Sequence[str],
    *,
    cell_wh: tuple[int, int],
    true_masks: Sequence[str] = (),
    detected_masks: Sequence[str] = (),
) -> Picture:
    """Draws the annotated objects on the left and the detections on the right.

    Objects are sky blue, or yellow if they were missed. Detections are green if they are right,
    vermilion if they are wrong, grey if they are ignored.

    Args:
        picture: (H, W, 3) BGR.
        true_boxes: (N, 4) in px of the picture.
        detected_boxes: (M, 4) in px of the picture; `outcomes` are `right`, `wrong` or `ignored`.
        cell_wh: the size in px that each half is fitted to; it does not depend on the picture.
        true_masks, detected_masks: compressed run lengths for each box; empty: no masks are drawn.
    """
    size_hw = (picture.shape[0], picture.shape[1])
    small, scale = fit_within(picture, cell_wh)
    height, width = small.shape[:2]
    true_colours: list[Colour] = [MISSED if missed else TRUE for missed in is_missed]
    detected_colours = [COLOURS[outcome] for outcome in outcomes]
    shaded = shade_masks(small, true_masks, true_colours, size_hw)
    truth = draw_boxes(shaded, true_boxes * scale, true_captions, true_colours)
    shaded = shade_masks(small, detected_masks, detected_colours, size_hw)
    detections = draw_boxes(shaded, detected_boxes * scale, detected_captions, detected_colours)
    sheet = np.full((cell_wh[1], 2 * cell_wh[0] + GAP_PX, 3), 255, np.uint8)
    sheet[:height, :width] = truth
    sheet[:height, cell_wh[0] + GAP_PX : cell_wh[0] + GAP_PX + width] = detections
    return sheet


def draw_comparisons(
    known: AnnotatedPictures,
    outcome: pd.DataFrame,
    f1: "pd.Series[float]",
    source: ImageSource,
    file: Path,
    title: str,
) -> None:
    """Draws pictures with the annotated objects on the left and the detections on the right.

    Args:
        known: the annotated pictures.
        outcome: the detections, as `match` returns them.
        f1: the F1 score of each picture to draw, in the order of the sheet.
    """
    is_missed = ~np.isin(np.arange(len(known.boxes)), outcome["object"]) & ~known.is_ignored
    has_many_classes = len(known.classes) > 1
    sheets, captions = [], []
    for picture, score in f1.items():
        in_picture = known.boxes["image"] == picture
        detected = outcome[outcome["image"] == picture]
        labels = [f"{label} " if has_many_classes else "" for label in detected["label"]]
        sheets.append(
            compare(
                source.rgb(str(picture))[..., ::-1],
                known.boxes.loc[in_picture, CORNERS].to_numpy(),
                [
                    label if has_many_classes else ""
                    for label in known.boxes.loc[in_picture, "label"]
                ],
                is_missed[in_picture.to_numpy()].tolist(),
                detected[CORNERS].to_numpy(),
                [f"{label}{one:.2f}" for label, one in zip(labels, detected["score"], strict=True)],
                detected["outcome"].tolist(),
                cell_wh=PICTURE_WH,
                true_masks=_masks_in(known.boxes[in_picture]),
                detected_masks=_masks_in(detected),
            )
        )
        captions.append(f"F1 {score:.2f}   {_name(str(picture))}")
    heads = HEADS * min(len(sheets), NUM_COLUMNS)
    if not sheets:  # draw a note in place of an empty sheet
        sheets, captions = [np.full((60, 160), 255, np.uint8)], ["none to show"]
    sheet = tile(sheets, captions, num_columns=NUM_COLUMNS, title=title, legend=LEGEND, heads=heads)
    write_picture(sheet, file)


def _masks_in(table: pd.DataFrame) -> list[str]:
    """The masks of a table of objects; empty if they have none."""
    return table[COUNTS].tolist() if COUNTS in table else []


def _name(picture: str) -> str:
    """`plaza_5.mkv, frame 110` for a frame that `extract_frames` stored; else the picture's name.

    Other archives hold pictures of any name.
    """
    video, _, frame = picture.rpartition(".zip/")
    stem = Path(frame).stem
    return f"{video}, frame {int(stem)}" if video and stem.isdecimal() else picture
