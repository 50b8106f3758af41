"""Reads the frames of a source, with their times."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from vigil.domain.video_facts import Stamps, VideoFacts
from vigil.pixels.pictures.picture import Picture
from vigil.pixels.video.source import Source, SourceFrame, frame_bgr, open_source
from vigil.pixels.windows import read_times
from vigil.plumbing.errors import InputError


@dataclass(frozen=True)
class Frame:
    """A frame.

    Attributes:
        index: 0-based number of the decoded frame.
        time_s: its time, counted from the first frame.
        picture: (H, W, 3) BGR.
    """

    index: int
    time_s: float
    picture: Picture


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
        path, times_s = self._path, self._times_s
        frames: Iterator[SourceFrame] = iter(self._source)
        for index, frame in enumerate(frames):
            self._num_frames = index + 1
            if self._num_frames > len(times_s):
                break
            if index and not times_s[index] > times_s[index - 1]:
                raise InputError(
                    f"{path}: expected frames in order, got frame {index} at "
                    f"{times_s[index]:.3f} s after one at {times_s[index - 1]:.3f} s"
                )
            picture = frame_bgr(frame)
            self._size_wh = (picture.shape[1], picture.shape[0])
            yield Frame(index, float(times_s[index]), picture)
        if self._num_frames != len(times_s):
            got = "more" if self._num_frames > len(times_s) else self._num_frames
            raise InputError(f"{path}: expected {len(times_s)} frames, got {got}")

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
