"""Chooses between sequences of frames and single pictures, from the training pictures alone.

Sequences help if a camera stands still and a video shows enough time before a frame. So `auto` is
a sequence only if the training pictures are frames of such videos.

Whether a camera moves is measured on pairs of frames of one video. Their gradients are compared
tile by tile. What stands still gives the same gradients; people who walk change a few tiles only,
and a change of light changes all gradients by the same factor. The median of the tiles' correlation
was 0.87 to 1.00 on fixed cameras (PETS 2009, the demo), and -0.06 to 0.62 on cameras that move or
are held by hand (UCF-101, a short film of an animal).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from vigil.domain.pictures.annotated import AnnotatedPictures
from vigil.learn.detector.network.sequences import TOLERANCE_S, FrameNames, Times
from vigil.pixels.pictures.images import ImageSource
from vigil.pixels.pictures.picture import Picture
from vigil.settings.train_detector import Frames, TrainDetector

Gradients = npt.NDArray[np.float32]
T = TypeVar("T")
Place = tuple[str, int]
"""The name of a picture, and its index in its video."""

AUTO_NUM = 7
"""Frames of a sequence that `auto` chooses."""
MIN_HISTORY_FRACTION = 0.5
"""Of the training pictures: at least so many have the time of a whole sequence before them."""
MIN_FIXED_FRACTION = 0.9
"""Of the videos that are compared: at least so many have a camera that does not move."""
MIN_CORRELATION = 0.75
"""Of the gradients of two frames, if the camera does not move."""
NUM_VIDEOS, NUM_PAIRS = 24, 4
"""At most so many videos are compared, and so many pairs of frames of each."""
LONG_SIDE_PX, NUM_TILES = 160, 4
"""Frames are compared at this size, in so many tiles along each side."""


@dataclass(frozen=True)
class FramesChoice:
    """The number of frames of a sequence, and why.

    Attributes:
        num: 1 for single pictures.
        reason: completes "num frames, since ...".
        measured: the numbers that the choice depends on.
    """

    num: int
    reason: str
    measured: dict[str, Any]


@dataclass(frozen=True)
class _Pair:
    """A frame with the time of a whole sequence before it, and the frame at the start of it."""

    earlier: str
    later: str


def choose_frames_num(
    settings: TrainDetector, train: AnnotatedPictures, images: Path
) -> FramesChoice:
    """Chooses `frames.num`.

    Args:
        settings: with an architecture that is chosen.
        train: the training pictures; no others are looked at.
        images: the folder of the pictures.

    Raises:
        InputError: the archive of a video is missing or damaged.
    """
    if not settings.is_own:
        return FramesChoice(1, f"{settings.architecture} sees single pictures", {})
    source, frames = ImageSource(images), settings.frames.model_copy(update={"num": AUTO_NUM})
    names = FrameNames(source, frames, allows_short=True)
    indices = train.images["frame_index"].sort_index()
    places: list[Place] = list(zip(indices.index.tolist(), indices.tolist(), strict=True))
    num_loose = sum(names.is_loose(name, index) for name, index in places)
    measured: dict[str, Any] = {"num_loose_pictures": num_loose}
    if num_loose:
        reason = f"{num_loose} of {len(train.images)} training pictures are not frames of a video"
        return FramesChoice(1, reason, measured)
    pairs = _pairs_by_video(source, names, places, frames)
    fraction = sum(map(len, pairs.values())) / len(train.images)
    measured["history_fraction"] = round(fraction, 3)
    history = (
        f"{fraction:.0%} of the training pictures have {frames.span_s:g} s of their video before "
        "them"
    )
    if fraction < MIN_HISTORY_FRACTION:
        return FramesChoice(1, f"only {history}", measured)
    correlations = _correlations(source, [video for video in pairs.values() if video])
    num_fixed = int((correlations >= MIN_CORRELATION).sum())
    measured |= {"num_videos_compared": len(correlations), "num_fixed": num_fixed}
    if num_fixed < MIN_FIXED_FRACTION * len(correlations):
        num_moving = len(correlations) - num_fixed
        reason = f"the camera moves in {num_moving} of {len(correlations)} training videos"
        return FramesChoice(1, reason, measured)
    return FramesChoice(
        AUTO_NUM,
        f"{history}, and the camera is fixed in {num_fixed} of {len(correlations)} videos",
        measured,
    )


def _pairs_by_video(
    source: ImageSource, names: FrameNames, places: Sequence[Place], frames: Frames
) -> dict[str, list[_Pair]]:
    """For each video, by the name of its archive: the pictures that have enough time before."""
    pairs: dict[str, list[_Pair]] = {}
    for name, frame_index in places:
        archive = source.archive_of(name)
        video = pairs.setdefault(archive, [])
        if _has_history(names.times_s(archive), frame_index, frames):
            video.append(_Pair(names.before(name, frame_index)[0], name))
    return pairs


def _has_history(times_s: Times, frame_index: int, frames: Frames) -> bool:
    return bool(times_s[frame_index] - times_s[0] >= frames.span_s - TOLERANCE_S)


def _correlations(source: ImageSource, videos: list[list[_Pair]]) -> npt.NDArray[np.float64]:
    """(videos compared,): the median over pairs, for videos and pairs at even distances."""
    medians = []
    for video in _spread(videos, NUM_VIDEOS):
        by_pair = [
            correlate(source.rgb(pair.earlier), source.rgb(pair.later))
            for pair in _spread(video, NUM_PAIRS)
        ]
        medians.append(float(np.median(by_pair)))
    return np.array(medians)


def _spread(values: Sequence[T], most: int) -> Sequence[T]:
    """At most so many of the values, at even distances, with the first and the last."""
    if len(values) <= most:
        return values
    return [values[index] for index in np.linspace(0, len(values) - 1, most).round().astype(int)]


def correlate(one: Picture, other: Picture) -> float:
    """How well the gradients of two (H, W, 3) pictures of one size agree, in [-1, 1].

    It is the median over tiles of the correlation of gradients. Tiles without gradients do not
    count. Without any such tile it is 0.
    """
    by_tile = [
        float((first * second).sum() / norm)
        for first, second in zip(_tiles(one), _tiles(other), strict=True)
        if (norm := float(np.linalg.norm(first) * np.linalg.norm(second))) > 0
    ]
    return float(np.median(by_tile)) if by_tile else 0.0


def _tiles(picture: Picture) -> list[Gradients]:
    """The gradients (2, h, w) along x and y of each tile of a shrunk grey picture."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    height, width = grey.shape
    scale = min(1.0, LONG_SIDE_PX / max(height, width))
    size_wh = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(grey, size_wh, interpolation=cv2.INTER_AREA).astype(np.float32)
    along_x, along_y = cv2.Sobel(small, cv2.CV_32F, 1, 0), cv2.Sobel(small, cv2.CV_32F, 0, 1)
    gradients: Gradients = np.stack([along_x, along_y]).astype(np.float32)
    rows = np.array_split(gradients, NUM_TILES, axis=1)
    return [tile for row in rows for tile in np.array_split(row, NUM_TILES, axis=2)]
