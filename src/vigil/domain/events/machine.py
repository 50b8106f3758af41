"""From scores of windows to events, one window after the other: the same for files and streams.

    idle -> pending: a window is above raise_at
    pending -> raised: num_above of the last num_windows are
    raised -> clearing: a window is below clear_at
    clearing -> raised: one reaches it again
    clearing -> idle: none did for clear_after_s

What is remembered does not grow with the source.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from vigil.domain.events.event import SIGNAL_LOST, UNUSUAL, Event, ScoredWindow
from vigil.plumbing.errors import InputError
from vigil.settings.raising import Raising

EDGE_S = 1e-9
"""By which sums of times may differ."""
TOO_SHORT = "shorter than min_duration_s"


@dataclass(eq=False)
class _Run:
    """Windows in a row that reach `clear_at`."""

    start_s: float
    peak: ScoredWindow
    tracks: set[int] = field(default_factory=set)

    def add(self, window: ScoredWindow) -> None:
        self.tracks |= window.tracks
        if window.score > self.peak.score:
            self.peak = window


@dataclass
class Progress:
    """What a window, a gap or the end of a source brings.

    Attributes:
        to_tell: events so far, of which people are to be told now.
        closed: events that are over, and will not change any more.
    """

    to_tell: list[Event] = field(default_factory=list)
    closed: list[Event] = field(default_factory=list)


class EventMachine:
    """Makes events of the windows of one source."""

    def __init__(self, rule: Raising) -> None:
        self._rule = rule
        self._recent: deque[tuple[bool, _Run | None]] = deque(maxlen=rule.num_windows)
        self._run: _Run | None = None
        self._open: Event | None = None
        self._waiting: Event | None = None
        """Closed, but what comes next may still belong to it."""
        self._stop_s = self._told_s = -np.inf

    def push(self, window: ScoredWindow) -> Progress:
        """Takes the next window.

        Raises:
            InputError: it does not end after the one before, or its score is not finite.
        """
        if not (np.isfinite(window.score) and window.start_s < window.stop_s):
            raise InputError(f"expected windows with a length and a finite score, got {window}")
        if not window.stop_s > self._stop_s:
            raise InputError(
                f"expected windows in order, got one to {window.stop_s} s after {self._stop_s} s"
            )
        self._stop_s = window.stop_s
        told = Progress()
        is_active = window.score >= self._rule.clear_at
        self._count(window, is_active)
        if self._open is not None:
            self._go_on(self._open, window, is_active, told)
        elif sum(is_above for is_above, _ in self._recent) >= self._rule.num_above:
            self._raise(window, told)
        self._tell(window, told)
        self._let_go(window, told)
        return told

    def lose_signal(self, start_s: float, stop_s: float) -> Progress:
        """Takes a time without frames, between the last one before and the first one after it."""
        told = self.end()
        raised_s = min(start_s + self._rule.signal_gap_s, stop_s)
        told.closed.append(Event(SIGNAL_LOST, start_s, raised_s, stop_s, 0.0, start_s, stop_s))
        return told

    def end(self) -> Progress:
        """Takes the end of the source: what is open ends with its last window."""
        told = Progress()
        if self._open is not None:
            self._close()
        if self._waiting is not None:
            told.closed.append(self._judged(self._waiting))
            self._waiting = None
        self._recent.clear()
        self._run = None
        return told

    def _count(self, window: ScoredWindow, is_active: bool) -> None:
        if not is_active:
            self._run = None
        else:
            self._run = self._run or _Run(window.start_s, window)
            self._run.add(window)
        self._recent.append((window.score > self._rule.raise_at, self._run))

    def _raise(self, window: ScoredWindow, told: Progress) -> None:
        runs = [run for is_above, run in self._recent if is_above and run is not None]
        peak = max((run.peak for run in runs), key=lambda one: one.score)
        tracks = frozenset[int]().union(*(run.tracks for run in runs))
        event = replace(
            _part(ScoredWindow(peak.start_s, peak.stop_s, peak.score, tracks)),
            start_s=min(run.start_s for run in runs),
            raised_s=window.stop_s,
            end_s=window.stop_s,
        )
        before, self._waiting = self._waiting, None
        if before is None:
            self._open = event
        elif self._is_one(before, event):
            self._open = _joined(before, event)
        else:
            told.closed.append(self._judged(before))
            self._open = event

    def _is_one(self, before: Event, after: Event) -> bool:
        is_near = after.start_s - before.end_s < self._rule.merge_gap_s
        others = before.tracks and after.tracks and not set(before.tracks) & set(after.tracks)
        return is_near and not others

    def _go_on(self, own: Event, window: ScoredWindow, is_active: bool, told: Progress) -> None:
        if window.stop_s - own.raised_s > self._rule.max_open_s + EDGE_S:
            self._close()
            if is_active:
                told.closed.append(self._judged(own))
                start_s = max(own.end_s, window.start_s)
                self._waiting = None
                self._open = replace(_part(window), start_s=start_s, follows_s=own.start_s)
        elif is_active:
            self._open = _joined(own, _part(window))
        elif window.stop_s - own.end_s >= self._rule.clear_after_s - EDGE_S:
            self._close()

    def _close(self) -> None:
        """The open event is over; another one that comes soon may still be one with it."""
        assert self._open is not None
        self._waiting, self._open = self._open, None
        self._recent.clear()
        self._run = None

    def _judged(self, event: Event) -> Event:
        is_short = event.end_s - event.start_s < self._rule.min_duration_s - EDGE_S
        is_own = event.follows_s is None
        return replace(event, suppressed=TOO_SHORT) if is_short and is_own else event

    def _tell(self, window: ScoredWindow, told: Progress) -> None:
        """People are told of an event once, as soon as it is no short one."""
        own = self._open
        if (
            own is None
            or own.notified_s is not None
            or own.is_muted
            or self._judged(own).suppressed
        ):
            return
        if window.stop_s - self._told_s < self._rule.cooldown_s - EDGE_S:
            self._open = replace(own, is_muted=True)
            return
        self._told_s = window.stop_s
        self._open = replace(own, notified_s=window.stop_s)
        told.to_tell.append(self._open)

    def _let_go(self, window: ScoredWindow, told: Progress) -> None:
        """What is closed is final once nothing that may still be raised lies near it."""
        if self._waiting is None:
            return
        starts = [run.start_s for is_above, run in self._recent if is_above and run is not None]
        starts += [self._run.start_s] if self._run is not None else []
        nearest_s = min([*starts, window.start_s])
        if nearest_s - self._waiting.end_s >= self._rule.merge_gap_s:
            told.closed.append(self._judged(self._waiting))
            self._waiting = None


def _part(window: ScoredWindow) -> Event:
    """What one window alone would be as an event."""
    tracks = tuple(sorted(window.tracks))
    start_s, stop_s = window.start_s, window.stop_s
    return Event(UNUSUAL, start_s, stop_s, stop_s, window.score, start_s, stop_s, tracks)


def _joined(before: Event, after: Event) -> Event:
    """One event of two: what was known of the first one stays."""
    peak = after if after.peak_score > before.peak_score else before
    return replace(
        before,
        start_s=min(before.start_s, after.start_s),
        end_s=max(before.end_s, after.end_s),
        peak_score=peak.peak_score,
        peak_start_s=peak.peak_start_s,
        peak_stop_s=peak.peak_stop_s,
        tracks=tuple(sorted({*before.tracks, *after.tracks})),
    )


def find_events(
    windows: Iterable[ScoredWindow], rule: Raising, gaps: Sequence[tuple[float, float]] = ()
) -> list[Event]:
    """All events of a source, suppressed ones too, in order of their begin.

    Args:
        windows: by their end. None spans a gap.
        gaps: (start_s, stop_s) of times without frames, in order.

    Raises:
        InputError: windows that are not in order, or scores that are not finite.
    """
    machine, found, waiting = EventMachine(rule), [], list(gaps)
    for window in windows:
        while waiting and waiting[0][1] <= window.start_s + EDGE_S:
            found += machine.lose_signal(*waiting.pop(0)).closed
        found += machine.push(window).closed
    for gap in waiting:
        found += machine.lose_signal(*gap).closed
    found += machine.end().closed
    return sorted(found, key=lambda event: (event.start_s, event.kind))
