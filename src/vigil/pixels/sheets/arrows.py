"""Draws the motion between two frames as arrows."""

from typing import NamedTuple

import cv2
import numpy as np

from vigil.pixels.flow.motion import MotionMeter
from vigil.pixels.pictures.picture import Picture

ARROW_S = 0.15
"""An arrow is as long as the way in this time, at the measured speed."""
LEAST_PX = 2.0
"""Shorter arrows are not drawn."""
COLOUR_BGR = (255, 255, 0)


class _Flow(NamedTuple):
    """How the motion is measured: as by the channels, with fewer cells."""

    gap_s: float
    short_side_px: int = 240
    num_cells: int = 12


def draw_motion(picture: Picture, before: Picture, after: Picture, duration_s: float) -> Picture:
    """Draws an arrow for each cell that moved, from where it was, on a copy of a picture.

    Args:
        picture: (H, W, 3) BGR, `after` in any size.
        before, after: (H, W, 3) BGR, two frames of one size.
        duration_s: the time between them, at most 1 s.
    """
    meter = MotionMeter(_Flow(duration_s))
    meter.see(before, 0.0)
    motion = meter.see(after, duration_s)
    drawn = picture.copy()
    if motion is None:
        return drawn
    height, width = picture.shape[:2]
    rows, columns = motion.velocities.shape[:2]
    ways_px = motion.velocities * (ARROW_S * min(height, width))
    for row, column in np.argwhere(np.hypot(*np.moveaxis(ways_px, -1, 0)) >= LEAST_PX).tolist():
        start = np.array([(column + 0.5) * width / columns, (row + 0.5) * height / rows])
        first, last = np.rint([start, start + ways_px[row, column]]).astype(int).tolist()
        cv2.arrowedLine(drawn, first, last, COLOUR_BGR, 1, cv2.LINE_AA, tipLength=0.3)
    return drawn
