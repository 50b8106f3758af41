"""Picks the score above which a clip raises the alarm, by rules that use validation clips only.

A clip raises the alarm if its score is above the threshold. Let the threshold be the k-th smallest
of the n validation scores of allowed clips, and let validation clips and later clips be independent
draws from one distribution. Then, for any scorer, the false alarm rate varies between validation
sets as Beta(n + 1 - k, k), with the mean (n + 1 - k) / (n + 1) (Vovk, "Conditional Validity of
Inductive Conformal Predictors", 2012).

Several channels raise the alarm, each by its own threshold. `conformal` gives each channel an equal
part of the rate, so the channels together keep the rate whatever their dependence (Bonferroni). A
conformal rank of the largest ratio needs scales that do not come from validation. Scaled by the
validation scores themselves, it exceeded the rate where clips are few. Scaled by training scores,
it caught fewer anomalies where clips are many (`campaigns/shared_rate.py` simulates this).
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import beta

from vigil.domain.clips.scores import raising_of
from vigil.domain.measures.intervals import CONFIDENCE, proportion_interval
from vigil.plumbing.errors import FieldError, InputError
from vigil.plumbing.records import write_json
from vigil.settings.pick_threshold import PickThreshold

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Threshold:
    """A threshold, and its expected false alarm rate with a 95 % interval."""

    value: float
    expected_false_alarm_rate: float
    false_alarm_rate_low: float
    false_alarm_rate_high: float


def pick(rule: PickThreshold, allowed: Floats, anomalous: Floats) -> Threshold:
    """Picks a threshold.

    Args:
        allowed: (n,) scores of allowed validation clips.
        anomalous: (m,) scores of anomalous validation clips, for the methods that need them.

    Raises:
        InputError: no allowed clips, too few of them for `conformal`, or no anomalous clips for a
            method that needs them.
    """
    num = len(allowed)
    if num == 0:
        raise InputError("expected allowed clips in validation, found none")
    if rule.needs_anomalous:
        return _pick_by_both(rule, allowed, anomalous)
    if rule.method == "max_validation_error":
        rank = num
    elif rule.method == "quantile":
        rank = math.ceil(round((num - 1) * rule.quantile, 9)) + 1
    else:
        rank = math.ceil(round((num + 1) * (1 - rule.false_alarm_rate), 9))
        if rank > num:
            needed = math.ceil(round(1 / rule.false_alarm_rate, 9)) - 1
            raise FieldError(
                "false_alarm_rate",
                f"expected at least {needed} allowed clips in validation for a rate of "
                f"{rule.false_alarm_rate:g} a channel, got {num}",
            )
    value = float(np.sort(allowed)[rank - 1])
    # Of equal scores, the last rank is used: none of these clips is above the threshold.
    rank = int((allowed <= value).sum())
    above = num + 1 - rank
    tail = (1 - CONFIDENCE) / 2
    return Threshold(
        value,
        above / (num + 1),
        float(beta.ppf(tail, above, rank)),
        float(beta.ppf(1 - tail, above, rank)),
    )


def _pick_by_both(rule: PickThreshold, allowed: Floats, anomalous: Floats) -> Threshold:
    """The best cut between two neighbouring scores. Of equally good cuts, the highest is picked."""
    if len(anomalous) == 0:
        raise FieldError(
            "method",
            f"expected anomalous clips in validation for {rule.method}, found none; "
            "set anomalous_val_fraction of the split to get some",
        )
    scores = np.unique(np.concatenate([allowed, anomalous]))
    # Cuts (K,): one below all scores, and one in the middle between neighbours.
    cuts = np.concatenate([[np.nextafter(scores[0], -np.inf)], (scores[:-1] + scores[1:]) / 2])
    num_alarms = (anomalous > cuts[:, None]).sum(axis=1)
    num_false_alarms = (allowed > cuts[:, None]).sum(axis=1)
    if rule.method == "youden":
        quality = num_alarms / len(anomalous) - num_false_alarms / len(allowed)
    else:
        quality = 2 * num_alarms / (num_alarms + num_false_alarms + len(anomalous))
    best = len(cuts) - 1 - int(np.argmax(quality[::-1]))
    num_false_at_best = int(num_false_alarms[best])
    low, high = proportion_interval(num_false_at_best, len(allowed))
    return Threshold(float(cuts[best]), num_false_at_best / len(allowed), low, high)


def write_thresholds(
    rule: PickThreshold, clips: pd.DataFrame, scorers: Sequence[str], file: Path
) -> dict[str, Threshold]:
    """Picks a threshold for each scorer on validation clips, and writes all thresholds.

    Args:
        clips: the validation clips, with `is_anomalous` and a column for each scorer.
        scorers: the names of the scorers; the first of each channel raises the alarm.

    Raises:
        InputError: as `pick`.
    """
    is_anomalous = clips["is_anomalous"].to_numpy()
    raising = list(raising_of(scorers).values())
    part = rule.share_of(len(raising))
    picked = {
        name: pick(
            part,
            clips.loc[~is_anomalous, name].to_numpy(),
            clips.loc[is_anomalous, name].to_numpy(),
        )
        for name in scorers
    }
    record = {
        "scorers": {name: asdict(threshold) for name, threshold in picked.items()},
        "raising": raising,
        "expected_false_alarm_rate_at_most": min(
            1.0, sum(picked[name].expected_false_alarm_rate for name in raising)
        ),
        "rule": rule.model_dump(),
        "confidence": CONFIDENCE,
        "picked_on": {
            "allowed_validation_clips": int((~is_anomalous).sum()),
            "anomalous_validation_clips": int(is_anomalous.sum()) if rule.needs_anomalous else 0,
        },
    }
    write_json(record, file)
    return picked
