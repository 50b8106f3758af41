"""From which score on a clip raises the alarm: rules that look at validation clips alone.

A clip raises the alarm when its score is above the threshold. Thresholds that are one of the n
validation scores of allowed clips, the k-th smallest, come with what is known of any scorer: where
validation and later clips are drawn alike and independently, the rate of false alarms over all such
validation sets follows Beta(n + 1 - k, k), its mean being (n + 1 - k) / (n + 1) (Vovk,
"Conditional Validity of Inductive Conformal Predictors", 2012).
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.stats import beta

from vigil.plumbing.errors import InputError, shorten
from vigil.plumbing.records import read_json

Floats = npt.NDArray[np.float64]
Method = Literal["max_validation_error", "quantile", "conformal", "best_f1", "youden"]
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Rule:
    """How a threshold is picked.

    Attributes:
        method: `max_validation_error`, the largest score of an allowed clip; `quantile` of those
            scores (the score at or next above it); `conformal`: the smallest of them for which the
            expected rate of false alarms is at most `false_alarm_rate` (split conformal
            prediction: Papadopoulos et al., "Inductive Confidence Machines for Regression", 2002);
            `best_f1` and `youden` (recall less false alarms: Youden, "Index for Rating Diagnostic
            Tests", 1950), which need anomalous clips in validation.
        quantile: of `quantile`.
        false_alarm_rate: of `conformal`.
    """

    method: Method
    quantile: float
    false_alarm_rate: float


@dataclass(frozen=True)
class Threshold:
    """A threshold, and the rate of false alarms to expect of it, with a 95 % interval."""

    value: float
    expected_false_alarm_rate: float
    false_alarm_rate_low: float
    false_alarm_rate_high: float


def pick(rule: Rule, allowed: Floats, anomalous: Floats) -> Threshold:
    """Picks a threshold.

    Args:
        allowed: (n,) scores of allowed validation clips.
        anomalous: (m,) scores of anomalous validation clips, for the methods that need them.

    Raises:
        InputError: no allowed clips, too few for `conformal`, or no anomalous ones where needed.
    """
    num = len(allowed)
    if num == 0:
        raise InputError("expected allowed clips in validation, found none")
    if rule.method in {"best_f1", "youden"}:
        return _pick_by_both(rule, allowed, anomalous)
    if rule.method == "max_validation_error":
        rank = num
    elif rule.method == "quantile":
        rank = math.ceil(round((num - 1) * rule.quantile, 9)) + 1
    else:
        rank = math.ceil(round((num + 1) * (1 - rule.false_alarm_rate), 9))
        if rank > num:
            needed = math.ceil(round(1 / rule.false_alarm_rate, 9)) - 1
            raise InputError(
                f"pick_threshold.false_alarm_rate: expected at least {needed} allowed clips in "
                f"validation for a rate of {rule.false_alarm_rate}, got {num}"
            )
    value = float(np.sort(allowed)[rank - 1])
    # Of equal scores the last counts: none of them is above the threshold.
    rank = int((allowed <= value).sum())
    above = num + 1 - rank
    tail = (1 - CONFIDENCE) / 2
    return Threshold(
        value,
        above / (num + 1),
        float(beta.ppf(tail, above, rank)),
        float(beta.ppf(1 - tail, above, rank)),
    )


def proportion_interval(num_true: int, num: int) -> tuple[float, float]:
    """The exact 95 % interval of a share (Clopper and Pearson, 1934)."""
    tail = (1 - CONFIDENCE) / 2
    low = beta.ppf(tail, num_true, num - num_true + 1) if num_true else 0.0
    high = beta.ppf(1 - tail, num_true + 1, num - num_true) if num_true < num else 1.0
    return float(low), float(high)


def _pick_by_both(rule: Rule, allowed: Floats, anomalous: Floats) -> Threshold:
    """The best cut between two neighbouring scores; of equally good ones, the highest."""
    if len(anomalous) == 0:
        raise InputError(
            f"pick_threshold.method: expected anomalous clips in validation for {rule.method}, "
            "found none; split.anomalous_val_fraction puts some there"
        )
    scores = np.unique(np.concatenate([allowed, anomalous]))
    cuts = np.concatenate([[np.nextafter(scores[0], -np.inf)], (scores[:-1] + scores[1:]) / 2])
    caught = (anomalous > cuts[:, None]).sum(axis=1)
    false_alarms = (allowed > cuts[:, None]).sum(axis=1)
    if rule.method == "youden":
        worth = caught / len(anomalous) - false_alarms / len(allowed)
    else:
        worth = 2 * caught / (caught + false_alarms + len(anomalous))
    best = len(cuts) - 1 - int(np.argmax(worth[::-1]))
    num_false = int(false_alarms[best])
    low, high = proportion_interval(num_false, len(allowed))
    return Threshold(float(cuts[best]), num_false / len(allowed), low, high)


def read_threshold(file: Path) -> tuple[float, Rule]:
    """Reads a picked threshold and the rule it was picked by.

    Raises:
        InputError: no such file, or not a threshold.
    """
    record = read_json(file)
    try:
        return float(record["value"]), Rule(**record["rule"])
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{file}: expected a picked threshold, got {shorten(record)}") from None
