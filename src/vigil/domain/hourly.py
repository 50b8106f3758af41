"""A threshold with a promise about time: how seldom normal footage raises an alarm.

Normal footage is cut into blocks of equal length. Each has the largest value, over its time, of the
very statistic that raises an event: with N of the last M windows, the N-th largest of any M windows
in a row. An alarm is raised strictly above the threshold. Where the blocks are exchangeable with a
new normal one, the ceil((n + 1)(1 - a))-th smallest of n such maxima is exceeded by a new block's
with a probability of at most a, whatever the scorer and however much neighbouring windows depend
on each other (split conformal prediction: Papadopoulos et al., 2002; over blocks: Chernozhukov et
al., "Exact and Robust Conformal Inference Methods for Predictive Machine Learning with Dependent
Data", 2018). Merging events and dropping short ones only takes alarms away, so it holds for them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vigil.plumbing.errors import FieldError, InputError

Floats = npt.NDArray[np.float64]
EDGE_S = 1e-6


@dataclass(frozen=True)
class Footage:
    """The windows of one normal video, in order.

    Attributes:
        starts_s: (W,) when they begin.
        stops_s: (W,) when they end.
        scores: (W,).
        duration_s: of the video.
    """

    starts_s: Floats
    stops_s: Floats
    scores: Floats
    duration_s: float


@dataclass(frozen=True)
class BlockThreshold:
    """A threshold, and what is promised of it.

    Attributes:
        value: alarms are raised strictly above it.
        num_blocks: of normal footage that it rests on, n.
        block_s: their length.
        alarm_probability: at most so much for a new normal block: (n + 1 - rank) / (n + 1).
    """

    value: float
    num_blocks: int
    block_s: float
    alarm_probability: float


def raising_statistic(scores: Floats, num_above: int, num_windows: int) -> Floats:
    """(W,): above any threshold exactly where `num_above` of the last `num_windows` windows are.

    The num_above-th largest of the windows up to and with each one; minus infinity where there are
    fewer so far.
    """
    found = np.full(len(scores), -np.inf)
    for end in range(num_above, len(scores) + 1):
        recent = scores[max(0, end - num_windows) : end]
        found[end - 1] = np.sort(recent)[-num_above]
    return found


def block_maxima(
    footage: Sequence[Footage], block_s: float, num_above: int, num_windows: int
) -> Floats:
    """(n,): the largest statistic of each whole block of each video.

    A block counts the windows that lie in it whole, so that no window is in two blocks; the end of
    a video that fills no block is left out.
    """
    maxima = []
    for video in footage:
        for number in range(math.floor(video.duration_s / block_s + EDGE_S)):
            start_s, stop_s = number * block_s, (number + 1) * block_s
            is_inside = (video.starts_s >= start_s - EDGE_S) & (video.stops_s <= stop_s + EDGE_S)
            own = raising_statistic(video.scores[is_inside], num_above, num_windows)
            maxima.append(float(own.max(initial=-np.inf)))
    return np.array(maxima)


def pick_by_blocks(
    footage: Sequence[Footage],
    *,
    block_s: float,
    alarm_probability: float,
    num_above: int,
    num_windows: int,
) -> BlockThreshold:
    """The smallest threshold above which a new normal block comes seldom enough.

    Args:
        block_s: length of a block, as 3600 for a promise by the hour.
        alarm_probability: that a block raises an alarm at all, at most.

    Raises:
        FieldError: too little footage for that; the message says what could be promised.
        InputError: blocks too short to raise anything.
    """
    maxima = block_maxima(footage, block_s, num_above, num_windows)
    num = len(maxima)
    rank = math.ceil(round((num + 1) * (1 - alarm_probability), 9))
    if rank > num:
        needed = math.ceil(round(1 / alarm_probability, 9)) - 1
        best = f"the least that could be promised is {1 / (num + 1):.3g}" if num else "none at all"
        raise FieldError(
            "alarm_probability",
            f"expected at least {needed} blocks of {block_s:g} s of normal footage for "
            f"{alarm_probability:g}, got {num}: {best}",
        )
    if np.isinf(maxima).any():
        raise InputError(
            f"expected blocks of at least {num_above} windows, got one of {block_s:g} s with fewer"
        )
    value = float(np.sort(maxima)[rank - 1])
    rank = int((maxima <= value).sum())  # of equal ones the last: none of them is above it
    return BlockThreshold(value, num, block_s, (num + 1 - rank) / (num + 1))
