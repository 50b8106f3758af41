"""Metrics of the place of evidence: the region- and track-based detection criteria.

Ramachandra and Jones, "Street Scene: A New Dataset and Evaluation Protocol for Video Anomaly
Detection", WACV 2020. Regions with scores are predicted for each frame. A true region is detected
if a predicted region in its frame overlaps it with an IoU of at least `BETA`. A predicted region
without such an overlap is false. A track of true regions is detected if at least the fraction
`ALPHA` of its regions is. Over all thresholds, the detected fraction is a curve over the number of
false regions in a frame, from 0 to 1. The criterion is the area under this curve. A curve that ends
before 1 continues flat.
"""

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from vigil.domain.boxes import CORNERS, pairwise_iou
from vigil.domain.clips.evidence.pieces import OBJECTS
from vigil.domain.measures.frames import NO_RESTARTS, is_fresh, latest_moments

ALPHA, BETA = 0.1, 0.1
DECIMALS = 4

Floats = npt.NDArray[np.float64]


class Predicted(NamedTuple):
    """The predictions for a frame: (N, 4) boxes in px, x1 y1 x2 y2, and (N,) scores."""

    boxes_xyxy: Floats
    scores: Floats


class Truth(NamedTuple):
    """The ground truth of a frame: (M, 4) boxes, and the names of their M tracks."""

    boxes_xyxy: Floats
    tracks: tuple[Hashable, ...]


def latest_regions(
    times_s: Floats, evidence: pd.DataFrame, restarts_s: Floats = NO_RESTARTS
) -> list[Predicted]:
    """For each frame of a video, the latest evidence of all channels that is known by then.

    Evidence of `objects` counts as long as in `score_frames`.

    Args:
        times_s: (F,) the times of the frames, ascending.
        evidence: `channel`, `time_s`, the corners and `ratio` of each piece.
        restarts_s: see `latest_moments`.
    """
    boxes: list[list[Floats]] = [[] for _ in times_s]
    ratios: list[list[Floats]] = [[] for _ in times_s]
    for name, channel in evidence.groupby("channel", sort=False):
        moments = [rows for _, rows in channel.groupby("time_s")]  # sorted by time
        moments_s = np.array([rows["time_s"].iloc[0] for rows in moments])
        latest = latest_moments(times_s, moments_s, restarts_s)
        counts = is_fresh(times_s, moments_s[latest]) | (name != OBJECTS)
        for at, moment in enumerate(latest):
            if not counts[at]:
                continue
            boxes[at].append(moments[moment][CORNERS].to_numpy())
            ratios[at].append(moments[moment]["ratio"].to_numpy())
    return [
        Predicted(np.concatenate(places), np.concatenate(scores))
        if places
        else Predicted(np.empty((0, 4)), np.empty(0))
        for places, scores in zip(boxes, ratios, strict=True)
    ]


class RegionScores(NamedTuple):
    """What both criteria need of some videos; tracks end with their video.

    Attributes:
        regions: (P,) the highest threshold at which each true region is detected; minus infinity:
            it never is.
        tracks: (T,) the highest threshold at which enough regions of each track are detected.
        false: (Q,) the scores of false regions.
        num_frames: the number of frames.
    """

    regions: Floats
    tracks: Floats
    false: Floats
    num_frames: int


NO_REGIONS = RegionScores(np.empty(0), np.empty(0), np.empty(0), 0)
"""Of a video that does not count, since the places of its anomalies are not known."""


def measure_regions(
    predicted: Mapping[Hashable, Predicted],
    true: Mapping[Hashable, Truth],
    num_frames: int,
) -> dict[str, float]:
    """Both criteria of all videos.

    Args:
        predicted, true: by frame, of all videos; frames without regions may be missing.
        num_frames: the number of frames of all videos.

    Returns:
        `rbdc` and `tbdc`, 0 to 1.

    Raises:
        ValueError: there is no true region.
    """
    return measure_region_scores([score_regions(predicted, true, num_frames)])


def score_regions(
    predicted: Mapping[Hashable, Predicted],
    true: Mapping[Hashable, Truth],
    num_frames: int,
) -> RegionScores:
    """What both criteria need of the frames of a video, or of several; see `measure_regions`."""
    best_of: dict[Hashable, list[float]] = {}
    false: list[float] = []
    for frame in {**true, **predicted}:
        guess = predicted.get(frame, Predicted(np.empty((0, 4)), np.empty(0)))
        truth = true.get(frame, Truth(np.empty((0, 4)), ()))
        hits = pairwise_iou(truth.boxes_xyxy, guess.boxes_xyxy) >= BETA  # (M, N)
        for track, row in zip(truth.tracks, hits, strict=True):
            best = float(guess.scores[row].max()) if row.any() else -math.inf
            best_of.setdefault(track, []).append(best)
        false += guess.scores[~hits.any(axis=0)].tolist()
    regions = [score for scores in best_of.values() for score in scores]
    tracks = [
        sorted(scores, reverse=True)[max(1, math.ceil(ALPHA * len(scores))) - 1]
        for scores in best_of.values()
    ]
    return RegionScores(np.array(regions), np.array(tracks), np.array(false), num_frames)


def measure_region_scores(videos: Sequence[RegionScores]) -> dict[str, float]:
    """`rbdc` and `tbdc` of videos.

    Raises:
        ValueError: there is no true region.
    """
    regions, tracks, false = (
        np.concatenate([video[column] for video in videos]) for column in range(3)
    )
    num_frames = sum(video.num_frames for video in videos)
    if not len(regions):
        raise ValueError("expected true regions, got none")
    return {
        "rbdc": round(area_up_to_one(regions, false, num_frames), DECIMALS),
        "tbdc": round(area_up_to_one(tracks, false, num_frames), DECIMALS),
    }


def area_up_to_one(right: Floats, wrong: Floats, num_frames: int) -> float:
    """The area under the detected fraction, over false regions in a frame from 0 to 1.

    Args:
        right: (P,) the highest threshold at which each region or track is detected; minus infinity
            if it never is.
        wrong: (Q,) the scores of false regions.
        num_frames: the number of frames.
    """
    thresholds = np.unique(np.concatenate([right[np.isfinite(right)], wrong]))[::-1]
    detected = np.searchsorted(np.sort(-right), -thresholds, side="right") / len(right)
    rate = np.searchsorted(np.sort(-wrong), -thresholds, side="right") / num_frames
    return area_under(np.append(0.0, rate), np.append(0.0, detected))


def area_under(rate: Floats, detected: Floats) -> float:
    """The area under a curve, over false regions in a frame from 0 to 1.

    Args:
        rate: (K,) false regions in a frame, ascending from 0.
        detected: (K,) the detected fraction.
    """
    if rate[-1] < 1:
        rate, detected = np.append(rate, 1.0), np.append(detected, detected[-1])
    inside = rate <= 1
    at_one = np.interp(1.0, rate, detected)
    x, y = np.append(rate[inside], 1.0), np.append(detected[inside], at_one)
    return float(np.sum((x[1:] - x[:-1]) * (y[1:] + y[:-1]) / 2))
