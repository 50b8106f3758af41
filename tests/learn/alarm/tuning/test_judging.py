"""AUROC by kind and half, thresholds from the other half, and intervals over sources."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from tiny_settings import shipped

from vigil.learn.alarm.tuning.judging import (
    MEAN,
    NUM_ROUNDS,
    TOGETHER,
    best_of,
    difference,
    draw_sources,
    judge,
    ratios_of,
)
from vigil.plumbing.errors import FieldError
from vigil.settings.pick_threshold import PickThreshold

CHANNELS = ("a", "b")
KINDS = ("faster", "pasted")
LARGEST = shipped(PickThreshold, method="max_validation_error")


def table_of(seed: int, num_sources: int = 6, num_clips: int = 3, lead: float = 1.0):
    """Allowed clips, and one clip of each kind for each, with whole numbers: many are equal."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(num_sources):
        for clip in range(num_clips):
            for kind in ("", *KINDS):
                scores = rng.integers(1, 8, 2) + (lead if kind == "faster" else 0)
                source = f"s{number}"
                rows.append((source, clip, number % 2, kind, *scores.astype(float)))
    table = pd.DataFrame(rows, columns=["source", "base", "half", "kind", *CHANNELS])
    return table.assign(base=table["source"] + table["base"].astype(str))


def by_sklearn(table: pd.DataFrame, column: str, kind: str) -> float:
    """The mean over the halves."""
    values = []
    for half in (0, 1):
        own = table[(table["half"] == half) & table["kind"].isin(["", kind])]
        values.append(roc_auc_score(own["kind"] == kind, own[column]))
    return float(np.mean(values))


@settings(max_examples=15)
@given(seed=st.integers(0, 1000))
def test_aurocs_are_those_of_sklearn(seed: int):
    ratios = ratios_of(table_of(seed), CHANNELS, LARGEST)
    found = judge(ratios, CHANNELS, seed=0).aurocs
    assert list(found) == [TOGETHER, *CHANNELS]
    for column, by_kind in found.items():
        expected = {kind: by_sklearn(ratios, column, kind) for kind in KINDS}
        assert by_kind == pytest.approx({**expected, MEAN: np.mean(list(expected.values()))})


def test_a_round_is_the_auroc_of_the_drawn_sources():
    """Against sources that are really repeated."""
    ratios = ratios_of(table_of(3), CHANNELS, LARGEST)
    found = judge(ratios, CHANNELS, seed=7).by_round
    draws = draw_sources(ratios, 7)
    assert found.shape == (NUM_ROUNDS,)
    for at in range(20):
        times = {
            name: int(drawn[at + 1]) for half in draws.values() for name, drawn in half.items()
        }
        repeated = pd.concat(
            [ratios[ratios["source"] == name] for name, num in times.items() for _ in range(num)]
        )
        expected = np.mean([by_sklearn(repeated, TOGETHER, kind) for kind in KINDS])
        assert found[at] == pytest.approx(expected)


def test_each_round_draws_as_many_sources_of_each_half():
    draws = draw_sources(table_of(0), 1)
    for half in draws.values():
        times = np.stack(list(half.values()))
        assert (times[:, 0] == 1).all()
        assert (times.sum(axis=0) == 3).all()
        assert times.max() > 1


def test_the_threshold_of_a_clip_comes_from_the_other_half():
    scores = table_of(1)
    scores.loc[scores["half"] == 0, "a"] *= 10
    ratios = ratios_of(scores, CHANNELS, LARGEST)
    for half in (0, 1):
        other = scores[(scores["half"] != half) & (scores["kind"] == "")]
        is_own = scores["half"] == half
        for channel in CHANNELS:
            expected = scores.loc[is_own, channel] / other[channel].max()
            assert np.allclose(ratios.loc[is_own, channel], expected)
    assert np.array_equal(ratios[TOGETHER], ratios[list(CHANNELS)].max(axis=1))


def test_pseudo_anomalous_clips_set_no_threshold():
    scores = table_of(2)
    changed = scores.copy()
    changed.loc[changed["kind"] != "", list(CHANNELS)] *= 100
    first, second = (ratios_of(one, CHANNELS, LARGEST) for one in (scores, changed))
    is_allowed = scores["kind"] == ""
    assert first[is_allowed].equals(second[is_allowed])


def test_the_shares_count_clips_above_the_threshold():
    scores = table_of(4)
    scores.loc[scores["kind"] == "faster", list(CHANNELS)] += 100
    judged = judge(ratios_of(scores, CHANNELS, LARGEST), CHANNELS, 0)
    assert judged.caught["faster"] == 1
    assert judged.aurocs[TOGETHER]["faster"] == 1
    ratios = ratios_of(scores, CHANNELS, LARGEST)
    allowed = ratios[ratios["kind"] == ""]
    assert judged.false_alarms == pytest.approx((allowed[TOGETHER] > 1).mean())


def test_scores_of_zero_have_ratios():
    scores = table_of(5)
    scores["a"] = np.where(scores["kind"] == "faster", 1.0, 0.0)
    judged = judge(ratios_of(scores, CHANNELS, LARGEST), CHANNELS, 0)
    assert judged.aurocs["a"] == pytest.approx({"faster": 1, "pasted": 0.5, MEAN: 0.75})


def test_a_kind_in_one_half_alone_is_measured_there():
    scores = table_of(6)
    scores = scores[~((scores["kind"] == "pasted") & (scores["half"] == 1))]
    ratios = ratios_of(scores, CHANNELS, LARGEST)
    own = ratios[(ratios["half"] == 0) & ratios["kind"].isin(["", "pasted"])]
    expected = roc_auc_score(own["kind"] == "pasted", own["a"])
    assert judge(ratios, CHANNELS, 0).aurocs["a"]["pasted"] == pytest.approx(expected)


def test_a_kind_is_compared_with_the_clips_it_was_made_from():
    """Clips in which the kind cannot be made are other clips: quieter ones, or busier ones."""
    scores = table_of(7)
    is_first = scores["base"].str.endswith("0")
    scores = scores[is_first | (scores["kind"] != "pasted")]
    busier = scores.copy()
    busier.loc[~busier["base"].str.endswith("0") & (busier["kind"] == ""), "a"] += 50
    expected = by_sklearn(scores[scores["base"].str.endswith("0")], "a", "pasted")
    for table in (scores, busier):
        assert judge(table.assign(**{TOGETHER: 0.0}), ("a",), 0).aurocs["a"][
            "pasted"
        ] == pytest.approx(expected)


def test_a_change_that_nobody_sees_has_an_auroc_of_a_half():
    scores = table_of(8)
    allowed = scores[scores["kind"] == ""]
    same = pd.concat([allowed, *(allowed.assign(kind=kind) for kind in KINDS)])
    judged = judge(ratios_of(same, CHANNELS, LARGEST), CHANNELS, 0)
    assert all(value == pytest.approx(0.5) for value in judged.aurocs[TOGETHER].values())
    assert judged.by_round == pytest.approx(np.full(NUM_ROUNDS, 0.5))


def test_a_rule_that_needs_more_clips_says_so():
    rule = shipped(PickThreshold, method="conformal", false_alarm_rate=0.01)
    with pytest.raises(FieldError, match="expected at least 199 allowed clips"):
        ratios_of(table_of(0), CHANNELS, rule)


def test_the_best_has_the_largest_mean_and_the_first_of_equals_wins():
    judged = [
        judge(ratios_of(table_of(8, lead=lead), CHANNELS, LARGEST), CHANNELS, 0)
        for lead in (0.0, 2.0, 2.0, 1.0)
    ]
    assert best_of(judged) == 1
    same = difference(judged[1], judged[2])
    assert same == (0, 0, 0)
    assert not same.is_clear


def test_a_difference_is_clear_only_if_it_exceeds_the_spread():
    weak, strong = (
        judge(ratios_of(table_of(9, lead=lead), CHANNELS, LARGEST), CHANNELS, 0)
        for lead in (0.0, 20.0)
    )
    gap = difference(strong, weak)
    assert gap.low < gap.value < gap.high
    assert gap.is_clear
    back = difference(weak, strong)
    assert (back.value, back.low, back.high) == pytest.approx((-gap.value, -gap.high, -gap.low))
    # One source of six has the whole difference: it may be drawn or not.
    one = table_of(9, lead=0.0)
    one.loc[(one["source"] == "s0") & (one["kind"] == "pasted"), list(CHANNELS)] += 1
    lucky = judge(ratios_of(one, CHANNELS, LARGEST), CHANNELS, 0)
    assert not difference(lucky, weak).is_clear
