"""Opens a video: a file, or a folder of numbered pictures."""

from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

import av

from vigil.pixels.pictures.picture import Picture
from vigil.pixels.video.numbered import NumberedFrame, NumberedPictures
from vigil.pixels.video.reading import VideoReader, to_bgr

Source: TypeAlias = VideoReader | NumberedPictures
"""Iterates over frames. After the iteration, `fps`, `is_variable_rate`, `stamps`, `num_hidden`,
`damaged` and `container_damage` are known."""
SourceFrame: TypeAlias = av.VideoFrame | NumberedFrame
"""A frame; its `time` is in seconds, or None if the file has no time stamp for it."""


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
