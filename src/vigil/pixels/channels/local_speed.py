"""Local speed: the speed of the fastest body. It has no training, and its vectors have one number.

Velocities of cells are averaged over a square of cells, then along the straight path of each cell.
A body continues along its path, while limbs swing back and noise flickers. So bodies keep their
speed, and the rest cancels out. Since the cells are small, one fast body among many slow ones is
not averaged out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from vigil.pixels.channels.channel import Channel
from vigil.pixels.channels.peaks import PeakFollower, PeakRule
from vigil.pixels.flow.motion import Motion, Velocities

if TYPE_CHECKING:  # an exported alarm has its settings from a card, without pydantic
    from vigil.settings.embed_clips import LocalSpeed, ShortClips

LEAST_IN_SIGHT = 0.5
"""The mean along a path is over the moments inside the picture, but its divisor is at least this
fraction of all moments."""

Speeds = npt.NDArray[np.float32]


def local_speed(settings: LocalSpeed, short_clips: ShortClips) -> Channel:
    """Builds the channel; `short_clips` is for windows shorter than a path."""
    size = (settings.mean_cells, settings.mean_cells)

    def smooth(motion: Motion) -> Velocities:
        return cv2.blur(motion.velocities, size).astype(np.float32, copy=False)

    rule = PeakRule(
        *("local_speed", settings.past_s, settings.ahead_s, settings.num_peaks),
        smooth,
        speeds_along_paths,
    )
    needs_s = rule.past_s + rule.ahead_s
    return Channel(settings.flow, 1, needs_s, lambda: PeakFollower(rule, short_clips))


def speeds_along_paths(velocities: Velocities, times_s: npt.NDArray[np.float64], at: int) -> Speeds:
    """The speeds (R, C) of cells at one moment, averaged along the path of each cell.

    The path of a cell is the straight line along its velocity at this moment. The velocities on the
    path are averaged as vectors, so motion to and fro cancels out.

    Args:
        velocities: (T, R, C, 2) in short sides a second.
        times_s: (T,) the times of the velocities.
        at: the index of the moment among the T moments.
    """
    _, rows, columns, _ = velocities.shape
    cells = min(rows, columns)  # along the short side
    y, x = np.mgrid[:rows, :columns].astype(np.float32)
    starts = velocities[at]
    total = np.zeros_like(starts)
    num_inside = np.zeros((rows, columns), np.float32)
    for moment, time_s in zip(velocities, times_s, strict=True):
        # The cell that each path reaches at this moment, in units of cells.
        moved = starts * np.float32((time_s - times_s[at]) * cells)
        to_x = np.rint(x + moved[..., 0]).astype(np.int64)
        to_y = np.rint(y + moved[..., 1]).astype(np.int64)
        inside = (to_x >= 0) & (to_x < columns) & (to_y >= 0) & (to_y < rows)
        reached = moment[np.clip(to_y, 0, rows - 1), np.clip(to_x, 0, columns - 1)]
        total += np.where(inside[..., None], reached, np.float32(0))
        num_inside += inside
    weights = np.maximum(num_inside, np.float32(len(velocities) * LEAST_IN_SIGHT))
    means = total / weights[..., None]
    speeds: Speeds = np.hypot(means[..., 0], means[..., 1])
    return speeds
