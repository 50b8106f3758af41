"""Reads frames of a video at equal steps of time."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from vigil.pixels.pictures.picture import Picture
from vigil.pixels.video.source import SourceFrame, frame_bgr, open_source
from vigil.pixels.windows import read_times
from vigil.plumbing.errors import InputError

TOLERANCE_S = 1e-6


@dataclass(frozen=True)
class SteppedFrame:
    """A frame.

    Attributes:
        index: 0-based number of the decoded frame.
        time_s: its time, counted from the first frame.
        picture: (H, W, 3) BGR.
    """

    index: int
    time_s: float
    picture: Picture


def read_stepped(path: Path, step_s: float, picture_fps: Fraction) -> Iterator[SteppedFrame]:
    """The first frame, and then each first frame at least `step_s` after the planned time.

    The planned times are multiples of the step, so that the number of frames does not depend on
    the rounding of single times.

    Args:
        step_s: time between two frames; 0: every frame.
        picture_fps: the frame rate of a folder of numbered pictures.

    Raises:
        InputError: the video cannot be read, or has another number of frames than of times.
    """
    times_s = read_times(path, picture_fps).seconds
    num_frames, num_planned = 0, 0
    frames: Iterator[SourceFrame] = iter(open_source(path, picture_fps))
    for index, frame in enumerate(frames):
        num_frames = index + 1
        if index >= len(times_s):
            break
        time_s = float(times_s[index])
        if step_s and time_s < num_planned * step_s - TOLERANCE_S:
            continue
        num_planned = int((time_s + TOLERANCE_S) / step_s) + 1 if step_s else 0
        yield SteppedFrame(index, time_s, frame_bgr(frame))
    if num_frames != len(times_s):
        got = "more" if num_frames > len(times_s) else num_frames
        raise InputError(f"{path}: expected {len(times_s)} frames, got {got}")
