"""A camera or a stream is watched: events are told when they are raised, and kept once they close.

events.jsonl   a line for each event that is over
status.json    what was watched, dropped and lost so far
events/        a picture of each event, from when it was raised
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from vigil.domain.events.event import SIGNAL_LOST, Event, ScoredWindow, event_id
from vigil.domain.events.machine import EventMachine, Progress
from vigil.domain.measures.events import rate_per_hour
from vigil.domain.tracking.tracker import TrackedBox
from vigil.pixels.drawing.on_pictures import write_picture
from vigil.pixels.watched_frames import Banner, draw_watched
from vigil.plumbing.errors import InputError, shorten
from vigil.plumbing.records import write_json
from vigil.settings.watch import Watch
from vigil.watch.analysis import Analysis
from vigil.watch.filming import EVENTS, clock_text
from vigil.watch.frames import Frame
from vigil.watch.models import Models
from vigil.watch.reading_live import LiveReader, open_live
from vigil.watch.sources import Camera
from vigil.watch.telling import Teller, append_line, open_sinks

EVENT_LINES, STATUS = "events.jsonl", "status.json"
POLL_S = 0.5
STATUS_EVERY_S = 10.0
NUM_FIRST_TRIES = 3
"""To open a source that has never answered."""


class LiveWatch:
    """Watches the frames of a live source, one after the other."""

    def __init__(
        self,
        models: Models,
        settings: Watch,
        folder: Path,
        name: str,
        teller: Teller,
        run: str,
    ) -> None:
        """Args:
        name: of the source, as people know it.
        run: when it began, which tells this run from another one of the same source.
        """
        self._settings, self._folder, self._name = settings, folder, name
        self._teller, self._run = teller, run
        self._get_analysis = partial(Analysis, models, settings, batch_size=1)
        self._analysis = self._get_analysis()
        self._machine = EventMachine(settings.raising)
        self._last: Frame | None = None
        self._seen: list[TrackedBox] = []
        self.watched_s = self.lost_s = 0.0
        self.num_alarms = 0
        self._is_lost = False

    def see(self, frame: Frame) -> None:
        """Takes the next frame."""
        if self._last is not None:
            gap_s = frame.time_s - self._last.time_s
            if gap_s > self._settings.raising.signal_gap_s:
                self._end_part()
                self._take(self._machine.lose_signal(self._last.time_s, frame.time_s))
                self.lost_s += gap_s
            else:
                self.watched_s += gap_s
        self._last, self._is_lost = frame, False
        step = self._analysis.push(frame)
        self._seen = [one for one in step.seen if one.frame_index == frame.index] or self._seen
        for window in step.scored:
            self._push(ScoredWindow(window.start_s, window.stop_s, window.ratio))

    def wait(self, now_s: float) -> None:
        """Takes note that no frame has come until now: a loss of the signal is told at once."""
        if self._last is None or self._is_lost:
            return
        if now_s - self._last.time_s > self._settings.raising.signal_gap_s:
            self._is_lost = True
            start_s = self._last.time_s
            lost = Event(SIGNAL_LOST, start_s, now_s, now_s, 0.0, start_s, now_s)
            self._teller.tell(self._message(lost))

    def end(self) -> None:
        """Takes the end: what is open is closed."""
        self._end_part()
        self._take(self._machine.end())

    def _end_part(self) -> None:
        """What comes next does not go on from here: tracks and windows end."""
        if self._last is None:
            return
        for window in self._analysis.end(self._last.time_s).scored:
            self._push(ScoredWindow(window.start_s, window.stop_s, window.ratio))
        self._analysis = self._get_analysis()
        self._seen = []

    def _push(self, window: ScoredWindow) -> None:
        self._take(self._machine.push(window))

    def _take(self, progress: Progress) -> None:
        for event in progress.to_notify:
            picture = f"{EVENTS}/{self._id(event)}.jpg"
            self._draw(event, self._folder / picture)
            self._teller.tell({**self._message(event), "picture": picture})
        for event in progress.closed:
            self.num_alarms += event.kind != SIGNAL_LOST and not event.suppressed
            append_line(self._folder / EVENT_LINES, self._message(event))

    def _id(self, event: Event) -> str:
        return event_id(f"{self._name}\0{self._run}", event.kind, event.start_s)

    def _message(self, event: Event) -> dict[str, Any]:
        return {
            "id": self._id(event),
            "source": self._name,
            "run": self._run,
            "kind": event.kind,
            "start_s": round(event.start_s, 3),
            "raised_s": round(event.raised_s, 3),
            "end_s": round(event.end_s, 3),
            "peak_score": event.peak_score,
            "suppressed": event.suppressed or None,
            "is_muted": event.is_muted,
        }

    def _draw(self, event: Event, file: Path) -> None:
        if self._last is None:
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        boxes = np.array([one.box_xyxy for one in self._seen]).reshape(-1, 4)
        ids = [one.track_id for one in self._seen]
        text = f"unusual   {event.peak_score:.1f} x threshold"
        drawn = draw_watched(
            self._last.picture,
            boxes,
            ids,
            [np.empty((0, 2))] * len(ids),
            clock=clock_text(self._last.time_s),
            banner=Banner(text),
        )
        write_picture(drawn, file)

    def status(self) -> dict[str, Any]:
        """How much was watched, and how often it rang."""
        rate = rate_per_hour(self.num_alarms, self.watched_s)
        return {
            "watched_s": round(self.watched_s, 1),
            "not_watched_s": round(self.lost_s, 1),
            "alarms": self.num_alarms,
            "alarms_per_hour_upper_bound_95": None if rate is None else round(rate.most, 3),
        }


def watch_live(
    source: Camera,
    out: Path,
    models: Models,
    settings: Watch,
    tell: Sequence[str],
) -> None:
    """Watches until it is stopped.

    Args:
        tell: addresses of who is to be told.

    Raises:
        InputError: a source that never answers, or an address that nobody knows.
    """
    sinks = open_sinks(tell)
    folder = out / source.name
    folder.mkdir(parents=True, exist_ok=True)
    teller = Teller(sinks, folder)
    run = datetime.now(UTC).isoformat(timespec="milliseconds")
    watch = LiveWatch(models, settings, folder, source.name, teller, run)
    reader = LiveReader(partial(open_live, source), num_tries=None)
    reader.start()
    try:
        follow(reader, watch, folder)
    finally:
        reader.stop()
        watch.end()
        _write_status(reader, watch, folder)
        teller.close()


def follow(reader: LiveReader, watch: LiveWatch, folder: Path) -> None:
    """Shows a reader's frames to a watch until there are none.

    Raises:
        InputError: a source that never answers.
    """
    written_s = 0.0
    while True:
        try:
            frame = reader.take(POLL_S)
        except EOFError:
            return
        if frame is not None:
            watch.see(frame)
        else:
            watch.wait(reader.now_s())
        counts = reader.counts
        if not counts.decoded and counts.reconnects >= NUM_FIRST_TRIES:
            raise InputError(
                f"expected a stream that answers, got none in {counts.reconnects} tries: "
                f"{shorten(counts.problems[-1] if counts.problems else '', 120)}"
            )
        if reader.now_s() - written_s >= STATUS_EVERY_S:
            written_s = reader.now_s()
            _write_status(reader, watch, folder)


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
