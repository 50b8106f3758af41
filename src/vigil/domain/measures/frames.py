"""How well an alarm tells anomalous frames from normal ones in long videos.

Published numbers differ by how videos are joined. *Micro*: all frames of all videos together, so
that one threshold must serve them all. *Macro*: the mean over videos, which only those with frames
of either kind have. *Macro, padded*: as much published code has it, each video gets one more normal
frame with the lowest score and one more anomalous one with the highest, so that every video has a
number; it is higher, and compares with nothing else.

Scores are causal: that of a frame is the strongest evidence known when it is shown.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn import metrics

DECIMALS = 4
EDGE_S = 1e-4
"""By which the times of frames and of evidence may differ and still be the same."""

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


def latest_moments(times_s: Floats, known_s: Floats) -> Ints:
    """For each frame, the last moment at which evidence became known, as its index.

    Before the first moment there is none: those frames wait, and have the first.

    Args:
        times_s: (F,) of frames, ascending.
        known_s: (M,) moments, ascending; at least one.

    Returns:
        (F,) indices of moments.
    """
    at = np.searchsorted(known_s, times_s + EDGE_S, side="right") - 1
    return np.maximum(at, 0)


def score_frames(times_s: Floats, found: pd.DataFrame) -> dict[str, Floats]:
    """The causal score of each frame of a video, by channel.

    Args:
        times_s: (F,) of the frames.
        found: `channel`, `time_s` and `ratio` of each piece of evidence in the video.

    Returns:
        (F,) each: the largest ratio of the last moment at which the channel found something.
    """
    scores = {}
    for channel, own in found.groupby("channel", sort=False):
        best = own.groupby("time_s")["ratio"].max()  # sorted by time
        scores[str(channel)] = best.to_numpy()[latest_moments(times_s, best.index.to_numpy())]
    return scores


def measure_frames(
    is_anomalous: Sequence[Bools], scores: Sequence[Floats], videos: Sequence[str]
) -> dict[str, Any]:
    """Micro and macro numbers of all videos.

    Args:
        is_anomalous, scores: (F,) of each video.

    Returns:
        `auroc_micro`, `average_precision_micro`, `equal_error_rate_micro` (None where all frames
        are of one kind), `auroc_macro`, `average_precision_macro` (None where no video has both
        kinds), `auroc_macro_padded`, and `videos_of_one_kind`, which macro leaves out.
    """
    truth, every = np.concatenate(is_anomalous), np.concatenate(scores)
    found: dict[str, Any] = _measure(truth, every, "micro")
    both = [
        (own, score)
        for own, score in zip(is_anomalous, scores, strict=True)
        if own.any() and not own.all()
    ]
    single = [_measure(own, score, "macro") for own, score in both]
    for name in ("auroc_macro", "average_precision_macro"):
        values = [value for one in single if (value := one[name]) is not None]
        found[name] = round(float(np.mean(values)), DECIMALS) if values else None
    padded = []
    for own, score in zip(is_anomalous, scores, strict=True):
        more = np.append(own, [False, True])
        ends = np.append(score, [min(0.0, score.min()), np.finfo(np.float64).max])
        padded.append(metrics.roc_auc_score(more, ends))
    found["auroc_macro_padded"] = round(float(np.mean(padded)), DECIMALS)
    found["videos_of_one_kind"] = [
        name for name, own in zip(videos, is_anomalous, strict=True) if not own.any() or own.all()
    ]
    return found


def _measure(truth: Bools, scores: Floats, kind: str) -> dict[str, float | None]:
    if not truth.any() or truth.all():
        names = ("auroc", "average_precision", "equal_error_rate")
        return {f"{name}_{kind}": None for name in names}
    false_alarms, recall, _ = metrics.roc_curve(truth, scores, drop_intermediate=False)
    # Where misses are as many as false alarms, as shares; between two corners of the curve.
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


def frame_interval(
    is_anomalous: Mapping[str, Bools],
    scores: Mapping[str, Floats],
    sources: Mapping[str, str],
    *,
    num_rounds: int,
    seed: int,
) -> tuple[float, float] | None:
    """A 95 % interval of the micro AUROC: percentiles over resampled sources.

    Args:
        is_anomalous, scores: (F,) by video.
        sources: of each video.

    Returns:
        Both ends; None where no round had frames of either kind.
    """
    groups = list(pd.Series(sources).groupby(pd.Series(sources), sort=False).groups.values())
    rng = np.random.default_rng(seed)
    rounds = []
    for _ in range(num_rounds):
        videos = [name for at in rng.choice(len(groups), len(groups)) for name in groups[at]]
        truth = np.concatenate([is_anomalous[name] for name in videos])
        if truth.any() and not truth.all():
            every = np.concatenate([scores[name] for name in videos])
            rounds.append(metrics.roc_auc_score(truth, every))
    if not rounds:
        return None
    low, high = np.quantile(rounds, [0.025, 0.975])
    return round(float(low), DECIMALS), round(float(high), DECIMALS)
