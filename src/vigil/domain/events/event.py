"""Events, and the windows that events are built from."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

UNUSUAL, SIGNAL_LOST, NOT_SCORED = "unusual", "signal_lost", "not_scored"
ID_LENGTH = 12
TIME_DECIMALS = 3


@dataclass(frozen=True)
class ScoredWindow:
    """A window of a source, and its score.

    Attributes:
        start_s: the time of its first frame, counted from the first frame of the source.
        stop_s: the end of its last frame.
        score: the score over the threshold: above 1, the window alone raises the alarm.
        tracks: numbers of the tracks that take part in the unusual activity; empty: unknown.
    """

    start_s: float
    stop_s: float
    score: float
    tracks: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Event:
    """An unusual activity, or a time in which none could be seen.

    Attributes:
        kind: `UNUSUAL`; `SIGNAL_LOST`: there were no frames; `NOT_SCORED`: there were frames, but
            the alarm could score no window.
        start_s: the start of the first window of the event.
        raised_s: the time at which the event was raised. `raised_s - start_s` is the delay.
        end_s: the end of the last window of the event.
        peak_score: the highest score of its windows; 0 without windows.
        peak_start_s: the start of the window with that score.
        peak_stop_s: the end of that window.
        tracks: numbers of all tracks that took part.
        follows_s: the start of the event that this one continues; None: it continues no event.
        suppressed: the reason why it is no alarm; empty: it is an alarm.
        notified_s: the time of the notification; None: there was none.
        is_muted: whether there was no notification because of the cooldown after another one.
    """

    kind: str
    start_s: float
    raised_s: float
    end_s: float
    peak_score: float
    peak_start_s: float
    peak_stop_s: float
    tracks: tuple[int, ...] = ()
    follows_s: float | None = None
    suppressed: str = ""
    notified_s: float | None = None
    is_muted: bool = False


def covered_s(spans: Iterable[tuple[float, float]]) -> float:
    """The length of the union of spans (start_s, stop_s)."""
    total_s, reached_s = 0.0, float("-inf")
    for start_s, stop_s in sorted(spans):
        total_s += max(0.0, stop_s - max(start_s, reached_s))
        reached_s = max(reached_s, stop_s)
    return total_s


def event_id(source: str, kind: str, start_s: float) -> str:
    """The id of an event. It is known when the event is raised, and is the same in each run.

    Args:
        source: the digest of a file, or another unique name of the source.
    """
    content = f"{source}\0{kind}\0{start_s:.{TIME_DECIMALS}f}"
    return hashlib.sha256(content.encode()).hexdigest()[:ID_LENGTH]
