"""Measures the predictions of a two-class problem."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn import metrics

DECIMALS = 3
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def measure_binary(targets: Bools, probabilities: Floats, threshold: float) -> dict[str, Any]:
    """The headline numbers, rounded.

    Args:
        targets: (N,), with at least one sample of each class.
        probabilities: (N,) in [0, 1], of the class True.
        threshold: a probability of at least this is a prediction of True.

    Returns:
        `accuracy, precision, recall, f1, auroc, brier` (mean squared error of the probability) and
        `num_samples`. Precision is 0 where nothing is predicted True.
    """
    predicted = probabilities >= threshold
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        targets, predicted, average="binary", zero_division=0.0
    )
    values = {
        "accuracy": metrics.accuracy_score(targets, predicted),
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "auroc": metrics.roc_auc_score(targets, probabilities),
        "brier": metrics.brier_score_loss(targets, probabilities),
    }
    rounded = {name: round(float(value), DECIMALS) for name, value in values.items()}
    return {**rounded, "num_samples": len(targets)}


def roc_curve(targets: Bools, probabilities: Floats) -> pd.DataFrame:
    """`false_positive_rate`, `true_positive_rate` and `threshold` at the curve's corners."""
    false_positive_rate, true_positive_rate, thresholds = metrics.roc_curve(targets, probabilities)
    columns = {
        "false_positive_rate": false_positive_rate,
        "true_positive_rate": true_positive_rate,
        "threshold": np.minimum(thresholds, 1.0),  # the first is infinite
    }
    return pd.DataFrame(columns).round(6)


def calibration_curve(targets: Bools, probabilities: Floats, num_bins: int) -> pd.DataFrame:
    """Mean probability, share of True and number of samples in each bin that is not empty.

    Args:
        num_bins: the number of bins of equal width in [0, 1].
    """
    bins = np.minimum((probabilities * num_bins).astype(int), num_bins - 1)
    table = pd.DataFrame({"bin": bins, "probability": probabilities, "share": targets})
    grouped = table.groupby("bin").agg(
        mean_probability=("probability", "mean"),
        share_of_people=("share", "mean"),
        num_samples=("share", "size"),
    )
    return grouped.reset_index(drop=True).round(6)


def accuracy_by(
    correct: Bools, groups: "pd.Series[Any] | pd.Categorical", name: str
) -> pd.DataFrame:
    """Accuracy and number of samples of each group that is not empty."""
    table = pd.DataFrame({name: groups, "correct": correct})
    grouped = table.groupby(name, observed=True)["correct"].agg(["mean", "size"]).reset_index()
    grouped.columns = pd.Index([name, "accuracy", "num_samples"])
    return grouped.round({"accuracy": DECIMALS})
