"""Metrics of how well an alarm separates anomalous from normal frames in long videos.

Published metrics differ in how videos are joined. *Micro*: all frames of all videos together, so
one threshold serves all videos. *Macro*: the mean over videos with both normal and anomalous
frames. *Macro, padded*: as in much published code, each video gets a normal frame with the lowest
score and an anomalous frame with the highest score, so every video has a value. It is higher, and
must not be compared with the other metrics.

The scores of `score_frames` are causal: the score of a frame is the strongest evidence that is
known when the frame is shown. The scores of `score_by_windows` are not causal.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn import metrics

from vigil.domain.clips.evidence.pieces import OBJECTS
from vigil.domain.clips.verdicts import NO_EVIDENCE

DECIMALS = 4
EDGE_S = 1e-4
"""Times of frames and of evidence that differ by at most this are equal."""
FRESH_S = 0.5
"""Evidence of `objects` counts for this long. The other channels have evidence at each moment, so
it is replaced by the next. `objects` has none after the last person has left."""

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
NO_RESTARTS: Floats = np.empty(0)


def latest_moments(times_s: Floats, known_s: Floats, restarts_s: Floats = NO_RESTARTS) -> Ints:
    """The index of the latest moment with evidence at each frame.

    The measurement restarts after a gap between frames. Frames before the first moment after a
    restart, or after the start of the video, get this first moment. If there is none up to the next
    restart, they get the latest moment before, or the first of the video.

    Args:
        times_s: (F,) the times of frames, ascending.
        known_s: (M,) the moments with evidence, ascending; at least one.
        restarts_s: (R,) the times of the first frames after gaps, ascending.

    Returns:
        (F,) indices of moments.
    """
    at = np.searchsorted(known_s, times_s + EDGE_S, side="right") - 1
    edges_s = np.concatenate([[-np.inf], restarts_s, [np.inf]])
    part = np.searchsorted(restarts_s, times_s + EDGE_S, side="right")
    first, stop = np.searchsorted(known_s, [edges_s[part] - EDGE_S, edges_s[part + 1] - EDGE_S])
    latest: Ints = np.maximum(np.where(first < stop, np.maximum(at, first), at), 0)
    return latest


def is_waiting(times_s: Floats, known_s: Floats, restarts_s: Floats = NO_RESTARTS) -> Bools:
    """Whether each frame (F,) comes before the first evidence, or the first after a restart.

    Args: see `latest_moments`.
    """
    own_s = known_s[latest_moments(times_s, known_s, restarts_s)]
    part = np.searchsorted(restarts_s, times_s + EDGE_S, side="right")
    begun_s = np.concatenate([[-np.inf], restarts_s])[part]
    return np.asarray((own_s > times_s + EDGE_S) | (own_s < begun_s - EDGE_S))


def score_frames(
    times_s: Floats, evidence: pd.DataFrame, restarts_s: Floats = NO_RESTARTS
) -> dict[str, Floats]:
    """The causal score of each frame of a video, by channel.

    Args:
        times_s: (F,) the times of the frames.
        restarts_s: see `latest_moments`.
        evidence: `channel`, `time_s` and `ratio` of each piece of evidence in the video.

    Returns:
        (F,) for each channel: the largest ratio at the latest moment with evidence; of `objects`,
        `NO_EVIDENCE` where this moment is not within the last `FRESH_S`.
    """
    scores = {}
    for channel, rows in evidence.groupby("channel", sort=False):
        best = rows.groupby("time_s")["ratio"].max()  # sorted by time
        known_s = best.index.to_numpy()
        at = latest_moments(times_s, known_s, restarts_s)
        ratios = best.to_numpy()[at]
        if channel == OBJECTS:
            ratios = np.where(is_fresh(times_s, known_s[at]), ratios, NO_EVIDENCE)
        scores[str(channel)] = ratios
    return scores


def is_fresh(times_s: Floats, known_s: Floats) -> Bools:
    """Whether evidence of `objects` (N,) still counts at some times (N,)."""
    age_s = times_s - known_s
    return np.asarray((age_s >= -EDGE_S) & (age_s <= FRESH_S))


def score_by_windows(starts_s: Floats, stops_s: Floats, scores: Floats, times_s: Floats) -> Floats:
    """The highest score (F,) of the windows that contain each frame, so scores are not causal.

    A frame outside all windows, as at the end of a video, has the score of the nearest window.

    Args:
        starts_s, stops_s: (N,) starts and ends of windows, at least one.
        scores: (N,) scores of windows.
        times_s: (F,) times of frames, ascending.
    """
    best = np.full(len(times_s), -np.inf)
    # A table of frames by windows would need gigabytes for an hour of video.
    firsts, lasts = np.searchsorted(times_s, starts_s), np.searchsorted(times_s, stops_s)
    for first, last, score in zip(firsts, lasts, scores, strict=True):
        best[first:last] = np.maximum(best[first:last], score)
    middles = (starts_s + stops_s) / 2
    for frame in np.flatnonzero(np.isneginf(best)):
        best[frame] = scores[np.abs(times_s[frame] - middles).argmin()]
    return best


def measure_frames(
    is_anomalous: Sequence[Bools], scores: Sequence[Floats], videos: Sequence[str]
) -> dict[str, Any]:
    """Micro and macro metrics of all videos.

    Args:
        is_anomalous, scores: (F,) the labels and scores of the frames of each video.
        videos: the names of the videos.

    Returns:
        `auroc_micro`, `average_precision_micro`, `equal_error_rate_micro` (None if all frames
        are of one kind), `auroc_macro`, `average_precision_macro` (None if no video has both
        kinds), `auroc_macro_padded`, and `videos_of_one_kind`, which macro leaves out.
    """
    numbers: dict[str, Any] = _measure(
        np.concatenate(is_anomalous), np.concatenate(scores), "micro"
    )
    numbers |= mean_of_videos(measure_each(is_anomalous, scores))
    padded = []
    for labels, score in zip(is_anomalous, scores, strict=True):
        padded_labels = np.append(labels, [False, True])
        padded_scores = np.append(score, [min(0.0, score.min()), np.finfo(np.float64).max])
        padded.append(metrics.roc_auc_score(padded_labels, padded_scores))
    numbers["auroc_macro_padded"] = round(float(np.mean(padded)), DECIMALS)
    numbers["videos_of_one_kind"] = [
        name
        for name, labels in zip(videos, is_anomalous, strict=True)
        if not labels.any() or labels.all()
    ]
    return numbers


def measure_each(
    is_anomalous: Sequence[Bools], scores: Sequence[Floats]
) -> list[dict[str, float | None]]:
    """The metrics of each video by itself; None: its frames are of one kind."""
    return [
        _measure(labels, own, "macro") for labels, own in zip(is_anomalous, scores, strict=True)
    ]


def mean_of_videos(by_video: Sequence[Mapping[str, float | None]]) -> dict[str, float | None]:
    """The means of `measure_each`, over the videos with both kinds of frames."""
    means: dict[str, float | None] = {}
    for name in ("auroc_macro", "average_precision_macro"):
        values = [value for video in by_video if (value := video[name]) is not None]
        means[name] = round(float(np.mean(values)), DECIMALS) if values else None
    return means


def _measure(truth: Bools, scores: Floats, kind: str) -> dict[str, float | None]:
    if not truth.any() or truth.all():
        names = ("auroc", "average_precision", "equal_error_rate")
        return {f"{name}_{kind}": None for name in names}
    false_alarms, recall, _ = metrics.roc_curve(truth, scores, drop_intermediate=False)
    # The equal error rate: the rate of misses equals the rate of false alarms. This point is
    # interpolated between two corners of the curve.
    misses = 1 - recall
    at = int(np.argmax(false_alarms >= misses))
    before = max(at - 1, 0)
    gap, rise = misses[before] - false_alarms[before], false_alarms[at] - false_alarms[before]
    fall = misses[before] - misses[at]
    part = gap / (rise + fall) if rise + fall > 0 else 0.0
    numbers = {
        "auroc": float(metrics.roc_auc_score(truth, scores)),
        "average_precision": float(metrics.average_precision_score(truth, scores)),
        "equal_error_rate": float(false_alarms[before] + part * rise),
    }
    return {f"{name}_{kind}": round(value, DECIMALS) for name, value in numbers.items()}
