"""Reads the frames of a source, with their times."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from vigil.pixels.pictures.picture import Picture
from vigil.pixels.video.source import SourceFrame, frame_bgr, open_source
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


def read_frames(path: Path, picture_fps: Fraction) -> Iterator[Frame]:
    """The frames of a file, or of a folder of numbered pictures, in order.

    Args:
        picture_fps: frames per second of numbered pictures and raw streams.

    Raises:
        InputError: the source cannot be read, or its times do not increase.
    """
    fps: Fraction | None = None
    first_s: float | None = None
    last_s = -1.0
    frames: Iterator[SourceFrame] = iter(open_source(path, picture_fps))
    for index, frame in enumerate(frames):
        if (
            frame.time is None and fps is None
        ):  # a raw stream has no times: frames are evenly spaced
            guess = guess_times(path, picture_fps)
            fps = guess.fps if guess else picture_fps
        seconds = float(index / fps) if fps is not None else float(frame.time or 0.0)
        first_s = seconds if first_s is None else first_s
        time_s = seconds - first_s
        if not time_s > last_s:
            raise InputError(
                f"{path}: expected frames in order, got frame {index} at {time_s:.3f} s after "
                f"one at {last_s:.3f} s"
            )
        last_s = time_s
        yield Frame(index, time_s, frame_bgr(frame))
