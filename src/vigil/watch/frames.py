"""Reads the frames of a source, with their times."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from vigil.pixels.pictures.picture import Picture
from vigil.pixels.video.source import SourceFrame, frame_bgr, open_source
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


def read_frames(path: Path, picture_fps: Fraction) -> Iterator[Frame]:
    """The frames of a file, or of a folder of numbered pictures, in order.

    Args:
        picture_fps: frames per second of numbered pictures.

    Raises:
        InputError: the source cannot be read, or its times do not increase.
    """
    times_s = read_times(path, picture_fps).seconds
    frames: Iterator[SourceFrame] = iter(open_source(path, picture_fps))
    num_frames = 0
    for index, frame in enumerate(frames):
        num_frames += 1
        if num_frames > len(times_s):
            break
        if index and not times_s[index] > times_s[index - 1]:
            raise InputError(
                f"{path}: expected frames in order, got frame {index} at {times_s[index]:.3f} s "
                f"after one at {times_s[index - 1]:.3f} s"
            )
        yield Frame(index, float(times_s[index]), frame_bgr(frame))
    if num_frames != len(times_s):
        got = "more" if num_frames > len(times_s) else num_frames
        raise InputError(f"{path}: expected {len(times_s)} frames, got {got}")
