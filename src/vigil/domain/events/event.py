"""Events, and the windows that events are built from."""

import hashlib
from dataclasses import dataclass

UNUSUAL, SIGNAL_LOST = "unusual", "signal_lost"
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
    """An unusual activity, or a loss of the signal.

    Attributes:
        kind: `UNUSUAL` or `SIGNAL_LOST`.
        start_s: the start of the first window of the event.
        raised_s: the time at which the event was raised. `raised_s - start_s` is the delay.
        end_s: the end of the last window of the event.
        peak_score: the highest score of its windows; 0 for a loss of the signal.
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


def event_id(source: str, kind: str, start_s: float) -> str:
    """The id of an event. It is known when the event is raised, and is the same in each run.

    Args:
        source: the digest of a file, or another unique name of the source.
    """
    content = f"{source}\0{kind}\0{start_s:.{TIME_DECIMALS}f}"
    return hashlib.sha256(content.encode()).hexdigest()[:ID_LENGTH]
