"""Reads the frames of a source, with their times."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from vigil.domain.video_facts import Stamps, VideoFacts
from vigil.pixels.video.source import Frame, Source, frame_bgr, open_source, timed_frames
from vigil.pixels.windows import read_times
from vigil.plumbing.errors import InputError


class FrameReader:
    """Iterates over the frames of a file, or of a folder of numbered pictures, in order."""

    def __init__(self, path: Path, picture_fps: Fraction) -> None:
        """Args: picture_fps: frames per second of numbered pictures."""
        self._path = path
        self._times_s = read_times(path, picture_fps).seconds
        self._source: Source = open_source(path, picture_fps)
        self._num_frames, self._size_wh = 0, (0, 0)

    def __iter__(self) -> Iterator[Frame]:
        """Yields every frame.

        Raises:
            InputError: the source cannot be read, or its times do not increase.
        """
        last_s = -np.inf
        for index, time_s, frame in timed_frames(self._path, self._source, self._times_s):
            if not time_s > last_s:
                raise InputError(
                    f"{self._path}: expected frames in order, got frame {index} at {time_s:.3f} s "
                    f"after one at {last_s:.3f} s"
                )
            last_s = time_s
            picture = frame_bgr(frame)
            self._num_frames, self._size_wh = index + 1, (picture.shape[1], picture.shape[0])
            yield Frame(index, time_s, picture)

    def facts(self) -> VideoFacts:
        """Facts of the source, with all time stamps; known after the iteration."""
        source = self._source
        return VideoFacts(
            self._size_wh,
            self._num_frames,
            source.fps,
            source.is_variable_rate,
            Stamps.of(*source.stamps) if source.stamps else None,
            source.num_hidden,
        )


def read_frames(path: Path, picture_fps: Fraction) -> Iterator[Frame]:
    """The frames of a file, or of a folder of numbered pictures, in order; see `FrameReader`."""
    return iter(FrameReader(path, picture_fps))


def check_first_frame(path: Path, picture_fps: Fraction) -> None:
    """Raises InputError if a file or a folder of numbered pictures has no first frame."""
    for _ in open_source(path, picture_fps, 1):
        return
    raise InputError(f"{path}: expected a video with frames, found none")
