"""What happened, from when to when: an event, and the windows that events are made of."""

import hashlib
from dataclasses import dataclass

UNUSUAL, SIGNAL_LOST = "unusual", "signal_lost"
ID_LENGTH = 12
TIME_DECIMALS = 3


@dataclass(frozen=True)
class ScoredWindow:
    """A part of a source, and how unusual it is.

    Attributes:
        start_s: when its first frame is shown, from the source's first frame.
        stop_s: when its last frame ends.
        score: in terms of the threshold: above 1 alone raises an alarm.
        tracks: numbers of those who take part in what is unusual; empty where nobody knows.
    """

    start_s: float
    stop_s: float
    score: float
    tracks: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Event:
    """Something unusual, or a loss of the signal.

    Attributes:
        kind: `UNUSUAL` or `SIGNAL_LOST`.
        start_s: begin of the first window of those that led to it.
        raised_s: when it was known to be an event: `raised_s - start_s` is how long that took.
        end_s: end of the last window that belongs to it.
        peak_score: the highest one of its windows; 0 of a loss of the signal.
        peak_start_s: begin of that window.
        peak_stop_s: end of that window.
        tracks: numbers of all who took part.
        follows_s: begin of the event that this one goes on with; None where there is none.
        suppressed: why it is no alarm; empty where it is one.
        notified_s: when people were to be told; None where they were not.
        is_muted: whether they were not told because they had just been.
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
    """The name of an event, known as soon as it is raised and the same in every run.

    Args:
        source: the digest of a file, or what else tells one source from another.
    """
    content = f"{source}\0{kind}\0{start_s:.{TIME_DECIMALS}f}"
    return hashlib.sha256(content.encode()).hexdigest()[:ID_LENGTH]
