"""Watches a camera or a stream: notifies when an event is raised, and stores it when it is over.

events.jsonl   a line for each event that is over
runs.jsonl     a line for each run: its start, models and settings
status.json    watched and lost time, alarms, dropped frames and more
events/        a picture of each event, of the time when it was raised, and a video of the event
clips/         the same videos with nothing drawn, to watch again and to correct
"""

import sys
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import time
from typing import Any

import numpy as np

from vigil.domain.clips.verdicts import WindowVerdict
from vigil.domain.events.event import (
    NOT_SCORED,
    SIGNAL_LOST,
    UNUSUAL,
    Event,
    ScoredWindow,
    event_id,
)
from vigil.domain.events.machine import EventMachine, Progress
from vigil.domain.measures.events import rate_per_hour
from vigil.domain.tracking.tracker import TrackedBox
from vigil.pixels.drawing.on_pictures import write_picture
from vigil.pixels.flow.motion import LONGEST_GAP_S
from vigil.pixels.pictures.picture import Picture
from vigil.pixels.video.source import Frame
from vigil.pixels.video_writing import with_even_sides
from vigil.pixels.watched_frames import Banner, draw_watched, explain
from vigil.plumbing.alone import alone_in
from vigil.plumbing.errors import InputError, shorten
from vigil.plumbing.records import write_json
from vigil.settings.watch import Watch
from vigil.watch.analysis import Analysis
from vigil.watch.live_films import Draw, LiveFilms, delete_abandoned
from vigil.watch.models import Models
from vigil.watch.notifying import Notifier, append_line, open_sinks
from vigil.watch.reading_live import LiveReader, open_live
from vigil.watch.results.filming import EVENTS, clock_text
from vigil.watch.results.findings import finite_ratio
from vigil.watch.sources import Camera

EVENT_LINES, RUNS, STATUS = "events.jsonl", "runs.jsonl", "status.json"
LATE = "the frames came later"
"""Why a loss of the signal is none: a stream may deliver after a stall what it kept."""
POLL_S = 0.5
STATUS_EVERY_S = 10.0
NUM_FIRST_TRIES = 3
"""How often a source is opened that has never sent a frame."""


class LiveWatch:
    """Watches the frames of a live source, one by one."""

    def __init__(
        self,
        models: Models,
        settings: Watch,
        folder: Path,
        name: str,
        notifier: Notifier,
        run: str,
        clock: Callable[[], float] = time,
    ) -> None:
        """Args:
        name: the name of the source, for messages.
        run: the start of this run. It separates the events of several runs.
        clock: the time of day, in seconds since 1970 (UTC).
        """
        self._settings, self._folder, self._name = settings, folder, name
        self._notifier, self._run, self._clock = notifier, run, clock
        own = settings.model_dump(exclude={"root", "videos"})
        self._facts = {"run": run, "source": name, "models": models.digests, "settings": own}
        self._get_analysis = partial(Analysis, models, settings, batch_size=1)
        self._analysis = self._get_analysis()
        self._machine = EventMachine(settings.raising)
        # An event that waits to be raised began this long ago at most.
        delay_s = settings.window_s + settings.raising.num_windows * settings.stride_s
        self._films = LiveFilms(folder, settings.pictures, delay_s)
        # An event's peak is one of its windows, or of those that it waited for.
        longest_s = settings.raising.max_open_s + settings.raising.merge_gap_s + delay_s
        num_windows = int(longest_s / settings.stride_s) + 2
        self._reasons: deque[tuple[float, str]] = deque(maxlen=num_windows)
        """The start of each of the last windows, and what its strongest evidence is."""
        self._last_frame: Frame | None = None
        self._boxes: list[TrackedBox] = []
        self._size_hw = (0, 0)
        self.watched_s = 0.0
        self.num_alarms = 0
        self._first_s = self._last_s = 0.0
        self._offset_s = 0.0
        """The time of day at the time 0 of the source."""
        self._scored_s = 0.0
        """The end of the last scored window, or the first frame of this part of the source."""
        self._blind: Event | None = None
        self._is_lost = False
        self._waited_s = 0.0
        self._told_s, self._is_muted = -np.inf, False
        """When a notification told that nothing is watched; whether the last loss was not told."""
        self._size_told_s = -np.inf
        """When a line told that pictures have another size."""

    def begin(self) -> None:
        """Notes a run whose source answers: its start, models and settings."""
        append_line(self._folder / RUNS, self._facts)

    def add(self, frame: Frame) -> None:
        """Adds the next frame."""
        self._offset_s = self._clock() - frame.time_s
        if self._last_frame is None:
            self._first_s = self._scored_s = frame.time_s
        else:
            if frame.picture.shape != self._last_frame.picture.shape:
                self._pass_other_size(self._last_frame.picture, frame)
            self._pass_gap(self._last_frame.time_s, frame.time_s)
        self._last_frame, self._is_lost, self._last_s = frame, False, frame.time_s
        self._size_hw = (frame.picture.shape[0], frame.picture.shape[1])
        step = self._analysis.push(frame)
        if step.detections:  # between two pictures of the detector, the last boxes are shown
            self._boxes = [box for box in step.boxes if box.frame_index == frame.index]
        draw = self._drawing(frame.time_s, self._machine.open_event)
        self._films.add(with_even_sides(frame.picture), frame.time_s, draw)
        for window in step.verdicts:
            self._push(window)
        self._check_scoring(frame.time_s)

    def _pass_gap(self, start_s: float, stop_s: float) -> None:
        """Notes the time between two frames, which may be a loss of the signal."""
        limit_s = self._settings.raising.signal_gap_s
        if stop_s - start_s > limit_s:
            self._end_part()
            self._end_blindness(start_s)
            lost = self._machine.lose_signal(start_s, stop_s)
            self._handle(replace(lost, closed=[self._muted(one) for one in lost.closed]))
            self._scored_s = stop_s
        elif self._is_lost:  # a loss that was told is kept as well, though nothing was lost
            ends_s = start_s + limit_s, start_s + self._waited_s
            late = Event(SIGNAL_LOST, start_s, *ends_s, 0.0, start_s, ends_s[1])
            self._handle(Progress(closed=[replace(self._muted(late), suppressed=LATE)]))

    def _pass_other_size(self, before: Picture, frame: Frame) -> None:
        """Begins anew with a frame of another size, as of a camera that came back otherwise set.

        Positions in pictures of both sizes cannot be compared, so tracks, windows and events end.
        """
        self._end_part()
        self._handle(self._machine.end())
        self._films.restart()
        if frame.time_s - self._size_told_s < self._settings.raising.cooldown_s:
            return
        self._size_told_s = frame.time_s
        (old_height, old_width), (height, width) = before.shape[:2], frame.picture.shape[:2]
        print(
            f"{self._name}: pictures of {width}x{height} from now on, after {old_width}x"
            f"{old_height}; tracks and events begin anew",
            file=sys.stderr,
            flush=True,
        )

    def _check_scoring(self, time_s: float) -> None:
        """Ends what no window can continue, and tells once if frames give the alarm no window.

        So it is where frames are so far apart that motion cannot be measured between them.
        """
        rule, without_s = self._settings.raising, time_s - self._scored_s
        if without_s > self._settings.window_s + max(rule.clear_after_s, rule.merge_gap_s):
            self._handle(self._machine.end())
        if self._blind is None and without_s > self._settings.window_s + rule.signal_gap_s:
            start_s = self._scored_s
            self._blind = Event(NOT_SCORED, start_s, time_s, time_s, 0.0, start_s, time_s)
            self._blind = self._tell(self._blind)
            print(
                f"{self._name}: no window could be scored for {without_s:.0f} s, so no alarm can "
                f"be raised; frames more than {LONGEST_GAP_S:g} s apart show no motion",
                file=sys.stderr,
                flush=True,
            )

    def _end_blindness(self, stop_s: float) -> None:
        if self._blind is not None:
            over = replace(self._blind, end_s=stop_s, peak_stop_s=stop_s)
            self._blind = None
            self._handle(Progress(closed=[over]))

    def wait(self, silent_s: float) -> None:
        """Notes that there is no new frame. Notifies once of each loss of the signal.

        Args:
            silent_s: the time since the last frame came.
        """
        # A frame may come just now, and then the source is silent for no time.
        self._waited_s = max(silent_s, self._waited_s) if self._is_lost else silent_s
        if self._last_frame is None or self._is_lost:
            return
        if silent_s > self._settings.raising.signal_gap_s:
            self._is_lost = True
            start_s = self._last_frame.time_s
            now_s = start_s + silent_s
            self._is_muted = self._tell(
                Event(SIGNAL_LOST, start_s, now_s, now_s, 0.0, start_s, now_s)
            ).is_muted

    def _tell(self, event: Event) -> Event:
        """Notifies that nothing is watched, but not within the cooldown after such a message.

        Returns:
            The event, which tells whether it was muted.
        """
        if event.raised_s - self._told_s < self._settings.raising.cooldown_s:
            return replace(event, is_muted=True)
        self._told_s = event.raised_s
        self._notifier.notify(self._message(event, is_open=True))
        return event

    def _muted(self, event: Event) -> Event:
        """A loss of the signal as it was told."""
        is_muted = event.kind == SIGNAL_LOST and self._is_lost and self._is_muted
        return replace(event, is_muted=True) if is_muted else event

    def end(self) -> None:
        """Ends the source, and closes open events. A loss of the signal ends now."""
        try:
            self._end_part()
            if self._last_frame is not None:
                self._end_blindness(self._last_frame.time_s)
            if self._is_lost and self._last_frame is not None:
                start_s = self._last_frame.time_s
                lost = self._machine.lose_signal(start_s, start_s + self._waited_s)
                self._handle(replace(lost, closed=[self._muted(one) for one in lost.closed]))
                self._is_lost, self._last_s = False, start_s + self._waited_s
            self._handle(self._machine.end())
        finally:  # what stops a message completes the videos all the same
            self._films.close()

    def _end_part(self) -> None:
        """Ends tracks and windows before a gap or the end."""
        if self._last_frame is None:
            return
        for window in self._analysis.end(self._last_frame.time_s).verdicts:
            self._push(window)
        self._analysis = self._get_analysis()
        self._boxes = []

    def _push(self, window: WindowVerdict) -> None:
        self._end_blindness(window.start_s)
        self.watched_s += window.stop_s - max(window.start_s, self._scored_s)
        self._scored_s = window.stop_s
        self._reasons.append((window.start_s, window.verdict.reason))
        self._handle(self._machine.push(_scored(window)))

    def _handle(self, progress: Progress) -> None:
        for event in progress.to_notify:
            picture = f"{EVENTS}/{self._id(event)}.jpg"
            try:
                self._draw(event, self._folder / picture)
            finally:  # a full disk stops no notification
                message = self._message(event, is_open=True)
                self._notifier.notify({**message, "picture": picture})
        for event in progress.closed:
            self.num_alarms += event.kind == UNUSUAL and not event.suppressed
            append_line(self._folder / EVENT_LINES, self._message(event))
        # The last, since an error of an earlier video may be raised here.
        for event in progress.closed:
            self._films.end(self._id(event), event.end_s)
        if (opened := self._machine.open_event) is not None:
            self._films.begin(self._id(opened), opened.start_s)

    def _id(self, event: Event) -> str:
        return event_id(f"{self._name}\0{self._run}", event.kind, event.start_s)

    def _message(self, event: Event, *, is_open: bool = False) -> dict[str, Any]:
        """The line of an event. An open event has no end yet."""
        return {
            "id": self._id(event),
            "source": self._name,
            "run": self._run,
            "kind": event.kind,
            "start_s": round(event.start_s, 3),
            "raised_s": round(event.raised_s, 3),
            "end_s": None if is_open else round(event.end_s, 3),
            "start_at": self._time_of_day(event.start_s),
            "raised_at": self._time_of_day(event.raised_s),
            "peak_score": event.peak_score,
            "reason": next((one for at, one in self._reasons if at == event.peak_start_s), ""),
            "suppressed": event.suppressed or None,
            "is_muted": event.is_muted,
        }

    def _time_of_day(self, time_s: float) -> str:
        """A time of the source as ISO 8601 in UTC."""
        moment = datetime.fromtimestamp(self._offset_s + time_s, UTC)
        return moment.isoformat(timespec="milliseconds")

    def _draw(self, event: Event, file: Path) -> None:
        if self._last_frame is None:
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        frame = self._last_frame
        draw = self._drawing(frame.time_s, event)
        write_picture(explain(draw(with_even_sides(frame.picture)), is_live=True), file)

    def _drawing(self, time_s: float, event: Event | None) -> Draw:
        """What draws the last boxes of kept tracks, and the banner of an open event, on a frame."""
        shown = [box for box in self._boxes if not self._is_refused(box.track_id)]
        boxes = np.array([box.box_xyxy for box in shown]).reshape(-1, 4)
        ids = [box.track_id for box in shown]
        text = "" if event is None else f"unusual   {event.peak_score:.1f} x threshold"
        return partial(
            draw_watched,
            boxes_xyxy=boxes,
            track_ids=ids,
            paths=[np.empty((0, 2))] * len(ids),
            clock=clock_text(time_s),
            banner=None if event is None else Banner(text),
            masks=[box.mask for box in shown],
            masks_hw=self._size_hw,
        )

    def _is_refused(self, track_id: int) -> bool:
        """Whether the classifier refuses a track by its crops so far."""
        judgement = self._analysis.judgements.get(track_id)
        probability = None if judgement is None else judgement.probability
        return probability is not None and probability < self._settings.judging.least_probability

    def status(self) -> dict[str, Any]:
        """Watched time, which is that in scored windows, other time, and the rate of alarms."""
        rate = rate_per_hour(self.num_alarms, self.watched_s)
        passed_s = self._last_s - self._first_s + (self._waited_s if self._is_lost else 0.0)
        return {
            "watched_s": round(self.watched_s, 1),
            "not_watched_s": round(max(0.0, passed_s - self.watched_s), 1),
            "alarms": self.num_alarms,
            "alarms_per_hour_upper_bound_95": None if rate is None else round(rate.upper_bound, 3),
            "undelivered_messages": self._notifier.undelivered(),
        }


def watch_live(
    source: Camera,
    out: Path,
    load: Callable[[], Models],
    settings: Watch,
    notify: Sequence[str],
) -> None:
    """Watches a live source until it is stopped.

    Args:
        load: loads the models, once it is sure that nobody else watches the source.
        notify: addresses for notifications.

    Raises:
        InputError: the source never answers, an address is of an unknown kind, or another process
            watches the source.
        OSError: the disk is full; what was raised until then is sent.
    """
    sinks = open_sinks(notify)
    folder = out / source.name
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as at_end:  # the last one is called first, and all are, whatever fails
        at_end.enter_context(alone_in(folder, f"vigil watch {source.name}"))
        delete_abandoned(folder)
        notifier = Notifier(sinks, folder)
        at_end.callback(notifier.close)
        models = load()
        run = datetime.now(UTC).isoformat(timespec="milliseconds")
        watch = LiveWatch(models, settings, folder, source.name, notifier, run)
        print(f"{folder}: watched until it is stopped", flush=True)
        reader = LiveReader(partial(open_live, source), num_tries=None)
        at_end.callback(_write_status, reader, watch, folder)
        at_end.callback(watch.end)
        at_end.callback(reader.stop)
        reader.start()
        follow(reader, watch, folder)


def follow(reader: LiveReader, watch: LiveWatch, folder: Path) -> None:
    """Passes the frames of a reader to a watch, until the reader ends.

    Raises:
        InputError: the source never answers.
    """
    written_s, has_begun = 0.0, False
    while True:
        try:
            frame = reader.take(POLL_S)
        except EOFError:
            return
        if frame is not None:
            if not has_begun:
                watch.begin()
            has_begun = True
            watch.add(frame)
        else:
            watch.wait(reader.silent_s())
        counts = reader.counts
        if not counts.decoded and counts.reconnects >= NUM_FIRST_TRIES:
            raise InputError(
                f"expected a stream that answers, got none in {counts.reconnects} tries: "
                f"{shorten(counts.problems[-1] if counts.problems else '', 120)}"
            )
        if reader.now_s() - written_s >= STATUS_EVERY_S:
            written_s = reader.now_s()
            _write_status(reader, watch, folder)


def _scored(window: WindowVerdict) -> ScoredWindow:
    return ScoredWindow(window.start_s, window.stop_s, finite_ratio(window.verdict.ratio))


def _write_status(reader: LiveReader, watch: LiveWatch, folder: Path) -> None:
    counts = reader.counts
    content = {
        **watch.status(),
        "decoded_frames": counts.decoded,
        "dropped_frames": counts.dropped,
        "reconnects": counts.reconnects,
        "clock_jumps": counts.clock_jumps,
    }
    write_json(content, folder / STATUS)
