"""What was found beside what is there."""

from collections.abc import Sequence

import numpy as np

from vigil.domain.boxes import Boxes
from vigil.pixels.drawing.on_pictures import PALETTE_BGR, Colour, draw_boxes, fit
from vigil.pixels.video.picture import Picture

ORANGE, SKY, GREEN, _, _, RED, _ = PALETTE_BGR
TRUE, RIGHT, WRONG, IGNORED, MISSED = SKY, GREEN, RED, (160, 160, 160), ORANGE
GAP_PX = 2
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
    small, scale, (width, height) = fit(picture, cell_wh)
    true_colours: list[Colour] = [MISSED if missed else TRUE for missed in is_missed]
    found_colours = [COLOURS[outcome] for outcome in outcomes]
    truth = draw_boxes(small, true_boxes * scale, true_captions, true_colours)
    found = draw_boxes(small, found_boxes * scale, found_captions, found_colours)
    sheet = np.full((cell_wh[1], 2 * cell_wh[0] + GAP_PX, 3), 255, np.uint8)
    sheet[:height, :width] = truth
    sheet[:height, cell_wh[0] + GAP_PX : cell_wh[0] + GAP_PX + width] = found
    return sheet
