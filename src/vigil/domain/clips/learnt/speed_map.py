"""The usual speed at each place of the picture: near bodies look faster than far bodies.

A fixed camera sees far bodies small and slow. So a fast far body can be slower in the picture than
a near walker. The map is learnt from allowed videos: the logarithm of a high quantile of speeds is
linear in the place. Two slopes are too few to learn what single people did at single places. Motion
vectors are divided by the map at their place, relative to the middle of the picture.

If the training videos do not come from one camera, a place has no usual speed. So the map is tested
on training sources that it was not learnt from. Unless it predicts their speeds clearly better than
one speed for the whole picture, the map is 1 everywhere.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import QuantileRegressor

from vigil.domain.clips.evidence.pieces import Pieces

NUM_PARTS = 16
"""Parts of the map along each side of the picture."""
QUANTILE = 0.9
LARGEST_RATIO = 3.0
"""The map is at most this, and at least its inverse."""
LEAST_SPEED = 0.005
"""Slower evidence does not count, in short sides a second."""
MOST_PIECES = 2000
"""The largest number of pieces that a map is learnt from, spread evenly over all."""
LEAST_GAIN = 0.05
"""The map must reduce the loss on other sources by at least this fraction."""

Floats = npt.NDArray[np.float64]


class _Speeds(NamedTuple):
    places: Floats  # (N, 2), x and y from 0 to 1
    speeds: Floats  # (N,)


def fit_speed_map(pieces: Pieces, sources: npt.NDArray[np.object_]) -> Floats:
    """Learns the map (`NUM_PARTS`, `NUM_PARTS`) from allowed evidence of motion.

    Args:
        sources: (N,) the source of each piece.

    Returns:
        The usual speed at each place, relative to that in the middle of the picture.
    """
    speeds = pieces.vectors.sum(axis=1, dtype=np.float64)
    moves = speeds > LEAST_SPEED
    every = _Speeds(places_of(pieces)[moves], speeds[moves])
    flat = np.ones((NUM_PARTS, NUM_PARTS))
    _, names = np.unique(sources[moves].astype(str), return_inverse=True)
    halves = [
        _Speeds(every.places[at], every.speeds[at]) for at in (names % 2 == 0, names % 2 == 1)
    ]
    if min(len(half.speeds) for half in halves) == 0:
        return flat
    losses = np.zeros(2)
    for learnt, other in (halves, halves[::-1]):
        found, usual = _fit(learnt)
        losses += [
            _loss(other.speeds, np.full(len(other.speeds), usual)),
            _loss(other.speeds, usual * _look_up(found, other.places)),
        ]
    return _fit(every)[0] if losses[1] < (1 - LEAST_GAIN) * losses[0] else flat


def divide_by_map(pieces: Pieces, speed_map: Floats) -> npt.NDArray[np.float32]:
    """The vectors (N, D), each divided by the map at its place."""
    usual = _look_up(speed_map, places_of(pieces))
    return (pieces.vectors / usual[:, None]).astype(np.float32)


def places_of(pieces: Pieces) -> Floats:
    """The middle (N, 2) of each box, from 0 to 1 along the width and the height of the picture."""
    middles = (pieces.boxes_xyxy[:, :2] + pieces.boxes_xyxy[:, 2:]) / 2
    return np.asarray(middles / pieces.sizes_wh)


def _look_up(speed_map: Floats, places: Floats) -> Floats:
    column, row = np.clip((places * NUM_PARTS).astype(np.int64), 0, NUM_PARTS - 1).T
    return np.asarray(speed_map[row, column])


def _fit(learnt: _Speeds) -> tuple[Floats, float]:
    """The map, and the usual speed in the middle of the picture."""
    num = len(learnt.speeds)
    rows = np.linspace(0, num - 1, min(num, MOST_PIECES)).astype(np.int64)
    model = QuantileRegressor(quantile=QUANTILE, alpha=0.0, solver="highs")
    model.fit(learnt.places[rows] - 0.5, np.log(learnt.speeds[rows]))
    y, x = (np.mgrid[:NUM_PARTS, :NUM_PARTS].reshape(2, -1) + 0.5) / NUM_PARTS - 0.5
    ratios = np.exp(model.coef_[0] * x + model.coef_[1] * y).reshape(NUM_PARTS, NUM_PARTS)
    return np.clip(ratios, 1 / LARGEST_RATIO, LARGEST_RATIO), float(np.exp(model.intercept_))


def _loss(speeds: Floats, usual: Floats) -> float:
    """The mean quantile loss of the logarithm (Koenker and Bassett, 1978)."""
    differences = np.log(speeds / usual)
    return float(np.mean(np.maximum(QUANTILE * differences, (QUANTILE - 1) * differences)))
