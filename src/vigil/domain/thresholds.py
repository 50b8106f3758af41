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
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import beta

from vigil.domain.clips.scores import raising_of
from vigil.domain.clips.verdicts import NO_EVIDENCE
from vigil.domain.hourly import BlockThreshold, Footage, footage_of, pick_by_blocks
from vigil.domain.measures.intervals import CONFIDENCE, proportion_interval
from vigil.domain.sides import TRAIN, VAL
from vigil.plumbing.errors import FieldError, InputError, listed
from vigil.plumbing.records import write_json
from vigil.settings.pick_threshold import HOURLY, PickThreshold

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Threshold:
    """A threshold, and its expected false alarm rate with a 95 % interval.

    Windows of long videos overlap, so they are no independent draws. For them, the rate is the
    share of the validation windows above the threshold, and has no interval (None).
    """

    value: float
    expected_false_alarm_rate: float
    false_alarm_rate_low: float | None
    false_alarm_rate_high: float | None

    def describe(self) -> str:
        """The rate in words."""
        low, high = self.false_alarm_rate_low, self.false_alarm_rate_high
        if low is None or high is None:
            return f"validation windows above it: {self.expected_false_alarm_rate:.3f}"
        rate = f"{self.expected_false_alarm_rate:.3f}"
        return f"expected false alarm rate: {rate} ({low:.3f} to {high:.3f})"


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
    rule: PickThreshold,
    clips: pd.DataFrame,
    scorers: Sequence[str],
    file: Path,
    *,
    are_windows: bool = False,
) -> dict[str, Threshold]:
    """Picks a threshold for each scorer on validation clips, and writes all thresholds.

    Args:
        clips: the validation clips, with `is_anomalous` and a column for each scorer.
        scorers: the names of the scorers; the first of each channel raises the alarm. A clip in
            which a channel has no evidence raises no alarm by this channel, so its threshold and
            its expected rate are those of clips with evidence.
        are_windows: whether the clips are windows of long videos.

    Raises:
        InputError: as `pick`; a channel has evidence in no allowed clip, or no score above 0; or
            `conformal` is asked for windows.
    """
    if are_windows and rule.method == "conformal":
        raise FieldError(
            "method",
            f"expected another method for windows of long videos, such as {HOURLY}, got conformal, "
            "whose rate holds for independent clips: windows of a video overlap",
        )
    is_anomalous = clips["is_anomalous"].to_numpy()
    part = rule.share_of(len(raising_of(scorers)))
    picked = {}
    for name in scorers:
        scores = clips[name].to_numpy()
        seen = scores != NO_EVIDENCE
        if (~is_anomalous).any() and not seen[~is_anomalous].any():
            raise InputError(
                f"expected an allowed validation clip with evidence of {name.split('.')[0]}, "
                "found none"
            )
        allowed = scores[seen & ~is_anomalous]
        picked[name] = pick(part, allowed, scores[seen & is_anomalous])
        if are_windows:
            picked[name] = _rate_above(picked[name].value, allowed)
    _write(rule, is_anomalous, picked, file)
    return picked


def write_hourly_thresholds(
    rule: PickThreshold,
    clips: pd.DataFrame,
    windows: pd.DataFrame,
    scorers: Sequence[str],
    file: Path,
) -> tuple[dict[str, Threshold], BlockThreshold]:
    """Picks thresholds by blocks of normal footage of the validation set, and writes them.

    The channels raise the alarm together, by their largest ratio. So that the bound holds for this
    ratio, each channel is scaled by its largest score of an allowed window of the training set, and
    one factor for all channels is picked. The other scorers are each picked alone.

    Args:
        clips: the windows of all sides, with `split`, `is_anomalous` and a column for each scorer.
        windows: `clip`, `video`, `start_s` and `stop_s` of each.
        scorers: the names of the scorers; the first of each channel raises the alarm.

    Returns:
        The thresholds, each with the rate of single windows above it, and the bound for a block.

    Raises:
        InputError: the videos are not long, or the training set has no score above 0.
        FieldError: there is too little footage.
    """
    table = clips.merge(windows[["clip", "video", "start_s", "stop_s"]], on="clip", how="left")
    if len(table) != len(clips) or not np.isfinite(table[["start_s", "stop_s"]]).all(axis=None):
        raise FieldError(
            "method",
            "expected windows of long videos (dataset.clip_labels) for hourly, got clips of class "
            "folders",
        )
    normal = table[~table["is_anomalous"]]
    train, val = (normal[normal["split"] == side] for side in (TRAIN, VAL))
    val = val[~val["video"].isin(table.loc[table["is_anomalous"], "video"])]
    scales = {name: float(train[name].max()) for name in scorers}
    if unusable := [name for name, scale in scales.items() if not scale > 0]:
        raise InputError(
            f"expected allowed training windows with scores above 0, got none by {listed(unusable)}"
        )
    raising = list(raising_of(scorers).values())
    ratios = {name: val[name].to_numpy() / scales[name] for name in scorers}
    joint = _pick_by_blocks(rule, val, np.max([ratios[name] for name in raising], axis=0))
    factors = {
        name: joint.value if name in raising else _pick_by_blocks(rule, val, ratios[name]).value
        for name in scorers
    }
    picked = {
        name: _rate_above(factors[name] * scales[name], val[name].to_numpy()) for name in scorers
    }
    is_anomalous = clips.loc[clips["split"] == VAL, "is_anomalous"].to_numpy()
    _write(rule, is_anomalous, picked, file, joint)
    return picked, joint


def _pick_by_blocks(rule: PickThreshold, windows: pd.DataFrame, ratios: Floats) -> BlockThreshold:
    footage: list[Footage] = []
    for _, rows in windows.assign(ratio=ratios).groupby("video", sort=True):
        rows = rows.sort_values(["stop_s", "start_s"], kind="stable")
        starts, stops = rows["start_s"].to_numpy(), rows["stop_s"].to_numpy()
        footage += footage_of(starts, stops, rows["ratio"].to_numpy())
    block = rule.hourly
    return pick_by_blocks(
        footage,
        block_s=block.block_s,
        alarm_probability=block.alarm_probability,
        num_above=block.num_above,
        num_windows=block.num_windows,
    )


def _rate_above(value: float, allowed: Floats) -> Threshold:
    """The rate of allowed windows above a threshold; of equal scores, none is above."""
    return Threshold(value, int((allowed > value).sum()) / len(allowed), None, None)


def _write(
    rule: PickThreshold,
    is_anomalous: npt.NDArray[np.bool_],
    picked: Mapping[str, Threshold],
    file: Path,
    bound: BlockThreshold | None = None,
) -> None:
    raising = list(raising_of(picked).values())
    if still := [name for name in raising if not picked[name].value > 0]:
        raise InputError(
            f"{listed(name.split('.')[0] for name in still)}: expected a threshold above 0, got "
            f"{picked[still[0]].value:g}: any motion would be an alarm, and none stronger than "
            "another; add allowed validation clips in which something moves, or leave the channel "
            "out"
        )
    record: dict[str, Any] = {
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
    if bound is not None:
        record["hourly"] = asdict(bound)
    write_json(record, file)
