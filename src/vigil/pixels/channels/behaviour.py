"""What one tracked object does, from its boxes in the past: numbers that suit any camera.

Lengths are in heights of the object's own box, and times in seconds. So another size of the picture
changes nothing, and a shift of the whole picture changes only the place. Boxes are smoothed before
anything is measured: a median of three takes out single jumps, and a curve that is fitted over
`past_s` takes out the trembling of a detector.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
LEAST_BOXES = 4
"""An acceleration is fitted to at least so many boxes."""
WIDTHS: dict[str, int] = {
    "speed": 1,
    "acceleration": 1,
    "shape": 1,
    "place": 2,
    "dwelling": 1,
    "crowd": 1,
    "distance": 1,
}
"""Numbers of a vector that describe each feature."""
UNITS: dict[str, float] = {
    "speed": 0.1,
    "acceleration": 0.5,
    "shape": 0.1,
    "place": 0.02,
    "dwelling": 0.5,
    "crowd": 0.5,
    "distance": 0.1,
}
"""The least difference of each feature that means something: less is an error of boxes."""


def columns_of(features: Sequence[str]) -> dict[str, slice]:
    """The columns of each feature in a vector of these features, in order."""
    columns, at = {}, 0
    for name in features:
        columns[name] = slice(at, at + WIDTHS[name])
        at += WIDTHS[name]
    return columns


def width_of(features: Sequence[str]) -> int:
    """The numbers of a vector of these features."""
    return sum(WIDTHS[name] for name in features)


class Movement(NamedTuple):
    """How an object moves at the last of its boxes.

    Attributes:
        speed: heights a second.
        acceleration: heights a second squared, at least 0.
        shape: the change of the logarithm of height over width, a second; negative: it gets flat.
        middle: (2,) the smoothed middle of the last box, px.
        foot: (2,) the smoothed middle of its lower edge, px.
        height: the median height, px.
    """

    speed: float
    acceleration: float
    shape: float
    middle: Floats
    foot: Floats
    height: float


def measure_movement(times_s: Floats, boxes_xyxy: Floats) -> Movement:
    """The movement of an object over its boxes.

    Args:
        times_s: (N,) ascending, at least `LEAST_BOXES`.
        boxes_xyxy: (N, 4) with area, px.
    """
    sides = boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]
    height = float(np.median(sides[:, 1]))
    # Columns: middle x, middle y, lower edge y, log of height over width.
    values = np.column_stack(
        [
            boxes_xyxy[:, :2] + sides / 2,
            boxes_xyxy[:, 3],
            np.log(sides[:, 1] / sides[:, 0]),
        ]
    )
    values = median_of_three(values)
    since_s = times_s - times_s[-1]
    slopes, now = np.polyfit(since_s, values, 1)
    curves, _, _ = np.polyfit(since_s, values[:, :2], 2)
    return Movement(
        float(np.hypot(*slopes[:2])) / height,
        2 * float(np.hypot(*curves)) / height,
        float(slopes[3]),
        now[:2],
        now[[0, 2]],
        height,
    )


def median_of_three(values: Floats) -> Floats:
    """Each row (N, D) replaced by the median of itself and its neighbours; the ends stay."""
    if len(values) < 3:
        return values
    inner = np.median(np.stack([values[:-2], values[1:-1], values[2:]]), axis=0)
    return np.concatenate([values[:1], inner, values[-1:]])


def measure_dwelling(times_s: Floats, middles: Floats, near_px: float) -> float:
    """The time since an object was last farther than `near_px` from where it is, in seconds.

    Args:
        times_s: (N,) ascending.
        middles: (N, 2) the middles of its boxes, px; the last is where it is.
    """
    smooth = median_of_three(middles)
    away = np.hypot(*(smooth - smooth[-1]).T) > near_px
    first = int(np.flatnonzero(away)[-1]) + 1 if away.any() else 0
    return float(times_s[-1] - times_s[first])


def measure_distances(middles: Floats, heights: Floats, far: float) -> Floats:
    """The distance (N,) of each object to the nearest other, in mean heights of both; at most far.

    Args:
        middles: (N, 2) of the boxes in one picture, px.
        heights: (N,) of the boxes, px.
    """
    apart = np.hypot(*np.moveaxis(middles[:, None] - middles[None], -1, 0))
    relative = apart / ((heights[:, None] + heights[None]) / 2)
    np.fill_diagonal(relative, far)
    return np.asarray(np.minimum(relative.min(axis=1, initial=far), far))
