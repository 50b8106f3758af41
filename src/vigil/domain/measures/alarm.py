"""Measures how well scores separate anomalous clips from allowed clips.

Scores have no fixed range. scikit-learn's curves need none.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn import metrics

from vigil.domain.measures.intervals import proportion_interval

DECIMALS = 3
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def measure_alarm(is_anomalous: Bools, scores: Floats, threshold: float) -> dict[str, float]:
    """The headline numbers, rounded.

    Args:
        is_anomalous: (N,), with at least one clip of each kind.
        scores: (N,).
        threshold: a score above it raises the alarm.

    Returns:
        `auroc`, `average_precision`, `anomaly_recall` (share of the anomalous clips that raise the
        alarm) and `false_alarm_rate` (share of the allowed clips that do).
    """
    return {
        name: round(v, DECIMALS) for name, v in _measure(is_anomalous, scores, threshold).items()
    }


def _measure(is_anomalous: Bools, scores: Floats, threshold: float) -> dict[str, float]:
    alarms = scores > threshold
    return {
        "auroc": float(metrics.roc_auc_score(is_anomalous, scores)),
        "average_precision": float(metrics.average_precision_score(is_anomalous, scores)),
        "anomaly_recall": float(alarms[is_anomalous].mean()),
        "false_alarm_rate": float(alarms[~is_anomalous].mean()),
    }


def bootstrap_intervals(
    is_anomalous: Bools,
    scores: Floats,
    sources: Sequence[str],
    threshold: float,
    *,
    num_rounds: int,
    seed: int,
) -> dict[str, tuple[float, float]]:
    """95 % intervals of the numbers of `measure_alarm`: percentiles over resampled sources.

    Clips of one source are similar, so whole sources are drawn, with replacement (Davison and
    Hinkley, "Bootstrap Methods and their Application", 1997, section 3.8). Each round draws as many
    sources of anomalous clips, and as many of allowed clips, as there are. The two shares also get
    exact intervals, which assume independent clips: resampling gives no width to 20 of 20 clips.

    Args:
        sources: (N,), the source from which each clip was cut.

    Returns:
        Lower and upper end for each number, and `<name>_exact` for the shares.
    """
    rng = np.random.default_rng(seed)
    kinds = [np.flatnonzero(is_anomalous), np.flatnonzero(~is_anomalous)]
    names = np.asarray(sources, dtype=object)
    # For the anomalous and for the allowed clips: the positions of the clips of each source.
    groups = [
        [clips.to_numpy() for _, clips in pd.Series(kind).groupby(names[kind], sort=False)]
        for kind in kinds
    ]
    rounds = []
    for _ in range(num_rounds):
        drawn = [(group, rng.choice(len(group), len(group))) for group in groups]
        chosen = np.concatenate([group[number] for group, numbers in drawn for number in numbers])
        rounds.append(_measure(is_anomalous[chosen], scores[chosen], threshold))
    table = pd.DataFrame(rounds)
    intervals = {
        name: (float(table[name].quantile(0.025)), float(table[name].quantile(0.975)))
        for name in table
    }
    alarms = scores > threshold
    for name, kind in zip(("anomaly_recall", "false_alarm_rate"), kinds, strict=True):
        intervals[f"{name}_exact"] = proportion_interval(int(alarms[kind].sum()), len(kind))
    return {
        name: (round(low, DECIMALS), round(high, DECIMALS))
        for name, (low, high) in intervals.items()
    }


def accuracy_by_split(table: pd.DataFrame, threshold: float) -> dict[str, float]:
    """The share of right verdicts on the allowed clips of each split and on the anomalous clips.

    Args:
        table: `split`, `is_anomalous` and `error` of each clip.

    Returns:
        Shares for `train`, `val`, `test` (allowed clips at or below the threshold), `anomaly`
        (anomalous test clips above it) and, if there are anomalous validation clips, `val_anomaly`.
    """
    names = table["split"].where(
        ~table["is_anomalous"], table["split"].map({"test": "anomaly", "val": "val_anomaly"})
    )
    return _round_means(_is_right(table, threshold).groupby(names.to_numpy()).mean())


def accuracy_by_class(table: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """A table of `class`, `num_clips` and `accuracy`, which is the share of right verdicts.

    Args:
        table: `class`, `is_anomalous` and `error` of each clip.
    """
    right = _is_right(table, threshold).groupby(table["class"].to_numpy())
    shares = right.agg(["size", "mean"]).rename_axis("class").reset_index()
    shares.columns = pd.Index(["class", "num_clips", "accuracy"])
    return shares.round({"accuracy": DECIMALS})


def roc_curve(is_anomalous: Bools, scores: Floats) -> pd.DataFrame:
    """`false_alarm_rate`, `anomaly_recall` and `threshold` at the corners of the curve."""
    false_alarms, recall, thresholds = metrics.roc_curve(is_anomalous, scores)
    columns = {
        "false_alarm_rate": false_alarms.round(6),
        "anomaly_recall": recall.round(6),
        "threshold": np.minimum(thresholds, scores.max()),  # the first is infinite
    }
    return pd.DataFrame(columns)


def precision_recall_curve(is_anomalous: Bools, scores: Floats) -> pd.DataFrame:
    """`anomaly_recall` and `precision` for each score as threshold, and at the curve's end."""
    precision, recall, _ = metrics.precision_recall_curve(is_anomalous, scores)
    return pd.DataFrame({"anomaly_recall": recall, "precision": precision}).round(6)


def sweep_thresholds(is_anomalous: Bools, scores: Floats) -> pd.DataFrame:
    """`anomaly_recall`, `false_alarm_rate` and `accuracy` for each score as `threshold`."""
    thresholds = np.unique(scores)
    alarms = scores > thresholds[:, None]  # (thresholds, N)
    columns = {
        "threshold": thresholds,
        "anomaly_recall": alarms[:, is_anomalous].mean(axis=1).round(6),
        "false_alarm_rate": alarms[:, ~is_anomalous].mean(axis=1).round(6),
        "accuracy": (alarms == is_anomalous).mean(axis=1).round(6),
    }
    return pd.DataFrame(columns)


def _is_right(table: pd.DataFrame, threshold: float) -> "pd.Series[Any]":
    return (table["error"] > threshold) == table["is_anomalous"]


def _round_means(means: "pd.Series[Any]") -> dict[str, float]:
    return {str(name): round(float(share), DECIMALS) for name, share in means.items()}
