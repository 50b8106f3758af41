"""Opens a video: a file, or a folder of numbered pictures."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

import av
import numpy as np
import numpy.typing as npt

from vigil.pixels.pictures.picture import Picture
from vigil.pixels.video.numbered import NumberedFrame, NumberedPictures
from vigil.pixels.video.reading import VideoReader, to_bgr
from vigil.plumbing.errors import InputError

Source: TypeAlias = VideoReader | NumberedPictures
"""Iterates over frames. After the iteration, `fps`, `is_variable_rate`, `stamps`, `num_hidden`,
`damaged` and `container_damage` are known."""
SourceFrame: TypeAlias = av.VideoFrame | NumberedFrame
"""A frame; its `time` is in seconds, or None if the file has no time stamp for it."""


@dataclass(frozen=True)
class Frame:
    """A frame with its pixels.

    Attributes:
        index: 0-based number of the decoded frame.
        time_s: its time, counted from the first frame.
        picture: (H, W, 3) BGR.
    """

    index: int
    time_s: float
    picture: Picture


def open_source(
    path: Path, picture_fps: Fraction, num_threads: int = 0, *, keeps_damaged: bool = False
) -> Source:
    """Opens a video.

    Args:
        picture_fps: the frame rate of a folder of numbered pictures; a video file has its own.
        num_threads: decoding threads for a file; 0 means one for each core.
        keeps_damaged: whether frames in which the decoder concealed damage are returned and listed
            in `damaged`; else the first one raises an error.

    Raises:
        InputError: the folder holds anything but numbered pictures. Errors in a video file are
            raised by the iteration.
    """
    if path.is_dir():
        return NumberedPictures(path, picture_fps, keeps_damaged=keeps_damaged)
    return VideoReader(path, num_threads, keeps_damaged=keeps_damaged)


def frame_bgr(frame: SourceFrame) -> Picture:
    """A frame's pixels, (H, W, 3) BGR, turned and mirrored by the display matrix of the file."""
    return frame.picture if isinstance(frame, NumberedFrame) else to_bgr(frame)


def timed_frames(
    path: Path, source: Source, times_s: npt.NDArray[np.float64]
) -> Iterator[tuple[int, float, SourceFrame]]:
    """Yields the number and the time of each frame, and the frame.

    Args:
        path: the video, for messages.
        times_s: (N,) the times of all frames.

    Raises:
        InputError: the video cannot be read, or has another number of frames than of times.
    """
    num_frames = 0
    frames: Iterator[SourceFrame] = iter(source)
    for index, frame in enumerate(frames):
        num_frames = index + 1
        if index >= len(times_s):
            break
        yield index, float(times_s[index]), frame
    if num_frames != len(times_s):
        got = "more" if num_frames > len(times_s) else num_frames
        raise InputError(f"{path}: expected {len(times_s)} frames, got {got}")
