"""What was found beside what is there."""

from collections.abc import Sequence

import cv2
import numpy as np

from vigil.domain.boxes import Boxes
from vigil.pixels.drawing import PALETTE_BGR, Colour, draw_boxes
from vigil.pixels.picture import Picture

ORANGE, SKY, GREEN, _, _, RED, _ = PALETTE_BGR
TRUE, RIGHT, WRONG, IGNORED, MISSED = SKY, GREEN, RED, (160, 160, 160), ORANGE
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
    width_px: int,
) -> Picture:
    """The truth on the left (sky blue, orange if missed), what was found on the right.

    Detections are green if right, red if wrong, grey if they count neither way.

    Args:
        picture: (H, W, 3) BGR.
        true_boxes: (N, 4) in px of the picture.
        found_boxes: (M, 4) likewise; `outcomes` are `right`, `wrong` or `ignored`.
        width_px: of each half.
    """
    scale = width_px / picture.shape[1]
    height_px = max(1, round(picture.shape[0] * scale))
    resized = cv2.resize(picture, (width_px, height_px), interpolation=cv2.INTER_AREA)
    small = resized.astype(np.uint8, copy=False)
    true_colours: list[Colour] = [MISSED if missed else TRUE for missed in is_missed]
    found_colours = [COLOURS[outcome] for outcome in outcomes]
    truth = draw_boxes(small, true_boxes * scale, true_captions, true_colours)
    found = draw_boxes(small, found_boxes * scale, found_captions, found_colours)
    gap = np.full((height_px, 2, 3), 255, np.uint8)
    return np.concatenate([truth, gap, found], axis=1)
