"""Rules for thresholds, and simulations that check their promised rates."""

import json
import math
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_settings import shipped

from vigil.domain.clips.scores import read_thresholds
from vigil.domain.measures.intervals import proportion_interval
from vigil.domain.thresholds import pick, write_thresholds
from vigil.plumbing.errors import FieldError, InputError
from vigil.settings.pick_threshold import PickThreshold

NONE = np.empty(0)


@cache
def rule(method, quantile: float = 0.9, rate: float = 0.1) -> PickThreshold:
    return shipped(PickThreshold, method=method, quantile=quantile, false_alarm_rate=rate)


def test_the_largest_validation_error_raises_no_alarm_in_validation() -> None:
    scores = np.array([3.0, 1.0, 2.0])
    picked = pick(rule("max_validation_error"), scores, NONE)
    assert picked.value == 3.0
    assert picked.expected_false_alarm_rate == pytest.approx(1 / 4)


@given(num=st.integers(1, 60), q=st.floats(0, 1), seed=st.integers(0, 9))
def test_a_quantile_is_numpys(num: int, q: float, seed: int) -> None:
    scores = np.random.default_rng(seed).exponential(size=num)
    picked = pick(rule("quantile", quantile=q), scores, NONE)
    assert picked.value in np.quantile(
        scores, [max(0, q - 1e-8), q, min(1, q + 1e-8)], method="higher"
    )


@pytest.mark.parametrize(("num", "rate"), [(19, 0.05), (20, 0.1), (50, 0.1), (99, 0.2)])
def test_conformal_keeps_its_promise_whatever_the_scores(num: int, rate: float) -> None:
    """The mean rate of false alarms over many draws is at most the promised one, and close."""
    rng = np.random.default_rng(num)
    num_rounds = 4000
    for draw in (rng.exponential, rng.standard_cauchy):
        scores = draw(size=(num_rounds, num))
        later = draw(size=(num_rounds, 50))
        limits = np.array([pick(rule("conformal", rate=rate), own, NONE).value for own in scores])
        rates = (later > limits[:, None]).mean(axis=1)
        spread = rates.std() / math.sqrt(num_rounds)
        assert rates.mean() <= rate + 4 * spread
        assert rates.mean() >= rate - 1 / (num + 1) - 4 * spread


def test_the_interval_holds_the_true_rate_19_times_in_20() -> None:
    rng = np.random.default_rng(0)
    for one in (rule("conformal"), rule("max_validation_error"), rule("quantile", quantile=0.8)):
        picks = [pick(one, rng.uniform(size=40), NONE) for _ in range(3000)]
        true = np.array([1 - p.value for p in picks])  # of uniform scores
        held = [
            p.false_alarm_rate_low <= t <= p.false_alarm_rate_high
            for p, t in zip(picks, true, strict=True)
        ]
        assert np.mean(held) == pytest.approx(0.95, abs=0.015)
        assert true.mean() == pytest.approx(picks[0].expected_false_alarm_rate, abs=0.005)


def test_conformal_with_too_few_clips_says_how_many_it_needs() -> None:
    pick(rule("conformal", rate=0.05), np.arange(19.0), NONE)
    told = r"^false_alarm_rate: expected at least 19 allowed clips .* got 18$"
    with pytest.raises(FieldError, match=told):
        pick(rule("conformal", rate=0.05), np.arange(18.0), NONE)


@pytest.mark.parametrize("method", ["best_f1", "youden"])
def test_both_kinds_are_parted_where_they_can_be(method) -> None:
    picked = pick(rule(method), np.array([1.0, 2.0]), np.array([4.0, 5.0]))
    assert 2 < picked.value < 4
    assert picked.expected_false_alarm_rate == 0
    assert (picked.false_alarm_rate_low, picked.false_alarm_rate_high) == proportion_interval(0, 2)


@given(
    allowed=st.lists(st.integers(0, 9), min_size=1, max_size=12),
    anomalous=st.lists(st.integers(0, 9), min_size=1, max_size=12),
)
def test_no_other_cut_is_better(allowed: list[int], anomalous: list[int]) -> None:
    low, high = np.array(allowed, float), np.array(anomalous, float)

    def f1(cut: float) -> float:
        caught, false = (high > cut).sum(), (low > cut).sum()
        return 2 * caught / (caught + false + len(high))

    def youden(cut: float) -> float:
        return (high > cut).mean() - (low > cut).mean()

    for method, worth in (("best_f1", f1), ("youden", youden)):
        value = pick(rule(method), low, high).value
        assert worth(value) >= max(worth(cut) for cut in np.arange(-1, 9.5, 0.5)) - 1e-12


@pytest.mark.parametrize("method", ["best_f1", "youden"])
def test_both_kinds_are_needed(method) -> None:
    told = r"^method: expected anomalous clips in validation .*anomalous_val_fraction"
    with pytest.raises(FieldError, match=told):
        pick(rule(method), np.arange(5.0), NONE)
    with pytest.raises(InputError, match="expected allowed clips in validation"):
        pick(rule(method), NONE, np.arange(5.0))


def test_ties_raise_no_alarm() -> None:
    picked = pick(rule("quantile", quantile=0.0), np.full(9, 2.0), NONE)
    assert picked.value == 2.0
    assert picked.expected_false_alarm_rate == pytest.approx(1 / 10)


@pytest.mark.parametrize(
    ("num_true", "num", "low", "high"),
    [(0, 10, 0.0, 0.3085), (10, 10, 0.6915, 1.0), (3, 10, 0.0667, 0.6525)],
)
def test_exact_intervals_are_the_published_ones(num_true, num, low, high) -> None:
    assert proportion_interval(num_true, num) == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize(
    "text",
    [
        *("[]", "{}", "3", "null", '"scorers"', '{"scorers": []}', '{"scorers": null}'),
        '{"value": 1, "rule": {"method": "quantile"}}',  # of one scorer, as in an older format
        *('{"scorers": {"a": 1}}', '{"scorers": {"a": {}}}', '{"scorers": {"a": {"value": null}}}'),
        *('{"scorers": {"a": {"value": "x"}}}', '{"scorers": {"a": {"value": [1]}}}'),
    ],
)
def test_a_file_that_is_no_threshold(tmp_path: Path, text: str) -> None:
    file = tmp_path / "threshold.json"
    file.write_text(text)
    with pytest.raises(InputError, match=r"threshold\.json: expected picked thresholds, got "):
        read_thresholds(file)


def test_no_file_of_thresholds(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"threshold\.json: expected a JSON file, found no such"):
        read_thresholds(tmp_path / "threshold.json")


@pytest.mark.parametrize("method", ["max_validation_error", "quantile", "best_f1", "youden"])
def test_each_scorer_gets_the_threshold_of_its_own_scores(tmp_path: Path, method: str) -> None:
    rng = np.random.default_rng(0)
    is_anomalous = np.arange(30) % 3 == 0
    table = pd.DataFrame(
        {
            "is_anomalous": is_anomalous,
            "one": rng.normal(size=30) + is_anomalous,
            "two": 1e6 * rng.exponential(size=30),
            "not asked for": np.nan,
        }
    )
    file = tmp_path / "threshold.json"
    picked = write_thresholds(rule(method), table, ["one", "two"], file)
    expected = {
        name: pick(
            rule(method),
            table.loc[~is_anomalous, name].to_numpy(),
            table.loc[is_anomalous, name].to_numpy(),
        )
        for name in ("one", "two")
    }
    assert picked == expected
    assert read_thresholds(file) == {name: one.value for name, one in expected.items()}
    record = json.loads(file.read_text())
    assert record["rule"] == rule(method).model_dump()
    looks_at_both = method in {"best_f1", "youden"}
    assert record["picked_on"] == {
        "allowed_validation_clips": 20,
        "anomalous_validation_clips": 10 if looks_at_both else 0,
    }
    before = file.read_bytes()
    write_thresholds(rule(method), table, ["two", "one"], file)
    assert file.read_bytes() == before


def test_a_rule_for_allowed_clips_alone_does_not_look_at_anomalous_ones(tmp_path: Path) -> None:
    table = pd.DataFrame({"is_anomalous": [False, False, True], "one": [1.0, 2.0, 9.0]})
    first = write_thresholds(rule("quantile"), table, ["one"], tmp_path / "a.json")
    table.loc[2, "one"] = -9.0
    assert write_thresholds(rule("quantile"), table, ["one"], tmp_path / "b.json") == first
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
