"""Videos of the events of a live source, from before an event to after it."""

from collections import deque
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from vigil.pixels.pictures.picture import Picture
from vigil.pixels.video_writing import VideoWriter
from vigil.settings.watch import Pictures
from vigil.watch.filming import CODEC, UNIT_S

JPEG_QUALITY = 90
PART_SUFFIX = ".part.mp4"


class _Kept(NamedTuple):
    time_s: float
    jpeg: bytes


class LiveFilms:
    """Keeps the last frames of a live source, and writes a video of one event at a time.

    Frames are kept as JPEG, so that some seconds of them need little memory. A video gets its name
    when it is complete, so a kill leaves no broken video under the name of an event.
    """

    def __init__(self, folder: Path, settings: Pictures, delay_s: float) -> None:
        """Args:
        folder: the folder of the videos.
        delay_s: the longest time from the start of an event until it is raised.
        """
        self._folder, self._settings = folder, settings
        self._keep_s = settings.before_s + delay_s
        self._kept: deque[_Kept] = deque()
        self._writer: VideoWriter | None = None
        self._name = ""
        self._start_s = self._stop_s = 0.0

    def add(self, picture: Picture, time_s: float) -> None:
        """Adds the next drawn frame, (H, W, 3) BGR with even sides."""
        is_encoded, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        assert is_encoded
        self._kept.append(_Kept(time_s, jpeg.tobytes()))
        while time_s - self._kept[0].time_s > self._keep_s:
            self._kept.popleft()
        if self._writer is not None:
            if time_s < self._stop_s:
                self._write(picture, time_s)
            else:
                self.close()

    def begin(self, name: str, start_s: float) -> None:
        """Begins the video of an event that was raised, with the kept frames before it.

        The video of another event ends. The video of an event that was filmed before is kept.
        """
        if self._name == name or (self._folder / f"{name}.mp4").exists() or not self._kept:
            return
        self.close()
        first_s = start_s - self._settings.before_s
        kept = [frame for frame in self._kept if frame.time_s >= first_s]
        if not kept:
            return
        pictures = [_decode(frame.jpeg) for frame in kept]
        steps_s = np.diff([frame.time_s for frame in kept])
        fps = 1 / float(np.median(steps_s)) if len(steps_s) else 1.0
        self._folder.mkdir(parents=True, exist_ok=True)
        height, width = pictures[0].shape[:2]
        self._writer = VideoWriter(
            self._folder / f"{name}{PART_SUFFIX}",
            codec=CODEC,
            fps=Fraction(fps).limit_denominator(1000),
            size_wh=(width, height),
            time_base=UNIT_S,
        )
        self._name, self._start_s = name, kept[0].time_s
        self._stop_s = self._start_s + self._settings.before_s + self._settings.longest_s
        for frame, picture in zip(kept, pictures, strict=True):
            self._write(picture, frame.time_s)

    def end(self, name: str, end_s: float) -> None:
        """Notes the end of an event: its video goes on for `after_s`.

        The end is known late, as no later event may be merged with it, so a video may be longer.
        """
        if self._name == name:
            self._stop_s = min(self._stop_s, end_s + self._settings.after_s)

    def close(self) -> None:
        """Completes the video, if there is one."""
        if self._writer is None:
            return
        self._writer.close()
        part = self._folder / f"{self._name}{PART_SUFFIX}"
        part.replace(self._folder / f"{self._name}.mp4")
        self._writer, self._name = None, ""

    def _write(self, picture: Picture, time_s: float) -> None:
        assert self._writer is not None
        stamp = round((time_s - self._start_s) / UNIT_S)
        self._writer.write(np.ascontiguousarray(picture[..., ::-1]), stamp)


def _decode(jpeg: bytes) -> Picture:
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return picture.astype(np.uint8, copy=False)
