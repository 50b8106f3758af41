"""Whether evidence lies where the anomaly is: the region- and track-based detection criteria.

Ramachandra and Jones, "Street Scene: A New Dataset and Evaluation Protocol for Video Anomaly
Detection", WACV 2020. Regions with scores are predicted for each frame. A true region is found by a
predicted one of its frame that overlaps it by an IoU of at least `beta`; a predicted region that
overlaps none so much is false. A track of true regions is found where at least the share `alpha` of
them is. Over all thresholds, the share found is drawn against the number of false regions a frame,
from 0 to 1; the criterion is the area below. A curve that ends before goes on flat.
"""

import math
from collections.abc import Hashable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vigil.domain.boxes import pairwise_iou

ALPHA, BETA = 0.1, 0.1
DECIMALS = 4

Floats = npt.NDArray[np.float64]


class Predicted(NamedTuple):
    """What is predicted of a frame: (N, 4) boxes in px, x1 y1 x2 y2, and (N,) scores."""

    boxes_xyxy: Floats
    scores: Floats


class Truth(NamedTuple):
    """What is true of a frame: (M, 4) boxes, and (M) names of the tracks that they belong to."""

    boxes_xyxy: Floats
    tracks: tuple[Hashable, ...]


def measure_regions(
    predicted: Mapping[Hashable, Predicted],
    true: Mapping[Hashable, Truth],
    num_frames: int,
    *,
    alpha: float = ALPHA,
    beta: float = BETA,
) -> dict[str, float]:
    """Both criteria.

    Args:
        predicted, true: by frame, of all videos; frames without regions may be left out.
        num_frames: of all videos.

    Returns:
        `rbdc` and `tbdc`, 0 to 1.

    Raises:
        ValueError: no true region.
    """
    best_of: dict[Hashable, list[float]] = {}
    false: list[float] = []
    for frame in {**true, **predicted}:
        guess = predicted.get(frame, Predicted(np.empty((0, 4)), np.empty(0)))
        own = true.get(frame, Truth(np.empty((0, 4)), ()))
        hits = pairwise_iou(own.boxes_xyxy, guess.boxes_xyxy) >= beta  # (M, N)
        for track, row in zip(own.tracks, hits, strict=True):
            best = float(guess.scores[row].max()) if row.any() else -math.inf
            best_of.setdefault(track, []).append(best)
        false += guess.scores[~hits.any(axis=0)].tolist()
    if not best_of:
        raise ValueError("expected true regions, got none")
    regions = np.array([score for own in best_of.values() for score in own])
    # A track is found from the threshold on at which enough of its regions are.
    tracks = np.array(
        [sorted(own, reverse=True)[max(1, math.ceil(alpha * len(own))) - 1]
         for own in best_of.values()]
    )  # fmt: skip
    wrong = np.array(false)
    return {
        "rbdc": round(area_up_to_one(regions, wrong, num_frames), DECIMALS),
        "tbdc": round(area_up_to_one(tracks, wrong, num_frames), DECIMALS),
    }


def area_up_to_one(right: Floats, wrong: Floats, num_frames: int) -> float:
    """The area below the share found, over false regions a frame from 0 to 1.

    Args:
        right: (P,) the scores at which each thing to be found is found; minus infinity for never.
        wrong: (Q,) scores of false regions.
    """
    thresholds = np.unique(np.concatenate([right[np.isfinite(right)], wrong]))[::-1]
    found = np.searchsorted(np.sort(-right), -thresholds, side="right") / len(right)
    rate = np.searchsorted(np.sort(-wrong), -thresholds, side="right") / num_frames
    rate, found = np.append(0.0, rate), np.append(0.0, found)
    if rate[-1] < 1:
        rate, found = np.append(rate, 1.0), np.append(found, found[-1])
    inside = rate <= 1
    at_one = np.interp(1.0, rate, found)
    x, y = np.append(rate[inside], 1.0), np.append(found[inside], at_one)
    return float(np.sum((x[1:] - x[:-1]) * (y[1:] + y[:-1]) / 2))
