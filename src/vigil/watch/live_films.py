"""Videos of the events of a live source, from before an event to after it.

events/<id>.mp4   with boxes and banner, for people
clips/<id>.mp4    the frames alone: a recording like any other, to watch again and to correct
"""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from vigil.pixels.pictures.picture import Picture, swap_red_and_blue
from vigil.pixels.video_writing import VideoWriter
from vigil.plumbing.background import Background
from vigil.settings.watch import Pictures
from vigil.watch.results.filming import CODEC, EVENTS, UNIT_S

JPEG_QUALITY = 90
CLIPS = "clips"
PARTIAL = ".part.mp4"
MOST_WAITING = 256
"""How many frames may wait to be encoded: those that come while an event's start is encoded."""
Draw = Callable[[Picture], Picture]
"""Draws boxes and banner on a copy of a frame."""


class _Kept(NamedTuple):
    time_s: float
    jpeg: bytes
    draw: Draw


class _Film:
    """An unfinished video. A kill leaves it under a hidden name, which nobody takes for whole."""

    def __init__(self, path: Path, fps: Fraction, size_wh: tuple[int, int]) -> None:
        self._path, self._partial = path, path.with_name(f".{path.stem}{PARTIAL}")
        path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = VideoWriter(
            self._partial, codec=CODEC, fps=fps, size_wh=size_wh, time_base=UNIT_S
        )

    def write(self, picture: Picture, stamp: int) -> None:
        """Adds a frame (H, W, 3) BGR at a time, counted in `UNIT_S`."""
        self._writer.write(swap_red_and_blue(picture), stamp)

    def close(self) -> None:
        """Completes the video under its name."""
        self._writer.close()
        self._partial.replace(self._path)

    def abandon(self) -> None:
        """Ends a video that lacks a frame. It keeps its hidden name."""
        with suppress(Exception):  # that of the frame is the one to know
            self._writer.close()


def delete_abandoned(folder: Path) -> None:
    """Deletes the videos that a killed run left unfinished in the folder of a source."""
    for place in (EVENTS, CLIPS):
        for path in (folder / place).glob(f".*{PARTIAL}"):
            path.unlink()


class LiveFilms:
    """Keeps the last frames of a live source, and writes both videos of one event at a time.

    Frames are kept as JPEG, so that some seconds of them need little memory. A video gets its name
    when it is complete, so a kill leaves no broken video under the name of an event.

    Videos are drawn and encoded in a thread of their own. When an event begins, some seconds before
    it are encoded at once. New frames do not wait for that. The error of a video, as of a full
    disk, is raised once, by the next call after it. The videos of that event are abandoned.
    """

    def __init__(self, folder: Path, settings: Pictures, delay_s: float) -> None:
        """Args:
        folder: the folder of the source.
        delay_s: the longest time from the start of an event until it is raised.
        """
        self._folder, self._settings = folder, settings
        self._keep_s = settings.before_s + delay_s
        self._kept: deque[_Kept] = deque()
        self._drawn: _Film | None = None
        self._plain: _Film | None = None
        self._name = ""
        self._start_s = self._stop_s = 0.0
        self._encoding: Background[None] = Background(MOST_WAITING)

    def add(self, picture: Picture, time_s: float, draw: Draw) -> None:
        """Adds the next frame, (H, W, 3) BGR with even sides.

        Raises:
            OSError: a video could not be written.
        """
        is_encoded, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        assert is_encoded
        self._do(self._add, _Kept(time_s, jpeg.tobytes(), draw))

    def begin(self, name: str, start_s: float) -> None:
        """Begins the videos of an event that was raised, with the kept frames before it.

        Those of another event end. Those of an event that was filmed before are kept.

        Raises:
            OSError: a video could not be written.
        """
        self._do(self._begin, name, start_s)

    def end(self, name: str, end_s: float) -> None:
        """Notes the end of an event: its videos go on for `after_s`.

        The end is known late, as no later event may be merged with it, so a video may be longer.

        Raises:
            OSError: a video could not be written.
        """
        self._do(self._end, name, end_s)

    def restart(self) -> None:
        """Completes the videos, and forgets the frames so far. The next may have another size.

        Raises:
            OSError: a video could not be written.
        """
        self._do(self._restart)

    def close(self) -> None:
        """Completes the videos, if there are any. Nothing can be added later.

        Raises:
            OSError: a video could not be written.
        """
        with self._encoding:
            try:
                self._encoding.finish()
            finally:
                self._encoding.call(self._complete)

    def _do(self, step: Callable[..., None], *arguments: Any) -> None:
        """Has the thread do a step, unless an earlier one failed, whose error is raised."""
        self._encoding.take_done()
        self._encoding.call(step, *arguments)

    def _add(self, frame: _Kept) -> None:
        self._kept.append(frame)
        while frame.time_s - self._kept[0].time_s > self._keep_s:
            self._kept.popleft()
        if self._drawn is not None:
            if frame.time_s < self._stop_s:
                self._write(frame)
            else:
                self._complete()

    def _begin(self, name: str, start_s: float) -> None:
        path = self._folder / EVENTS / f"{name}.mp4"
        if self._name == name or path.exists() or not self._kept:
            return
        self._complete()
        first_s = start_s - self._settings.before_s
        kept = [frame for frame in self._kept if frame.time_s >= first_s]
        if not kept:
            return
        first = _decode(kept[0].jpeg)
        steps_s = np.diff([frame.time_s for frame in kept])
        fps = 1 / float(np.median(steps_s)) if len(steps_s) else 1.0
        facts = Fraction(fps).limit_denominator(1000), (first.shape[1], first.shape[0])
        self._name, self._start_s = name, kept[0].time_s
        drawn, plain = _Film(path, *facts), _Film(self._folder / CLIPS / path.name, *facts)
        self._drawn, self._plain = drawn, plain
        self._stop_s = self._start_s + self._settings.before_s + self._settings.longest_s
        for frame in kept:
            self._write(frame)

    def _restart(self) -> None:
        self._complete()
        self._kept.clear()

    def _end(self, name: str, end_s: float) -> None:
        if self._name == name:
            self._stop_s = min(self._stop_s, end_s + self._settings.after_s)

    def _complete(self) -> None:
        plain, drawn = self._plain, self._drawn
        self._plain, self._drawn, self._name = None, None, ""
        if plain is not None and drawn is not None:
            try:
                plain.close()
            finally:
                drawn.close()

    def _write(self, frame: _Kept) -> None:
        assert self._drawn is not None
        assert self._plain is not None
        picture = _decode(frame.jpeg)
        stamp = round((frame.time_s - self._start_s) / UNIT_S)
        try:
            self._plain.write(picture, stamp)
            self._drawn.write(frame.draw(picture), stamp)
        except BaseException:
            self._plain.abandon()
            self._drawn.abandon()
            self._plain, self._drawn = None, None
            raise


def _decode(jpeg: bytes) -> Picture:
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return picture.astype(np.uint8, copy=False)
