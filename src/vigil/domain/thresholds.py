"""From which score on a clip raises the alarm: rules that look at validation clips alone.

A clip raises the alarm when its score is above the threshold. Thresholds that are one of the n
validation scores of allowed clips, the k-th smallest, come with what is known of any scorer: where
validation and later clips are drawn alike and independently, the rate of false alarms over all such
validation sets follows Beta(n + 1 - k, k), its mean being (n + 1 - k) / (n + 1) (Vovk,
"Conditional Validity of Inductive Conformal Predictors", 2012).

Several channels raise the alarm, each by its own threshold. `conformal` gives each an equal part of
the rate, so that together they keep it whatever they have in common (Bonferroni). A joint rank of
the largest ratio would need ratios by scales that validation did not set; scaled by the validation
scores themselves it broke the rate where clips are few, and scaled by training scores it caught
less (`campaigns/shared_rate.py` simulates this).
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
    """A threshold, and the rate of false alarms to expect of it, with a 95 % interval."""

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
        InputError: no allowed clips, too few for `conformal`, or no anomalous ones where needed.
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


def _pick_by_both(rule: PickThreshold, allowed: Floats, anomalous: Floats) -> Threshold:
    """The best cut between two neighbouring scores; of equally good ones, the highest."""
    if len(anomalous) == 0:
        raise FieldError(
            "method",
            f"expected anomalous clips in validation for {rule.method}, found none; "
            "anomalous_val_fraction of the split puts some there",
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


def write_thresholds(
    rule: PickThreshold, clips: pd.DataFrame, scorers: Sequence[str], file: Path
) -> dict[str, Threshold]:
    """Picks a threshold for each scorer by validation clips, and writes them all.

    Args:
        clips: `is_anomalous` and a column for each scorer, validation clips alone.
        scorers: the first of each channel raises the alarm.

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
