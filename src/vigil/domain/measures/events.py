"""How good events are: recall, false alarms an hour, delay.

An event is right if it overlaps a true one by at least a second, or, where the true one is shorter
than that, by half of it; one to one, as NIST scores activities (ActEV Sequestered Data Leaderboard
evaluation plan). Of two events on one true one, the second is a false alarm.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment
from scipy.stats import chi2

from vigil.domain.measures.intervals import CONFIDENCE

LEAST_OVERLAP_S = 1.0
LEAST_SHARE = 0.5
SECONDS_PER_HOUR = 3600
EDGE_S = 1e-9

Span = tuple[float, float]
"""Begin and end, in seconds."""


@dataclass(frozen=True)
class EventMatches:
    """Which found event is which true one.

    Attributes:
        pairs: positions of a true and of a found event.
        num_true: true events.
        false_alarms: positions of found events that match none.
    """

    pairs: tuple[tuple[int, int], ...]
    num_true: int
    false_alarms: tuple[int, ...]

    @property
    def recall(self) -> float | None:
        """The share of true events that are found; None where there are none."""
        return len(self.pairs) / self.num_true if self.num_true else None


def match_events(true: Sequence[Span], found: Sequence[Span]) -> EventMatches:
    """Pairs as many events as may be paired, those that overlap longest where there is a choice."""
    starts = np.array([start for start, _ in true])[:, None]
    stops = np.array([stop for _, stop in true])[:, None]
    own = np.array(found, np.float64).reshape(-1, 2)
    overlap = np.minimum(stops, own[None, :, 1]) - np.maximum(starts, own[None, :, 0])
    length = stops - starts
    needed = np.where(length >= LEAST_OVERLAP_S, LEAST_OVERLAP_S, LEAST_SHARE * length)
    is_right = (overlap >= needed - EDGE_S) & (overlap > 0)
    longest = float(overlap.max(initial=0)) + 1
    # A pair more is worth more than any overlap of all others.
    worth = np.where(is_right, longest * (min(is_right.shape) + 1) + overlap, 0)
    rows, columns = linear_sum_assignment(-worth)
    pairs = tuple(
        (int(row), int(column))
        for row, column in zip(rows, columns, strict=True)
        if is_right[row, column]
    )
    taken = {column for _, column in pairs}
    return EventMatches(pairs, len(true), tuple(n for n in range(len(found)) if n not in taken))


@dataclass(frozen=True)
class Rate:
    """How often something happens an hour, with an exact 95 % interval.

    Attributes:
        per_hour: what was seen.
        low: of the interval.
        high: of the interval.
        most: the upper 95 % bound: a greater rate would have shown more in 95 of 100 watches.
    """

    per_hour: float
    low: float
    high: float
    most: float


def rate_per_hour(number: int, watched_s: float) -> Rate | None:
    """The rate behind a number of events (Garwood, "Fiducial Limits for the Poisson Distribution",
    1936); None where nothing was watched.

    Args:
        number: how often it happened.
        watched_s: for how long it was watched; times without a signal do not count.
    """
    if watched_s <= 0:
        return None
    hours = watched_s / SECONDS_PER_HOUR
    tail = (1 - CONFIDENCE) / 2
    low = float(chi2.ppf(tail, 2 * number)) / 2 if number else 0.0
    high = float(chi2.ppf(1 - tail, 2 * number + 2)) / 2
    most = float(chi2.ppf(CONFIDENCE, 2 * number + 2)) / 2
    return Rate(number / hours, low / hours, high / hours, most / hours)


def covered_s(spans: Sequence[Span]) -> float:
    """How much time spans cover together, in seconds."""
    total, stop = 0.0, -np.inf
    for own_start, own_stop in sorted(spans):
        total += max(0.0, own_stop - max(own_start, stop))
        stop = max(stop, own_stop)
    return float(total)


def inside(times_s: npt.NDArray[np.float64], spans: Sequence[Span]) -> npt.NDArray[np.bool_]:
    """(N,): whether a time lies in one of the spans, their ends left out."""
    is_inside = np.zeros(len(times_s), bool)
    for start, stop in spans:
        is_inside |= (times_s >= start) & (times_s < stop)
    return is_inside
