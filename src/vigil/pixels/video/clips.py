"""Frames sampled from clips: decoded once, in order, and only what is used is kept."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Literal

import av
import cv2
import numpy as np
import numpy.typing as npt

from vigil.pixels.video.picture import Picture
from vigil.pixels.video.reading import VideoReader, open_video, to_bgr
from vigil.plumbing.errors import InputError

ShortClips = Literal["repeat_last", "error"]
Positions = npt.NDArray[np.int64]
Choice = Callable[[int, Fraction], Positions]
"""From the number of a clip's frames and their rate to the frames wanted, in any shape."""


@dataclass(frozen=True)
class FrameSize:
    """How frames are fitted to a network: resized, then cut to a square around the centre.

    Attributes:
        resize: the shorter side in px, or height and width, whatever the shape before.
        crop_px: side of the square.
    """

    resize: int | tuple[int, int]
    crop_px: int

    def __call__(self, picture: Picture) -> Picture:
        """(H, W, 3) to (crop_px, crop_px, 3)."""
        height, width = picture.shape[:2]
        if isinstance(self.resize, tuple):
            new_height, new_width = self.resize
        else:
            scale = self.resize / min(height, width)
            new_height, new_width = round(height * scale), round(width * scale)
        resized = resize(picture, (new_width, new_height))
        top, left = (new_height - self.crop_px) // 2, (new_width - self.crop_px) // 2
        return resized[top : top + self.crop_px, left : left + self.crop_px]


def resize(picture: Picture, size_wh: tuple[int, int]) -> Picture:
    """Averages over areas where it shrinks, so that fine patterns do not alias."""
    height, width = picture.shape[:2]
    if (width, height) == size_wh:
        return picture
    shrinks = size_wh[0] < width
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(picture, size_wh, interpolation=method).astype(np.uint8, copy=False)


def sample_uniformly(
    num_frames: int,
    num_samples: int,
    num_windows: int,
    short_clips: ShortClips,
    path: Path,
) -> Positions:
    """Frames spread evenly over equal windows of a clip.

    ::

        |- window 0 -|- window 1 -|      num_windows = 2
        0 . 2 . 4 . 6 7 . 9 . 11 . 13    num_samples = 4, of 14 frames

    A window's first and last frame are always among them, as in pytorchvideo's
    UniformTemporalSubsample.

    Args:
        num_frames: in the clip.
        num_samples: frames wanted of each window.
        short_clips: where there are fewer frames than `num_samples * num_windows`: `error`, or
            `repeat_last`: each window takes consecutive frames from its start on, and the clip's
            last one again and again past the end.
        path: names the clip in errors.

    Returns:
        (num_windows, num_samples): frame indices.

    Raises:
        InputError: a clip of one frame, in which nothing can move, or a short one.
    """
    if num_frames < 2:
        raise InputError(f"{path}: expected a clip of at least 2 frames, got {num_frames}")
    num_needed = num_samples * num_windows
    if num_frames >= num_needed:
        edges = np.arange(num_windows + 1) * num_frames // num_windows
        windows = [
            np.linspace(start, stop - 1, num_samples) for start, stop in pairwise(edges.tolist())
        ]
        return np.floor(np.stack(windows) + 1e-9).astype(np.int64)
    if short_clips == "error":
        raise InputError(
            f"{path}: expected at least {num_needed} frames ({num_windows} windows of "
            f"{num_samples}), got {num_frames}; embed_clips.short_clips: repeat_last takes it"
        )
    starts = np.arange(num_windows)[:, None] * num_frames // num_windows
    return np.minimum(starts + np.arange(num_samples), num_frames - 1).astype(np.int64)


def read_frames(
    path: Path, choose: Choice, fit: Callable[[Picture], Picture], num_threads: int = 1
) -> tuple[npt.NDArray[np.uint8], Fraction]:
    """Decodes a clip and keeps the frames chosen.

    The packets of the file tell how many frames to expect, so that one pass does and memory holds
    no others. Where decoding tells another number, which then counts, there is a second pass.

    Args:
        choose: gives frame indices, of any shape S.
        fit: what to keep of a (H, W, 3) BGR frame, of one shape F for all.
        num_threads: that decode.

    Returns:
        S + F: the frames, and their rate in frames per second.

    Raises:
        InputError: see `VideoReader`; a clip that `choose` refuses.
    """
    wanted: Positions | None = None
    with suppress(InputError):  # of a guess: whether the clip is too short, decoding tells
        wanted = choose(*guess) if (guess := _guess(path)) else None
    kept, true, fps = _decode(path, wanted, choose, fit, num_threads)
    if wanted is None or not np.array_equal(true, wanted):
        kept, _, _ = _decode(path, true, choose, fit, num_threads)
    frames = np.stack([kept[position] for position in true.ravel().tolist()])
    return frames.reshape(*true.shape, *frames.shape[1:]), fps


def _decode(
    path: Path,
    wanted: Positions | None,
    choose: Choice,
    fit: Callable[[Picture], Picture],
    num_threads: int,
) -> tuple[dict[int, Picture], Positions, Fraction]:
    """Keeps the frames wanted, and tells which should have been, and the rate."""
    reader = VideoReader(path, num_threads)
    keep = set() if wanted is None else set(wanted.ravel().tolist())
    kept: dict[int, Picture] = {}
    num_frames = 0
    for frame in reader:
        if num_frames in keep:
            kept[num_frames] = fit(to_bgr(frame))
        num_frames += 1
    if num_frames < 2:
        raise InputError(f"{path}: expected a clip of at least 2 frames, got {num_frames}")
    return kept, choose(num_frames, reader.fps), reader.fps


def _guess(path: Path) -> tuple[int, Fraction] | None:
    """The number of frames and their rate, by the file's packets; None where they tell nothing."""
    try:
        with open_video(path) as container:
            stream = container.streams.video[0]
            times = sorted(
                packet.pts * packet.time_base
                for packet in container.demux(stream)
                if packet.size and not packet.is_discard and packet.pts is not None
                and packet.time_base is not None
            )  # fmt: skip
            rate = stream.average_rate or stream.guessed_rate
    except (av.FFmpegError, OSError, ValueError, IndexError):
        return None  # reading the frames says what is wrong
    if rate is None and len(times) > 1 and times[-1] > times[0]:
        rate = Fraction((len(times) - 1) / (times[-1] - times[0]))
    return (len(times), rate) if rate else None
