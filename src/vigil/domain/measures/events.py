"""Measures of events: recall, false alarms per hour, delay.

A predicted event matches a true event if they overlap by at least one second. For a true event
shorter than one second, half of it is enough. Matches are one to one, as in NIST's evaluation of
activities (ActEV Sequestered Data Leaderboard evaluation plan). So if two predicted events overlap
one true event, one of them is a false alarm.

An alarm that was raised for another reason, and stayed open until a true event came, matches that
event too. So there are two stricter measures beside: the events whose alarm was raised between
their start and their end, and the share of normal time in which an alarm is open (T_FA of the same
plan).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment
from scipy.stats import chi2

from vigil.domain.events.event import covered_s
from vigil.domain.measures.intervals import CONFIDENCE

LEAST_OVERLAP_S = 1.0
LEAST_SHARE = 0.5
SECONDS_PER_HOUR = 3600
DECIMALS = 3
EDGE_S = 1e-9

Span = tuple[float, float]
"""Start and end, in seconds."""


@dataclass(frozen=True)
class EventMatches:
    """Matches of true and predicted events.

    Attributes:
        pairs: positions of a true and of a predicted event.
        num_true: true events.
        false_alarms: positions of predicted events without a match.
    """

    pairs: tuple[tuple[int, int], ...]
    num_true: int
    false_alarms: tuple[int, ...]

    @property
    def recall(self) -> float | None:
        """The share of true events with a match; None: there are no true events."""
        return len(self.pairs) / self.num_true if self.num_true else None


def match_events(true: Sequence[Span], predicted: Sequence[Span]) -> EventMatches:
    """The largest possible number of matches; of several solutions, the one with most overlap."""
    starts = np.array([start for start, _ in true])[:, None]
    stops = np.array([stop for _, stop in true])[:, None]
    spans = np.array(predicted, np.float64).reshape(-1, 2)
    overlap = np.minimum(stops, spans[None, :, 1]) - np.maximum(starts, spans[None, :, 0])
    length = stops - starts
    needed = np.where(length >= LEAST_OVERLAP_S, LEAST_OVERLAP_S, LEAST_SHARE * length)
    may_match = (overlap >= needed - EDGE_S) & (overlap > 0)
    longest = float(overlap.max(initial=0)) + 1
    # One more pair has a larger value than the sum of all overlaps.
    value = np.where(may_match, longest * (min(may_match.shape) + 1) + overlap, 0)
    rows, columns = linear_sum_assignment(-value)
    pairs = tuple(
        (int(row), int(column))
        for row, column in zip(rows, columns, strict=True)
        if may_match[row, column]
    )
    matched = {column for _, column in pairs}
    return EventMatches(
        pairs, len(true), tuple(n for n in range(len(predicted)) if n not in matched)
    )


@dataclass(frozen=True)
class VideoEvents:
    """The true and the found events of a video.

    Attributes:
        matches: which of them are the same.
        delays_s: of each match, the time from the start of the true event until the alarm.
        num_raised_within: the matches whose alarm was raised within the true event.
        watched_s: the watched time.
        normal_s: the watched time without true events.
        normal_alarm_s: the part of it in which an alarm is open.
    """

    matches: EventMatches
    delays_s: tuple[float, ...]
    num_raised_within: int
    watched_s: float
    normal_s: float
    normal_alarm_s: float


def compare_events(
    true: Sequence[Span], found: Sequence[Span], raised_s: Sequence[float], watched_s: float
) -> VideoEvents:
    """Matches the events of a video. `raised_s` has the time of the alarm of each found event."""
    matches = match_events(true, found)
    delays_s = tuple(float(raised_s[column] - true[row][0]) for row, column in matches.pairs)
    within = [true[row][0] <= raised_s[column] <= true[row][1] for row, column in matches.pairs]
    true_s = covered_s(true)
    return VideoEvents(
        matches,
        delays_s,
        sum(within),
        watched_s,
        normal_s=max(0.0, watched_s - true_s),
        normal_alarm_s=covered_s([*true, *found]) - true_s,
    )


def measure_events(videos: Sequence[VideoEvents]) -> dict[str, Any]:
    """Recall, false alarms and the median delay over all videos; None: undefined."""
    watched_s = sum(video.watched_s for video in videos)
    num_true = sum(video.matches.num_true for video in videos)
    num_found = sum(len(video.matches.pairs) for video in videos)
    num_false = sum(len(video.matches.false_alarms) for video in videos)
    delays_s = [delay_s for video in videos for delay_s in video.delays_s]
    normal_s = sum(video.normal_s for video in videos)
    normal_alarm_s = sum(video.normal_alarm_s for video in videos)
    return {
        "watched_s": round(watched_s, DECIMALS),
        "event_recall": round(num_found / num_true, DECIMALS) if num_true else None,
        "num_events": num_true,
        "num_events_found": num_found,
        "num_raised_within_event": sum(video.num_raised_within for video in videos),
        "num_false_alarms": num_false,
        "false_alarms_per_hour": describe_rate(rate_per_hour(num_false, watched_s)),
        "normal_time_in_alarm": round(normal_alarm_s / normal_s, DECIMALS) if normal_s else None,
        "delay_s": round(float(np.median(delays_s)), DECIMALS) if delays_s else None,
    }


@dataclass(frozen=True)
class Rate:
    """A rate per hour, with an exact 95 % confidence interval.

    Attributes:
        per_hour: the observed rate.
        low: the lower end of the interval.
        high: the upper end of the interval.
        upper_bound: the one-sided upper 95 % confidence bound.
    """

    per_hour: float
    low: float
    high: float
    upper_bound: float


def rate_per_hour(number: int, watched_s: float) -> Rate | None:
    """The rate of a number of events, None if `watched_s` is 0.

    The interval is that of Garwood, "Fiducial Limits for the Poisson Distribution", 1936.

    Args:
        number: the number of events.
        watched_s: the watched time in seconds, without losses of the signal.
    """
    if watched_s <= 0:
        return None
    hours = watched_s / SECONDS_PER_HOUR
    tail = (1 - CONFIDENCE) / 2
    low = float(chi2.ppf(tail, 2 * number)) / 2 if number else 0.0
    high = float(chi2.ppf(1 - tail, 2 * number + 2)) / 2
    upper_bound = float(chi2.ppf(CONFIDENCE, 2 * number + 2)) / 2
    return Rate(number / hours, low / hours, high / hours, upper_bound / hours)


def describe_rate(rate: Rate | None) -> dict[str, float] | None:
    """A rate as numbers for a file."""
    if rate is None:
        return None
    return {
        "seen": round(rate.per_hour, DECIMALS),
        "low_95": round(rate.low, DECIMALS),
        "high_95": round(rate.high, DECIMALS),
        "upper_bound_95": round(rate.upper_bound, DECIMALS),
    }


def inside(times_s: npt.NDArray[np.float64], spans: Sequence[Span]) -> npt.NDArray[np.bool_]:
    """(N,): whether a time is in a span, from its start up to before its end."""
    is_inside = np.zeros(len(times_s), bool)
    for start, stop in spans:
        is_inside |= (times_s >= start) & (times_s < stop)
    return is_inside


def spans_of(times_s: npt.NDArray[np.float64], is_inside: npt.NDArray[np.bool_]) -> list[Span]:
    """The spans of consecutive frames that are inside: up to the first frame that is not.

    A span that reaches the last frame ends a usual step between frames after it.

    Args:
        times_s: (F,) the times of the frames, ascending.
        is_inside: (F,) whether each frame is inside.
    """
    edges = np.diff(np.concatenate([[0], is_inside.astype(np.int8), [0]]))
    ends_s = np.append(times_s, end_of(times_s))
    firsts, lasts = np.flatnonzero(edges > 0), np.flatnonzero(edges < 0)
    return [
        (float(times_s[first]), float(ends_s[last]))
        for first, last in zip(firsts, lasts, strict=True)
    ]


def end_of(times_s: npt.NDArray[np.float64]) -> float:
    """The end of the last of (F,) frames, a usual step after its time."""
    return float(times_s[-1] + (np.median(np.diff(times_s)) if len(times_s) > 1 else 0))
