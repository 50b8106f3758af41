"""Builds events from scores of windows, one window at a time. Files and streams use the same code.

    idle -> pending: a window is above raise_at
    pending -> raised: num_above of the last num_windows are above raise_at
    raised -> clearing: a window is below clear_at
    clearing -> raised: a window reaches clear_at again
    clearing -> idle: no window reached clear_at for clear_after_s

Time without windows counts as time in which no window reached `clear_at`. The memory of the machine
does not grow with the length of the source.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from vigil.domain.events.event import SIGNAL_LOST, UNUSUAL, Event, ScoredWindow
from vigil.plumbing.errors import InputError
from vigil.settings.raising import Raising

EDGE_S = 1e-9
"""The tolerance for rounding errors in sums of times."""
TOO_SHORT = "shorter than min_duration_s"


@dataclass(eq=False)
class _Run:
    """Consecutive windows that reach `clear_at`."""

    start_s: float
    peak: ScoredWindow
    tracks: set[int] = field(default_factory=set)

    def add(self, window: ScoredWindow) -> None:
        self.tracks |= window.tracks
        if window.score > self.peak.score:
            self.peak = window


@dataclass
class Progress:
    """The result of a window, a gap or the end of a source.

    Attributes:
        to_notify: open events that need a notification now.
        closed: events that are over and final.
    """

    to_notify: list[Event] = field(default_factory=list)
    closed: list[Event] = field(default_factory=list)


class EventMachine:
    """Builds the events of one source from its windows."""

    def __init__(self, rule: Raising) -> None:
        self._rule = rule
        self._recent: deque[tuple[bool, _Run | None]] = deque(maxlen=rule.num_windows)
        self._run: _Run | None = None
        self._open: Event | None = None
        self._waiting: Event | None = None
        """A closed event that may still be merged with the next one."""
        self._stop_s = self._notified_s = -np.inf

    @property
    def open_event(self) -> Event | None:
        """The event that was raised and is not over; None: there is none."""
        return self._open

    def push(self, window: ScoredWindow) -> Progress:
        """Adds the next window.

        Raises:
            InputError: it does not end after the previous window, or its score is not finite.
        """
        if not (np.isfinite(window.score) and window.start_s < window.stop_s):
            raise InputError(f"expected windows with a length and a finite score, got {window}")
        if not window.stop_s > self._stop_s:
            raise InputError(
                f"expected windows in order, got one to {window.stop_s} s after {self._stop_s} s"
            )
        self._break(window)
        self._stop_s = window.stop_s
        progress = Progress()
        is_active = window.score >= self._rule.clear_at
        self._count(window, is_active)
        if self._open is not None:
            self._continue(self._open, window, is_active, progress)
        elif sum(is_above for is_above, _ in self._recent) >= self._rule.num_above:
            self._raise(window, progress)
        self._notify(window, progress)
        self._finish_waiting(window, progress)
        return progress

    def lose_signal(self, start_s: float, stop_s: float) -> Progress:
        """Adds a gap from the last frame before it to the first frame after it."""
        progress = self.end()
        raised_s = min(start_s + self._rule.signal_gap_s, stop_s)
        progress.closed.append(Event(SIGNAL_LOST, start_s, raised_s, stop_s, 0.0, start_s, stop_s))
        return progress

    def end(self) -> Progress:
        """Ends the source. An open event ends with its last window."""
        progress = Progress()
        if self._open is not None:
            self._close()
        if self._waiting is not None:
            progress.closed.append(self._judged(self._waiting))
            self._waiting = None
        self._recent.clear()
        self._run = None
        return progress

    def _break(self, window: ScoredWindow) -> None:
        """Ends what went on before a time without windows, as where frames were far apart."""
        last_s = self._stop_s if self._open is None else self._open.end_s
        without_s = window.start_s - last_s
        if without_s > EDGE_S and without_s >= self._rule.clear_after_s - EDGE_S:
            if self._open is not None:
                self._close()
            self._recent.clear()
            self._run = None

    def _count(self, window: ScoredWindow, is_active: bool) -> None:
        if not is_active:
            self._run = None
        else:
            self._run = self._run or _Run(window.start_s, window)
            self._run.add(window)
        self._recent.append((window.score > self._rule.raise_at, self._run))

    def _raise(self, window: ScoredWindow, progress: Progress) -> None:
        runs = [run for is_above, run in self._recent if is_above and run is not None]
        peak = max((run.peak for run in runs), key=lambda peak: peak.score)
        tracks = frozenset[int]().union(*(run.tracks for run in runs))
        event = replace(
            _event_of_window(ScoredWindow(peak.start_s, peak.stop_s, peak.score, tracks)),
            start_s=min(run.start_s for run in runs),
            raised_s=window.stop_s,
            end_s=window.stop_s,
        )
        previous, self._waiting = self._waiting, None
        if previous is None:
            self._open = event
        elif self._belong_together(previous, event):
            self._open = _merged(previous, event)
        else:
            progress.closed.append(self._judged(previous))
            self._open = event

    def _belong_together(self, first: Event, second: Event) -> bool:
        is_near = second.start_s - first.end_s < self._rule.merge_gap_s
        are_others = first.tracks and second.tracks and not set(first.tracks) & set(second.tracks)
        return is_near and not are_others

    def _continue(
        self, event: Event, window: ScoredWindow, is_active: bool, progress: Progress
    ) -> None:
        if window.stop_s - event.raised_s > self._rule.max_open_s + EDGE_S:
            self._close()
            if is_active:
                progress.closed.append(self._judged(event))
                start_s = max(event.end_s, window.start_s)
                self._waiting = None
                self._open = replace(
                    _event_of_window(window), start_s=start_s, follows_s=event.start_s
                )
        elif is_active:
            self._open = _merged(event, _event_of_window(window))
        elif window.stop_s - event.end_s >= self._rule.clear_after_s - EDGE_S:
            self._close()

    def _close(self) -> None:
        """Closes the open event. It waits, since the next event may be merged with it."""
        assert self._open is not None
        self._waiting, self._open = self._open, None
        self._recent.clear()
        self._run = None

    def _judged(self, event: Event) -> Event:
        is_short = event.end_s - event.start_s < self._rule.min_duration_s - EDGE_S
        is_first = event.follows_s is None
        return replace(event, suppressed=TOO_SHORT) if is_short and is_first else event

    def _notify(self, window: ScoredWindow, progress: Progress) -> None:
        """Asks for one notification of the open event, once the event is long enough."""
        event = self._open
        if (
            event is None
            or event.notified_s is not None
            or event.is_muted
            or self._judged(event).suppressed
        ):
            return
        if window.stop_s - self._notified_s < self._rule.cooldown_s - EDGE_S:
            self._open = replace(event, is_muted=True)
            return
        self._notified_s = window.stop_s
        self._open = replace(event, notified_s=window.stop_s)
        progress.to_notify.append(self._open)

    def _finish_waiting(self, window: ScoredWindow, progress: Progress) -> None:
        """Makes the waiting event final once no later event can start near it."""
        if self._waiting is None:
            return
        starts = [run.start_s for is_above, run in self._recent if is_above and run is not None]
        starts += [self._run.start_s] if self._run is not None else []
        nearest_s = min([*starts, window.start_s])
        if nearest_s - self._waiting.end_s >= self._rule.merge_gap_s:
            progress.closed.append(self._judged(self._waiting))
            self._waiting = None


def _event_of_window(window: ScoredWindow) -> Event:
    """The event of one window alone."""
    tracks = tuple(sorted(window.tracks))
    start_s, stop_s = window.start_s, window.stop_s
    return Event(UNUSUAL, start_s, stop_s, stop_s, window.score, start_s, stop_s, tracks)


def _merged(first: Event, second: Event) -> Event:
    """One event from two. Its time of raising and its notification are those of the first."""
    peak = second if second.peak_score > first.peak_score else first
    return replace(
        first,
        start_s=min(first.start_s, second.start_s),
        end_s=max(first.end_s, second.end_s),
        peak_score=peak.peak_score,
        peak_start_s=peak.peak_start_s,
        peak_stop_s=peak.peak_stop_s,
        tracks=tuple(sorted({*first.tracks, *second.tracks})),
    )


def find_events(
    windows: Iterable[ScoredWindow], rule: Raising, gaps: Sequence[tuple[float, float]] = ()
) -> list[Event]:
    """All events of a source, including suppressed ones, in order of their start.

    Args:
        windows: in order of their end. No window spans a gap.
        gaps: (start_s, stop_s) of times without frames, in order.

    Raises:
        InputError: the windows are not in order, or a score is not finite.
    """
    machine, events, next_gaps = EventMachine(rule), [], list(gaps)
    for window in windows:
        while next_gaps and next_gaps[0][1] <= window.start_s + EDGE_S:
            events += machine.lose_signal(*next_gaps.pop(0)).closed
        events += machine.push(window).closed
    for gap in next_gaps:
        events += machine.lose_signal(*gap).closed
    events += machine.end().closed
    return sorted(events, key=lambda event: (event.start_s, event.kind))
