"""Frames of a camera or a stream: all are decoded, the newest is kept, drops are counted.

A frame that is left out before it is decoded damages those after it, so a thread decodes them all.
Where the models are slower than the source, frames in between are dropped. A stream that breaks is
opened again, after longer and longer waits.
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
from vigil.watch.frames import Frame
from vigil.watch.sources import PROTOCOLS, Camera

OPEN_TIMEOUT_S, READ_TIMEOUT_S = 10.0, 10.0
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
CAMERA_FORMAT, CAMERA_PLACE = "v4l2", "/dev/video{}"


class Decoded(NamedTuple):
    """A decoded frame: its own time stamp in seconds, if it has one, and its pixels, BGR."""

    stamp_s: float | None
    picture: Picture


Opener = Callable[[], Iterator[Decoded]]
"""Opens a source anew and gives its frames; raises OSError, ValueError or what FFmpeg raises."""


@dataclass
class Counts:
    """What has happened to a live source so far.

    Attributes:
        decoded: frames.
        dropped: frames that came while the models were busy.
        reconnects: times it was opened again.
        clock_jumps: times its clock went back.
        problems: what was wrong last.
    """

    decoded: int = 0
    dropped: int = 0
    reconnects: int = 0
    clock_jumps: int = 0
    problems: list[str] = field(default_factory=list)


def open_live(source: Camera) -> Iterator[Decoded]:
    """The frames of a camera or a stream, from now on.

    A stream is opened by its own protocols and by none that reads a file of this machine.
    """
    with _container(source) as container:
        stream = container.streams.video[0]
        if stream.width * stream.height > MAX_PIXELS:
            raise ValueError(f"frames of {stream.width}x{stream.height} px, which is too large")
        stream.thread_type = "AUTO"
        try:
            for frame in container.decode(stream):
                yield Decoded(frame.time, to_bgr(frame))
        finally:
            wait_for_threads(stream.codec_context)


@contextmanager
def _container(source: Camera) -> Iterator[Any]:
    if not source.is_stream:
        place = CAMERA_PLACE.format(source.address)
        with av.open(place, format=CAMERA_FORMAT) as container:
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
    """Reads a live source in a thread of its own.

    Frames have times in seconds from the start of the reader: the source's own clock between two
    breaks, the machine's across them.
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
        wait: waits so many seconds, or until it is stopped.
        keeps_all: wait for the models and drop nothing, as of what is no live source.
        num_tries: to open it, one after the other in vain, before giving up; None: no end.
        """
        self._opener, self._clock = opener, clock
        self._stopped = threading.Event()
        self._wait = wait or self._stopped.wait
        self._keeps_all, self._num_tries = keeps_all, num_tries
        self._changed = threading.Condition()
        self._newest: Frame | None = None
        self._is_over = False
        self.counts = Counts()
        self._began = clock()
        self._last_s = -1.0
        self._offset_s: float | None = None
        self._last_stamp_s: float | None = None
        self._thread = threading.Thread(target=self._run, name="live", daemon=True)

    def start(self) -> None:
        """Begins to read."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread, at the latest when its source times out."""
        self._stopped.set()
        with self._changed:
            self._changed.notify_all()

    def now_s(self) -> float:
        """Seconds from the start of the reader."""
        return self._clock() - self._began

    def take(self, timeout_s: float) -> Frame | None:
        """The newest frame that was not taken yet; None after so long without one.

        Raises:
            EOFError: there will be none any more.
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
            num_before = self.counts.decoded
            try:
                for decoded in self._opener():
                    self._hand_over(decoded)
                    if self._stopped.is_set():
                        break
                problem = "the stream ended"
            except (av.FFmpegError, OSError, ValueError, IndexError) as error:
                problem = getattr(error, "strerror", None) or str(error) or type(error).__name__
            self.counts.problems = [problem]
            self._offset_s = None
            if self.counts.decoded > num_before:
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

    def _hand_over(self, decoded: Decoded) -> None:
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
        """The source's clock from where it was opened; the machine's where it has none."""
        now_s = self.now_s()
        if stamp_s is None:
            time_s = now_s
        else:
            last_s = self._last_stamp_s if self._offset_s is not None else None
            if last_s is not None and stamp_s <= last_s:  # the source's clock went back
                self.counts.clock_jumps += 1
                self._offset_s = None
            if self._offset_s is None:
                self._offset_s = max(now_s, self._last_s + 1e-3) - stamp_s
            self._last_stamp_s = stamp_s
            time_s = stamp_s + self._offset_s
        self._last_s = max(time_s, self._last_s + 1e-3)
        return self._last_s
