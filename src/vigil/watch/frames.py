"""Reads the frames of a source, with their times."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from vigil.domain.video_facts import Stamps, VideoFacts
from vigil.pixels.pictures.picture import Picture
from vigil.pixels.video.source import Source, SourceFrame, frame_bgr, open_source
from vigil.pixels.windows import guess_times
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
        """Args: picture_fps: frames per second of numbered pictures and raw streams."""
        self._path, self._picture_fps = path, picture_fps
        self._source: Source = open_source(path, picture_fps)
        self._num_frames, self._size_wh = 0, (0, 0)

    def __iter__(self) -> Iterator[Frame]:
        """Yields every frame.

        Raises:
            InputError: the source cannot be read, or its times do not increase.
        """
        fps: Fraction | None = None
        first_s: float | None = None
        last_s = -1.0
        frames: Iterator[SourceFrame] = iter(self._source)
        for index, frame in enumerate(frames):
            if (
                frame.time is None and fps is None
            ):  # a raw stream has no times: frames are evenly spaced
                guess = guess_times(self._path, self._picture_fps)
                fps = guess.fps if guess else self._picture_fps
            seconds = float(index / fps) if fps is not None else float(frame.time or 0.0)
            first_s = seconds if first_s is None else first_s
            time_s = seconds - first_s
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
