"""Plans samples of people and of background, without touching a pixel.

A sample is one box on each of `num_frames` consecutive frames of a video.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from vigil.domain.boxes import Boxes, intersect, to_pixels
from vigil.domain.samples.index import BACKGROUND, INDEX_DTYPES, PERSON
from vigil.domain.tracks import Track
from vigil.domain.video_facts import VideoFacts
from vigil.plumbing.errors import InputError


@dataclass(frozen=True)
class Sample:
    """One box on each of T consecutive frames.

    Attributes:
        label: one of `LABELS`.
        track: the id of the person's track; empty for background.
        first_frame: 0-based.
        boxes_px: (T, 4) in whole px, within the picture: x1, y1, x2, y2; (x2, y2) is exclusive.
    """

    label: str
    track: str
    first_frame: int
    boxes_px: npt.NDArray[np.int64]


def plan_people(
    tracks: Iterable[Track], size_wh: tuple[int, int], *, num_frames: int, stride_frames: int
) -> list[Sample]:
    """Cuts each track into samples wherever it has `num_frames` boxes on consecutive frames.

    Args:
        stride_frames: frames from the start of one sample to the start of the next within a run of
            consecutive frames; `num_frames` for samples that follow each other without overlap.
    """
    samples = []
    for track in tracks:
        boxes_px = to_pixels(track.boxes_xyxy, size_wh)
        # Runs of positions in the track whose frames are consecutive.
        breaks = np.flatnonzero(np.diff(track.frames) != 1) + 1
        for run in np.split(np.arange(len(track.frames)), breaks):
            for start in range(0, len(run) - num_frames + 1, stride_frames):
                chosen = run[start : start + num_frames]
                first_frame = int(track.frames[chosen[0]])
                samples.append(Sample(PERSON, track.id, first_frame, boxes_px[chosen]))
    return samples


def clean(
    samples: Iterable[Sample], *, min_side_px: int, max_aspect_ratio: float
) -> tuple[list[Sample], Counter[str]]:
    """Leaves out samples with an unusable box on any frame.

    Returns:
        The good samples, and how many were left out as `point` (both sides shorter than
        `min_side_px`), `line` (one side) or `aspect_ratio` (longer side over shorter side).
    """
    good, reasons = [], Counter[str]()
    for sample in samples:
        sides = sample.boxes_px[:, 2:] - sample.boxes_px[:, :2]
        short, long = sides.min(axis=1), sides.max(axis=1)
        if (long < min_side_px).any():
            reasons["point"] += 1
        elif (short < min_side_px).any():
            reasons["line"] += 1
        elif (long > max_aspect_ratio * short).any():
            reasons["aspect_ratio"] += 1
        else:
            good.append(sample)
    return good, reasons


def plan_background(
    num_samples: int,
    people: Sequence[Track],
    facts: VideoFacts,
    rng: np.random.Generator,
    *,
    sides_px: npt.NDArray[np.int64],
    num_frames: int,
    max_tries: int,
    place: str,
) -> list[Sample]:
    """Draws axis-aligned boxes that do not overlap a person on any of their frames.

    Args:
        people: the tracks that no sample may overlap.
        sides_px: (N, 2) widths and heights to draw from, with equal probability.
        max_tries: the largest number of draws for one sample.
        place: the name of the video in messages.

    Raises:
        InputError: the video or the picture is too small, or people leave too little room.
    """
    width, height = facts.size_wh
    sides_px = sides_px[(sides_px <= [width, height]).all(axis=1)]
    num_starts = facts.num_frames - num_frames + 1
    if num_samples and (len(sides_px) == 0 or num_starts < 1):
        raise InputError(
            f"{place}: expected room for background of {num_frames} frames, "
            f"got {facts.num_frames} frames of {width}x{height}"
        )
    # The boxes of all people (N, 4), sorted by frame, so that a range of frames is a slice.
    frames = np.concatenate([track.frames for track in people] or [np.empty(0, np.int64)])
    boxes: Boxes = np.concatenate([track.boxes_xyxy for track in people] or [np.empty((0, 4))])
    order = np.argsort(frames, kind="stable")
    frames, boxes = frames[order], boxes[order]
    samples = []
    for number in range(num_samples):
        for _ in range(max_tries):
            first_frame = int(rng.integers(num_starts))
            box_width, box_height = sides_px[rng.integers(len(sides_px))]
            x1 = int(rng.integers(width - box_width + 1))
            y1 = int(rng.integers(height - box_height + 1))
            box = np.array([x1, y1, x1 + box_width, y1 + box_height])
            begin, end = np.searchsorted(frames, [first_frame, first_frame + num_frames])
            if not intersect(box[None].astype(float), boxes[begin:end]).any():
                repeated = np.repeat(box[None], num_frames, axis=0)
                samples.append(Sample(BACKGROUND, "", first_frame, repeated))
                break
        else:
            raise InputError(
                f"{place}: too little room for background: sample {number + 1} of {num_samples} "
                f"overlapped a person in each of {max_tries} tries; expected a place for boxes of "
                f"{sides_px.min()} to {sides_px.max()} px beside people"
            )
    return samples


def uniform_sides(min_side_px: int, max_side_px: int) -> npt.NDArray[np.int64]:
    """(N, 2): each pair of a width and a height from `min_side_px` to `max_side_px`."""
    sides = np.arange(min_side_px, max_side_px + 1)
    return np.stack(np.meshgrid(sides, sides), axis=-1).reshape(-1, 2)


def people_sides(samples: Sequence[Sample]) -> npt.NDArray[np.int64]:
    """(N, 2): the width and height of each sample's first box."""
    boxes = np.stack([sample.boxes_px[0] for sample in samples])
    sides: npt.NDArray[np.int64] = boxes[:, 2:] - boxes[:, :2]
    return sides


def index_samples(samples: Sequence[Sample], video: str) -> pd.DataFrame:
    """A table with a row for each sample: its `row` in the video's array, label, track, frames and
    mean box size.
    """
    sides = [(s.boxes_px[:, 2:] - s.boxes_px[:, :2]).mean(axis=0).round(1) for s in samples]
    columns = {
        "video": [video] * len(samples),
        "row": range(len(samples)),
        "label": [sample.label for sample in samples],
        "track": [sample.track for sample in samples],
        "first_frame": [sample.first_frame for sample in samples],
        "num_frames": [len(sample.boxes_px) for sample in samples],
        "width_px": [side[0] for side in sides],
        "height_px": [side[1] for side in sides],
    }
    return pd.DataFrame(columns).astype(INDEX_DTYPES)
