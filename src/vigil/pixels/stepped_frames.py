"""Reads frames of a video at equal steps of time."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from vigil.pixels.video.source import Frame, frame_bgr, open_source, timed_frames
from vigil.pixels.windows import read_times

TOLERANCE_S = 1e-6


def read_stepped(path: Path, step_s: float, picture_fps: Fraction) -> Iterator[Frame]:
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
    num_planned = 0
    for index, time_s, frame in timed_frames(path, open_source(path, picture_fps), times_s):
        if step_s and time_s < num_planned * step_s - TOLERANCE_S:
            continue
        num_planned = int((time_s + TOLERANCE_S) / step_s) + 1 if step_s else 0
        yield Frame(index, time_s, frame_bgr(frame))
