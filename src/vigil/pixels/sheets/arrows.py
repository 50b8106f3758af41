"""Draws the motion in a video as arrows on its frames."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from vigil.pixels.flow.motion import Motion, MotionMeter
from vigil.pixels.pictures.picture import Picture

ARROW_S = 0.15
"""An arrow is as long as the way in this time, at the measured speed."""
LEAST_PX = 2.0
"""Shorter arrows are not drawn."""
SHORT_SIDE_PX = 240
COLOUR_BGR = (255, 255, 0)


class _Flow(NamedTuple):
    """How the motion is measured: as by the channels, with fewer cells."""

    gap_s: float = 0.08
    short_side_px: int = SHORT_SIDE_PX
    num_cells: int = 12


def measure_motions(frames: Sequence[Picture], times_s: Sequence[float]) -> list[Motion | None]:
    """The latest motion at each of some frames in order; None: there is none yet.

    Args:
        frames: (H, W, 3) BGR, of one size. The trembling of a camera is only known, and not shown,
            after some of them.
        times_s: their times.
    """
    meter = MotionMeter(_Flow())
    motions: list[Motion | None] = []
    latest: Motion | None = None
    for frame, time_s in zip(frames, times_s, strict=True):
        latest = meter.see(frame, time_s) or latest
        motions.append(latest)
    return motions


def draw_motion(picture: Picture, motion: Motion) -> Picture:
    """Draws an arrow for each cell that moved, from where it was, on a copy of a picture.

    Args:
        picture: (H, W, 3) BGR, a frame in any size.
        motion: that up to this frame.
    """
    drawn = picture.copy()
    height, width = picture.shape[:2]
    rows, columns = motion.velocities.shape[:2]
    ways_px = motion.velocities * (ARROW_S * min(height, width))
    for row, column in np.argwhere(np.hypot(*np.moveaxis(ways_px, -1, 0)) >= LEAST_PX).tolist():
        start = np.array([(column + 0.5) * width / columns, (row + 0.5) * height / rows])
        first, last = np.rint([start, start + ways_px[row, column]]).astype(int).tolist()
        cv2.arrowedLine(drawn, first, last, COLOUR_BGR, 1, cv2.LINE_AA, tipLength=0.3)
    return drawn
