"""Directions of motion, each weighted by its speed.

Histograms of direction in which each place counts by its speed: Dalal et al., "Human Detection
Using Oriented Histograms of Flow and Appearance", 2006.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from vigil.pixels.flow.motion import Velocities
from vigil.settings.embed_clips import Histogram

Floats = npt.NDArray[np.float32]
TIMES_MEDIAN = 3.0
"""Most of a picture stands still, so that its median speed is noise; of Gaussian noise in two
directions one place in 500 is faster than this."""
MOST_NOISE = 0.05
"""Short sides a second: where most of a picture moves, its median is no noise."""


def speeds_by_direction(velocities: Velocities, settings: Histogram) -> Floats:
    """(R, C, 2) to (R, C, B): the speed of each cell, in the bins of its direction.

    A direction's speed goes to the two bins beside it, by nearness. Bin 0 is to the right, further
    ones turn clockwise as seen on the picture. Slower cells than `min_speed` have none.
    """
    speed = np.hypot(velocities[..., 0], velocities[..., 1])
    speed = np.where(speed < noise_floor(speed, settings), np.float32(0), speed)
    turns = np.arctan2(velocities[..., 1], velocities[..., 0]) / np.float32(2 * np.pi) % 1
    place = turns * settings.num_bins
    lower = np.floor(place)
    part = place - lower
    found = np.zeros((*speed.shape, settings.num_bins), np.float32)
    for number in range(settings.num_bins):
        below = np.where(lower % settings.num_bins == number, speed * (1 - part), 0)
        above = np.where((lower + 1) % settings.num_bins == number, speed * part, 0)
        found[..., number] = below + above
    return found


def noise_floor(speeds: Floats, settings: Histogram) -> float:
    """The speed below which a cell stands still, in short sides a second."""
    if settings.min_speed == "measured":
        return min(TIMES_MEDIAN * float(np.median(speeds)), MOST_NOISE)
    return settings.min_speed


def mean_in_time_cells(moments: Sequence[Floats], settings: Histogram) -> Floats:
    """T moments (...) to (num_time_cells, ...): means over equal parts of the time.

    Of fewer moments than there are parts, a part without any has that of its place.
    """
    num, num_cells = len(moments), settings.num_time_cells
    parts = []
    for cell in range(num_cells):
        start, stop = -(-cell * num // num_cells), -(-(cell + 1) * num // num_cells)
        start = min(start, num - 1) if stop <= start else start
        parts.append(np.mean(moments[start : max(stop, start + 1)], axis=0, dtype=np.float32))
    means = np.stack(parts)
    return np.sqrt(means) if settings.root else means
