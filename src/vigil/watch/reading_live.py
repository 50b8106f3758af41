"""Reads a camera or a stream: decodes all frames, keeps the newest, and counts dropped frames.

A frame that is not decoded damages the frames after it, so a thread decodes all frames. If the
models are slower than the source, frames are dropped after decoding. A broken stream is opened
again. The wait before each new try doubles.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import av

from vigil.pixels.pictures.decoding import MAX_PIXELS
from vigil.pixels.pictures.picture import Picture
from vigil.pixels.video.complaints import wait_for_threads
from vigil.pixels.video.reading import to_bgr
from vigil.pixels.video.source import Frame
from vigil.watch.sources import PROTOCOLS, Camera

OPEN_TIMEOUT_S, READ_TIMEOUT_S = 10.0, 10.0
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
LEAST_STEP_S = 1e-3
JUMP_S = 2.0
"""If the time from one frame to the next is longer than on the clock of the machine, and by more
than this, the clock of the source was set: no time has passed without frames."""
NO_TIMESTAMPS = 0x80
"""FFmpeg's flag of formats without time stamps (AVFMT_NOTIMESTAMPS), as the JPEG pictures that many
cameras send over HTTP. FFmpeg makes up stamps for them, at 25 frames a second."""
CAMERA_FORMAT, CAMERA_DEVICE = "v4l2", "/dev/video{}"


class DecodedFrame(NamedTuple):
    """A decoded frame: its time stamp in seconds, None if it has none, and its pixels, BGR."""

    stamp_s: float | None
    picture: Picture


Opener = Callable[[], Iterator[DecodedFrame]]
"""Opens a source and yields its frames; raises OSError, ValueError or an error of FFmpeg."""


@dataclass
class Counts:
    """Counts of a live source so far.

    Attributes:
        decoded: decoded frames.
        dropped: frames that were dropped while the models were busy.
        reconnects: how often the source was opened again.
        clock_jumps: how often its clock went back, or ahead of the clock of the machine.
        problems: the last problem, at most one.
    """

    decoded: int = 0
    dropped: int = 0
    reconnects: int = 0
    clock_jumps: int = 0
    problems: list[str] = field(default_factory=list)


def open_live(source: Camera) -> Iterator[DecodedFrame]:
    """The frames of a camera or a stream.

    A stream is opened by network protocols only, so that it cannot read a file of this machine.
    """
    with _container(source) as container:
        stream = container.streams.video[0]
        if stream.width * stream.height > MAX_PIXELS:
            raise ValueError(f"frames of {stream.width}x{stream.height} px, which is too large")
        stream.thread_type = "AUTO"
        has_stamps = not container.format.flags & NO_TIMESTAMPS
        try:
            for frame in container.decode(stream):
                yield DecodedFrame(frame.time if has_stamps else None, to_bgr(frame))
        finally:
            wait_for_threads(stream.codec_context)


@contextmanager
def _container(source: Camera) -> Iterator[Any]:
    if not source.is_stream:
        device = CAMERA_DEVICE.format(source.address)
        with av.open(device, format=CAMERA_FORMAT) as container:
            yield container
        return
    scheme = urlsplit(source.address).scheme
    options = {"protocol_whitelist": ",".join(PROTOCOLS[scheme])}
    if scheme.startswith("rtsp"):
        options["rtsp_transport"] = "tcp"
    timeout = (OPEN_TIMEOUT_S, READ_TIMEOUT_S)
    with av.open(source.address, options=options, timeout=timeout) as container:
        yield container


class LiveReader:
    """Reads a live source in a thread.

    The times of frames are seconds from the start of the reader. Between two breaks, they follow
    the clock of the source. Over a break, as much time passes as on the clock of the machine.
    """

    def __init__(
        self,
        opener: Opener,
        *,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] | None = None,
        keeps_all: bool = False,
        num_tries: int | None = None,
    ) -> None:
        """Args:
        wait: waits a number of seconds, or until the reader is stopped.
        keeps_all: waits for the models and drops no frame, for a source that is not live.
        num_tries: failed tries in a row before the reader gives up; None: it never gives up.
        """
        self._opener, self._clock = opener, clock
        self._stopped = threading.Event()
        self._wait = wait or self._stopped.wait
        self._keeps_all, self._num_tries = keeps_all, num_tries
        self._changed = threading.Condition()
        self._newest: Frame | None = None
        self._is_over = False
        self.counts = Counts()
        self._start_s = clock()
        self._last_s = -1.0
        self._arrived_s: float | None = None
        """When the last frame came, by the clock of the machine."""
        self._offset_s: float | None = None
        self._last_stamp_s: float | None = None
        self._thread = threading.Thread(target=self._run, name="live", daemon=True)

    def start(self) -> None:
        """Starts to read."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread, at the latest at the timeout of its source."""
        self._stopped.set()
        with self._changed:
            self._changed.notify_all()

    def now_s(self) -> float:
        """Seconds from the start of the reader."""
        return self._clock() - self._start_s

    def silent_s(self) -> float:
        """Seconds since the last frame came, by the clock of the machine alone.

        Times of frames follow the clock of the source, which may go wrong by seconds in a day.
        """
        return self.now_s() - (self._arrived_s or 0.0)

    def take(self, timeout_s: float) -> Frame | None:
        """The newest frame that was not taken yet; None: there was no new frame in `timeout_s`.

        Raises:
            EOFError: the reader has ended.
        """
        with self._changed:
            if self._newest is None and not self._is_over:
                self._changed.wait(timeout_s)
            frame, self._newest = self._newest, None
            self._changed.notify_all()
            if frame is None and self._is_over:
                raise EOFError
            return frame

    def _run(self) -> None:
        wait_s, num_failed = FIRST_WAIT_S, 0
        while not self._stopped.is_set():
            num_decoded = self.counts.decoded
            try:
                for frame in self._opener():
                    self._store(frame)
                    if self._stopped.is_set():
                        break
                problem = "the stream ended"
            except (av.FFmpegError, OSError, ValueError, IndexError) as error:
                problem = getattr(error, "strerror", None) or str(error) or type(error).__name__
            self.counts.problems = [problem]
            self._offset_s = None
            if self.counts.decoded > num_decoded:
                wait_s, num_failed = FIRST_WAIT_S, 0
            else:
                num_failed += 1
            if self._num_tries is not None and num_failed >= self._num_tries:
                break
            if not self._stopped.is_set():
                self.counts.reconnects += 1
                self._wait(wait_s)
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)
        with self._changed:
            self._is_over = True
            self._changed.notify_all()

    def _store(self, decoded: DecodedFrame) -> None:
        time_s = self._time_of(decoded.stamp_s)
        frame = Frame(self.counts.decoded, time_s, decoded.picture)
        with self._changed:
            while self._keeps_all and self._newest is not None and not self._stopped.is_set():
                self._changed.wait(0.1)
            self.counts.dropped += self._newest is not None
            self.counts.decoded += 1
            self._newest = frame
            self._changed.notify_all()

    def _time_of(self, stamp_s: float | None) -> float:
        """The time by the clock of the source; by the clock of the machine without a stamp."""
        now_s = self.now_s()
        if self._arrived_s is None:
            by_machine_s = now_s
        else:  # the clock of the source may be ahead or behind: only the step is known
            by_machine_s = self._last_s + max(now_s - self._arrived_s, LEAST_STEP_S)
        if stamp_s is None:
            time_s, self._offset_s = by_machine_s, None
        else:
            if self._offset_s is not None and self._has_jumped(stamp_s, now_s):
                self.counts.clock_jumps += 1
                self._offset_s = None
            if self._offset_s is None:
                self._offset_s = by_machine_s - stamp_s
            self._last_stamp_s = stamp_s
            time_s = stamp_s + self._offset_s
        self._last_s, self._arrived_s = max(time_s, self._last_s + LEAST_STEP_S), now_s
        return self._last_s

    def _has_jumped(self, stamp_s: float, now_s: float) -> bool:
        if self._last_stamp_s is None or self._arrived_s is None:
            return False
        step_s = stamp_s - self._last_stamp_s
        return step_s <= 0 or step_s - (now_s - self._arrived_s) > JUMP_S
