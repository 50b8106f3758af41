"""How well scores tell anomalous clips from allowed ones.

Scores have no range; scikit-learn's curves take them as they are.
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
        is_anomalous: (N,), with both kinds.
        scores: (N,).
        threshold: a higher score raises the alarm.

    Returns:
        `auroc`, `average_precision`, `anomaly_recall` (share of the anomalous clips that raise the
        alarm) and `false_alarm_rate` (share of the allowed ones that do).
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
    """95 % intervals of what `measure_alarm` measures: percentiles over resampled sources.

    Clips of one source are alike, so whole sources are drawn (Davison and Hinkley, "Bootstrap
    Methods and their Application", 1997, section 3.8), those of either kind as many as there are.
    For the two shares the exact intervals are given beside, which take clips to be independent:
    resampling cannot see that 20 of 20 may have been luck.

    Args:
        sources: (N,), what each clip was cut from.

    Returns:
        Both ends for each number; `<name>_exact` for the shares.
    """
    rng = np.random.default_rng(seed)
    kinds = [np.flatnonzero(is_anomalous), np.flatnonzero(~is_anomalous)]
    names = np.asarray(sources, dtype=object)
    groups = [
        [own.to_numpy() for _, own in pd.Series(kind).groupby(names[kind], sort=False)]
        for kind in kinds
    ]
    rounds = []
    for _ in range(num_rounds):
        drawn = [(own, rng.choice(len(own), len(own))) for own in groups]
        chosen = np.concatenate([own[number] for own, numbers in drawn for number in numbers])
        rounds.append(_measure(is_anomalous[chosen], scores[chosen], threshold))
    table = pd.DataFrame(rounds)
    found = {
        name: (float(table[name].quantile(0.025)), float(table[name].quantile(0.975)))
        for name in table
    }
    alarms = scores > threshold
    for name, kind in zip(("anomaly_recall", "false_alarm_rate"), kinds, strict=True):
        found[f"{name}_exact"] = proportion_interval(int(alarms[kind].sum()), len(kind))
    return {
        name: (round(low, DECIMALS), round(high, DECIMALS)) for name, (low, high) in found.items()
    }


def accuracy_by_split(table: pd.DataFrame, threshold: float) -> dict[str, float]:
    """The share of right verdicts on the allowed clips of each split and on the anomalous ones.

    Args:
        table: `split`, `is_anomalous` and `error` of each clip.

    Returns:
        Shares for `train`, `val`, `test` (allowed clips at or below the threshold), `anomaly`
        (anomalous test clips above it) and, where there are such, `val_anomaly`.
    """
    names = table["split"].where(
        ~table["is_anomalous"], table["split"].map({"test": "anomaly", "val": "val_anomaly"})
    )
    return _round_means(_is_right(table, threshold).groupby(names.to_numpy()).mean())


def accuracy_by_class(table: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """`class`, `num_clips` of it and `accuracy`, the share of right verdicts, as a table above."""
    right = _is_right(table, threshold).groupby(table["class"].to_numpy())
    shares = right.agg(["size", "mean"]).rename_axis("class").reset_index()
    shares.columns = pd.Index(["class", "num_clips", "accuracy"])
    return shares.round({"accuracy": DECIMALS})


def roc_curve(is_anomalous: Bools, scores: Floats) -> pd.DataFrame:
    """`false_alarm_rate`, `anomaly_recall` and `threshold`, corners only."""
    false_alarms, recall, thresholds = metrics.roc_curve(is_anomalous, scores)
    columns = {
        "false_alarm_rate": false_alarms.round(6),
        "anomaly_recall": recall.round(6),
        "threshold": np.minimum(thresholds, scores.max()),  # the first is infinite
    }
    return pd.DataFrame(columns)


def precision_recall_curve(is_anomalous: Bools, scores: Floats) -> pd.DataFrame:
    """`anomaly_recall` and `precision` for each score as threshold, and the curve's end."""
    precision, recall, _ = metrics.precision_recall_curve(is_anomalous, scores)
    return pd.DataFrame({"anomaly_recall": recall, "precision": precision}).round(6)


def sweep_thresholds(is_anomalous: Bools, scores: Floats) -> pd.DataFrame:
    """`threshold`, `anomaly_recall`, `false_alarm_rate` and `accuracy` for each score as one."""
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
