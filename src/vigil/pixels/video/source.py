"""Whatever counts as a video: a file, or a folder of numbered pictures."""

from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

import av

from vigil.pixels.pictures.picture import Picture
from vigil.pixels.video.numbered import NumberedFrame, NumberedPictures
from vigil.pixels.video.reading import VideoReader, to_bgr

Source: TypeAlias = VideoReader | NumberedPictures
"""Iterates over frames and, once done, knows `fps`, `is_variable_rate`, `stamps`,
`num_hidden` and `damaged`."""
SourceFrame: TypeAlias = av.VideoFrame | NumberedFrame
"""A frame; `time` is in seconds, None where the file does not tell."""


def open_source(
    path: Path, picture_fps: Fraction, num_threads: int = 0, *, keeps_damaged: bool = False
) -> Source:
    """Opens a video.

    Args:
        picture_fps: of a folder of numbered pictures; a video file tells its own rate.
        num_threads: that decode a file; 0 for as many as there are cores.
        keeps_damaged: whether frames of a file that its decoder mended are handed out and told, and
            no error.

    Raises:
        InputError: a folder of anything else than numbered pictures. What is wrong with a file, its
            iteration tells.
    """
    if path.is_dir():
        return NumberedPictures(path, picture_fps)
    return VideoReader(path, num_threads, keeps_damaged=keeps_damaged)


def frame_bgr(frame: SourceFrame) -> Picture:
    """A frame's pixels, (H, W, 3) BGR, turned and mirrored as the file asks of players."""
    return frame.picture if isinstance(frame, NumberedFrame) else to_bgr(frame)
