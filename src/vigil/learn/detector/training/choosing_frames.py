"""Chooses between sequences of frames and single pictures, from the training pictures alone.

Sequences help if a camera stands still and a video shows enough time before a frame. So `auto` is
a sequence only if the training pictures are frames of such videos. Published weights were learnt
from single pictures; on PETS 2009, YOLOX-nano's gained nothing by sequences (docs/results.md).

Whether a camera moves is measured on pairs of frames of one video (`vigil.pixels.alike`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vigil.domain.pictures.annotated import AnnotatedPictures
from vigil.learn.detector.network.sequences import FrameNames
from vigil.pixels.alike import MIN_CORRELATION, correlate, spread
from vigil.pixels.pictures.images import ImageSource
from vigil.runtime.history import TOLERANCE_S, Times
from vigil.settings.train_detector import Frames, TrainDetector

Place = tuple[str, int]
"""The name of a picture, and its index in its video."""

AUTO_NUM = 7
"""Frames of a sequence that `auto` chooses."""
MIN_HISTORY_FRACTION = 0.5
"""Of the training pictures: at least so many have the time of a whole sequence before them."""
MIN_FIXED_FRACTION = 0.9
"""Of the videos that are compared: at least so many have a camera that does not move."""
NUM_VIDEOS, NUM_PAIRS = 24, 4
"""At most so many videos are compared, and so many pairs of frames of each."""


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
    settings: TrainDetector,
    train: AnnotatedPictures,
    images: Path,
    held_out: Mapping[str, int] | None = None,
) -> FramesChoice:
    """Chooses `frames.num`.

    Args:
        settings: with an architecture that is chosen.
        train: the training pictures; no others are looked at.
        images: the folder of the pictures.
        held_out: names of pictures of the other sides, and their indices in their videos.

    Raises:
        InputError: the archive of a video is missing or damaged.
    """
    if not settings.is_own:
        return FramesChoice(1, f"{settings.architecture} sees single pictures", {})
    if settings.weights != "none":
        return FramesChoice(
            1, f"the weights ({settings.weights}) were learnt from single pictures", {}
        )
    source, frames = ImageSource(images), settings.frames.model_copy(update={"num": AUTO_NUM})
    names = FrameNames(source, frames, allows_short=True, held_out=held_out)
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
        first = names.first(archive, frame_index)
        if _has_history(names.times_s(archive), first, frame_index, frames):
            video.append(_Pair(names.before(name, frame_index)[0], name))
    return pairs


def _has_history(times_s: Times, first: int, frame_index: int, frames: Frames) -> bool:
    return bool(times_s[frame_index] - times_s[first] >= frames.span_s - TOLERANCE_S)


def _correlations(source: ImageSource, videos: list[list[_Pair]]) -> npt.NDArray[np.float64]:
    """(videos compared,): the median over pairs, for videos and pairs at even distances."""
    medians = []
    for video in spread(videos, NUM_VIDEOS):
        by_pair = [
            correlate(source.rgb(pair.earlier), source.rgb(pair.later))
            for pair in spread(video, NUM_PAIRS)
        ]
        medians.append(float(np.median(by_pair)))
    return np.array(medians)
