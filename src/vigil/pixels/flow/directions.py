"""Histograms of the direction of motion, weighted by speed.

Dalal et al., "Human Detection Using Oriented Histograms of Flow and Appearance", 2006.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from vigil.pixels.flow.motion import Velocities

if TYPE_CHECKING:  # an exported alarm has its settings from a card, without pydantic
    from vigil.settings.embed_clips import Histogram, NoiseFloor

Floats = npt.NDArray[np.float32]
TIMES_MEDIAN = 3.0
"""The noise floor as a multiple of the median speed. Most of a picture does not move, so its median
speed is noise. With Gaussian noise in two directions, one place in 500 exceeds this floor."""
MOST_NOISE = 0.05
"""The highest noise floor, in short sides a second: if most of a picture moves, its median speed
is not noise."""


def speeds_by_direction(velocities: Velocities, settings: Histogram) -> Floats:
    """The speed of each cell in the bins of its direction: (R, C, 2) to (R, C, B).

    The speed is shared between the two nearest bins: the nearer bin gets more. Bin 0 is to the
    right, and the next bins follow clockwise in the picture. A cell that is slower than `min_speed`
    has zero in all bins.
    """
    speed = np.hypot(velocities[..., 0], velocities[..., 1])
    speed = np.where(speed < noise_floor(speed, settings.min_speed), np.float32(0), speed)
    turns = np.arctan2(velocities[..., 1], velocities[..., 0]) / np.float32(2 * np.pi) % 1
    # The position among the bins: the whole part is the lower bin, the rest the share of the next.
    position = turns * settings.num_bins
    lower = np.floor(position)
    share = position - lower
    bins = np.zeros((*speed.shape, settings.num_bins), np.float32)
    for number in range(settings.num_bins):
        below = np.where(lower % settings.num_bins == number, speed * (1 - share), 0)
        above = np.where((lower + 1) % settings.num_bins == number, speed * share, 0)
        bins[..., number] = below + above
    return bins


def noise_floor(speeds: Floats, min_speed: NoiseFloor | float) -> float:
    """The speed below which motion is noise, in short sides a second."""
    if min_speed == "measured":
        return min(TIMES_MEDIAN * float(np.median(speeds)), MOST_NOISE)
    return min_speed


def mean_in_time_cells(moments: Sequence[Floats], settings: Histogram) -> Floats:
    """Means over equal parts of the time: T moments (...) to (num_time_cells, ...).

    If there are fewer moments than parts, a part without a moment gets the nearest moment.
    """
    num, num_cells = len(moments), settings.num_time_cells
    parts = []
    for cell in range(num_cells):
        start, stop = -(-cell * num // num_cells), -(-(cell + 1) * num // num_cells)
        start = min(start, num - 1) if stop <= start else start
        parts.append(np.mean(moments[start : max(stop, start + 1)], axis=0, dtype=np.float32))
    means = np.stack(parts)
    return np.sqrt(means) if settings.root else means
