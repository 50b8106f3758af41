"""Judges candidates by how well they tell pseudo-anomalous clips from allowed clips.

The measure is the area under the ROC curve (AUROC) of each kind. It is the probability that a
pseudo-anomalous clip scores higher than an allowed clip, where equal scores count half (Hanley and
McNeil, "The Meaning and Use of the Area under a Receiver Operating Characteristic Curve", 1982). A
kind is compared with the clips that it was made from, so 0.5 means that a change is not seen. The
area is measured in each half of the sources, and averaged.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from vigil.domain.thresholds import pick
from vigil.pixels.pseudo_anomalies.kinds import KINDS
from vigil.settings.pick_threshold import PickThreshold

HALVES = (0, 1)
NUM_ROUNDS = 1000
TOGETHER = "together"
"""The column of the largest ratio of all channels."""
MEAN = "mean"
TAIL_PERCENT = 2.5

Floats = npt.NDArray[np.float64]
Aurocs = dict[str, dict[str, float]]
"""By channel or `TOGETHER`: the AUROC of each kind, and their mean."""


class Judgement(NamedTuple):
    """What a candidate is worth.

    Attributes:
        aurocs: by channel, and together.
        caught: by kind, the share of pseudo-anomalous clips above the threshold.
        false_alarms: the share of allowed clips above the threshold.
        by_round: (R,) the mean AUROC of all kinds together, over resampled sources.
    """

    aurocs: Aurocs
    caught: dict[str, float]
    false_alarms: float
    by_round: Floats


class Difference(NamedTuple):
    """How much better a candidate is than another: a 95 % interval over resampled sources."""

    value: float
    low: float
    high: float

    @property
    def is_clear(self) -> bool:
        """Whether the difference is larger than the spread over sources."""
        return self.low > 0 or self.high < 0


def ratios_of(scores: pd.DataFrame, channels: Sequence[str], rule: PickThreshold) -> pd.DataFrame:
    """Divides scores by the thresholds that the allowed clips of the other half set.

    Args:
        scores: `half` and `kind` of each clip ("" for an allowed clip), and the score by channel.
            Other columns stay.

    Returns:
        The same table with ratios in place of scores, and with the column `TOGETHER`.

    Raises:
        FieldError: the rule needs more clips.
    """
    part = rule.share_of(len(channels))
    table = scores.copy()
    is_allowed = (scores["kind"] == "").to_numpy()
    for half in HALVES:
        is_judged = (scores["half"] == half).to_numpy()
        for channel in channels:
            values = scores[channel].to_numpy(np.float64)
            threshold = pick(part, values[is_allowed & ~is_judged], np.empty(0)).value
            table.loc[is_judged, channel] = _ratios(values[is_judged], threshold)
    return table.assign(**{TOGETHER: table[list(channels)].max(axis=1)})


def _ratios(scores: Floats, threshold: float) -> Floats:
    if threshold > 0:
        return scores / threshold
    return np.where(scores > threshold, np.inf, 0.0)


def judge(ratios: pd.DataFrame, channels: Sequence[str], seed: int) -> Judgement:
    """Judges one candidate.

    Args:
        ratios: `half`, `source`, `kind` and ratios of each clip, and `base`, the allowed clip that
            it was made from (of an allowed clip: itself).
        seed: of the resampling. The same sources are drawn for all candidates.
    """
    kinds = kinds_in(ratios)
    aurocs: Aurocs = {}
    by_round: Floats = np.empty(0)
    draws = draw_sources(ratios, seed)
    for column in (TOGETHER, *channels):
        by_kind = {kind: _aurocs(ratios, column, kind, draws) for kind in kinds}
        aurocs[column] = {kind: float(values[0]) for kind, values in by_kind.items()}
        means = _mean_of_known(np.stack(list(by_kind.values())))
        aurocs[column][MEAN] = float(means[0])
        if column == TOGETHER:
            by_round = means[1:]
    is_above = (ratios[TOGETHER] > 1).to_numpy()
    shares = {kind: float(is_above[(ratios["kind"] == kind).to_numpy()].mean()) for kind in kinds}
    false_alarms = float(is_above[(ratios["kind"] == "").to_numpy()].mean())
    return Judgement(aurocs, shares, false_alarms, by_round)


def kinds_in(table: pd.DataFrame) -> list[str]:
    """The kinds of the pseudo-anomalous clips in a table, in their order."""
    present = set(table["kind"])
    return [kind for kind in KINDS if kind in present]


def draw_sources(table: pd.DataFrame, seed: int) -> dict[int, dict[str, Floats]]:
    """How often each source counts, by half: (1 + `NUM_ROUNDS`,), the first time once each.

    Each round draws as many sources of a half as it has, with replacement.
    """
    rng = np.random.default_rng(seed)
    draws: dict[int, dict[str, Floats]] = {}
    for half in HALVES:
        names = sorted(set(table.loc[table["half"] == half, "source"]))
        num = len(names)
        drawn = rng.multinomial(num, np.full(num, 1 / num), NUM_ROUNDS)
        times = np.concatenate([np.ones((1, num)), drawn])
        draws[half] = {name: times[:, at] for at, name in enumerate(names)}
    return draws


def _aurocs(
    table: pd.DataFrame, column: str, kind: str, draws: Mapping[int, Mapping[str, Floats]]
) -> Floats:
    """The AUROC of a kind in each round, averaged over the halves that have clips of the kind.

    NaN in a round that draws no source with a clip of the kind.
    """
    per_half = []
    for half in HALVES:
        own = table[table["half"] == half]
        pseudo = own[own["kind"] == kind]
        allowed = own[(own["kind"] == "") & own["base"].isin(pseudo["base"])]
        times = np.stack(list(draws[half].values()))  # (S, R)
        order = {name: at for at, name in enumerate(draws[half])}
        wins, pairs = np.zeros((2, len(order), len(order)))
        # (pseudo-anomalous clips, allowed clips): 1 where the first scores higher, 0.5 if equal.
        first, second = (one[column].to_numpy(np.float64) for one in (pseudo, allowed))
        won = (first[:, None] > second) + 0.5 * (first[:, None] == second)
        rows, columns = (one["source"].map(order).to_numpy(np.int64) for one in (pseudo, allowed))
        np.add.at(wins, (rows[:, None], columns[None, :]), won)
        np.add.at(pairs, (rows[:, None], columns[None, :]), 1)
        # In a round, a pair of clips counts as often as both of its sources were drawn.
        with np.errstate(invalid="ignore"):
            per_half.append(
                np.einsum("ar,ab,br->r", times, wins, times)
                / np.einsum("ar,ab,br->r", times, pairs, times)
            )
    return _mean_of_known(np.stack(per_half))


def _mean_of_known(values: Floats) -> Floats:
    """The mean (R,) of the values (N, R) that are not NaN; NaN where there is none."""
    known = ~np.isnan(values)
    sums = np.where(known, values, 0).sum(axis=0)
    return np.where(known.any(axis=0), sums / np.maximum(known.sum(axis=0), 1), np.nan)


def best_of(judgements: Sequence[Judgement]) -> int:
    """The candidate with the largest mean AUROC of all channels together; the first of equals."""
    means = [round(one.aurocs[TOGETHER][MEAN], 9) for one in judgements]
    return means.index(max(means))


def difference(one: Judgement, other: Judgement) -> Difference:
    """By how much the first candidate is better."""
    gaps = one.by_round - other.by_round
    low, high = np.nanpercentile(gaps, [TAIL_PERCENT, 100 - TAIL_PERCENT])
    value = one.aurocs[TOGETHER][MEAN] - other.aurocs[TOGETHER][MEAN]
    return Difference(value, float(low), float(high))
