"""A threshold with a bound on the probability that a block of normal footage raises an alarm.

Normal footage is cut into blocks of equal length. The maximum of a block is the largest value of
the statistic that raises an event: with N of the last M windows, the N-th largest score of M
consecutive windows. An alarm is raised strictly above the threshold. Suppose that a new normal
block is exchangeable with n known blocks. Then its maximum exceeds the ceil((n + 1)(1 - a))-th
smallest of the n maxima with a probability of at most a. This holds for any scorer, and for any
dependence between neighbouring windows (split conformal prediction: Papadopoulos et al., 2002; with
blocks: Chernozhukov et al., "Exact and Robust Conformal Inference Methods for Predictive Machine
Learning with Dependent Data", 2018). It also holds for the final alarms, since merging events and
suppressing short events only lowers their number.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vigil.plumbing.errors import FieldError, InputError

Floats = npt.NDArray[np.float64]
EDGE_S, LEAST_GAP_S = 1e-6, 0.01


@dataclass(frozen=True)
class Footage:
    """The windows of one normal video, or of a part of it without a gap, in order.

    Attributes:
        starts_s: (W,) their starts, from the beginning of the footage.
        stops_s: (W,) their ends.
        scores: (W,) their scores.
        duration_s: the length of the footage.
    """

    starts_s: Floats
    stops_s: Floats
    scores: Floats
    duration_s: float


def footage_of(
    starts_s: Floats, stops_s: Floats, scores: Floats, duration_s: float = 0.0
) -> list[Footage]:
    """The footage of a normal video: one for each part without a gap.

    In a gap, no window was scored: it is no normal footage. Before the first window, there is none
    either. Elsewhere, windows overlap or touch each other.

    Args:
        starts_s, stops_s, scores: (W,) of its windows, in order.
        duration_s: its length, where that is more than the end of the last window. It counts up to
            the time at which one more window would end: a longer rest is a gap.
    """
    if not len(starts_s):
        return []
    between_s = starts_s[1:] - stops_s[:-1]
    edges = [0, *(np.flatnonzero(between_s > LEAST_GAP_S) + 1).tolist(), len(starts_s)]
    stride_s = float(min(np.diff(starts_s).min(initial=np.inf), (stops_s - starts_s).min()))
    ends_s = [float(stops_s[stop - 1]) for stop in edges[1:]]
    ends_s[-1] = max(ends_s[-1], min(duration_s, ends_s[-1] + stride_s))
    footage = []
    for first, stop, end_s in zip(edges[:-1], edges[1:], ends_s, strict=True):
        own, start_s = slice(first, stop), float(starts_s[first])
        footage.append(
            Footage(starts_s[own] - start_s, stops_s[own] - start_s, scores[own], end_s - start_s)
        )
    return footage


@dataclass(frozen=True)
class BlockThreshold:
    """A threshold, and its bound on the probability of an alarm.

    Attributes:
        value: alarms are raised strictly above it.
        num_blocks: n, the number of blocks of normal footage.
        block_s: their length.
        alarm_probability: the bound for a new normal block, (n + 1 - rank) / (n + 1).
    """

    value: float
    num_blocks: int
    block_s: float
    alarm_probability: float


def raising_statistic(scores: Floats, num_above: int, num_windows: int) -> Floats:
    """(W,): above any threshold exactly where `num_above` of the last `num_windows` windows are.

    It is the num_above-th largest score of the last windows, up to and including each window. It is
    minus infinity where there are fewer windows so far.
    """
    statistic = np.full(len(scores), -np.inf)
    for end in range(num_above, len(scores) + 1):
        recent = scores[max(0, end - num_windows) : end]
        statistic[end - 1] = np.sort(recent)[-num_above]
    return statistic


def block_maxima(
    footage: Sequence[Footage], block_s: float, num_above: int, num_windows: int
) -> Floats:
    """(n,): the maximum of each block of each video.

    A block contains the windows that lie completely in it, so no window is in two blocks. The rest
    of a video that is shorter than a block is left out.
    """
    maxima = []
    for video in footage:
        for number in range(math.floor(video.duration_s / block_s + EDGE_S)):
            start_s, stop_s = number * block_s, (number + 1) * block_s
            is_inside = (video.starts_s >= start_s - EDGE_S) & (video.stops_s <= stop_s + EDGE_S)
            statistic = raising_statistic(video.scores[is_inside], num_above, num_windows)
            maxima.append(float(statistic.max(initial=-np.inf)))
    return np.array(maxima)


def pick_by_blocks(
    footage: Sequence[Footage],
    *,
    block_s: float,
    alarm_probability: float,
    num_above: int,
    num_windows: int,
) -> BlockThreshold:
    """The smallest threshold whose bound is at most `alarm_probability`.

    Args:
        block_s: length of a block; 3600 for a bound per hour.
        alarm_probability: the largest allowed probability that a block raises an alarm.

    Raises:
        FieldError: there is too little footage. The message gives the least possible bound.
        InputError: the blocks are too short to raise an alarm.
    """
    too_short = InputError(
        f"expected blocks of at least {num_above} windows, got one of {block_s:g} s with fewer"
    )
    lengths_s = [float((video.stops_s - video.starts_s).min()) for video in footage]
    if lengths_s and block_s < min(lengths_s) - EDGE_S:
        raise too_short  # now, since a very short block has too many copies to count
    maxima = block_maxima(footage, block_s, num_above, num_windows)
    num = len(maxima)
    rank = math.ceil(round((num + 1) * (1 - alarm_probability), 9))
    if rank > num:
        needed = math.ceil(round(1 / alarm_probability, 9)) - 1
        best = f"the least possible is {1 / (num + 1):.3g}" if num else "no bound is possible"
        raise FieldError(
            "hourly.alarm_probability",
            f"expected at least {needed} blocks of {block_s:g} s of normal footage for "
            f"{alarm_probability:g}, got {num}: {best}",
        )
    if np.isinf(maxima).any():
        raise too_short
    value = float(np.sort(maxima)[rank - 1])
    rank = int((maxima <= value).sum())  # of equal maxima, none is above the value
    return BlockThreshold(value, num, block_s, (num + 1 - rank) / (num + 1))
