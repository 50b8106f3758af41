import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigil.domain.measures.alarm import (
    accuracy_by_class,
    accuracy_by_split,
    bootstrap_intervals,
    measure_alarm,
    precision_recall_curve,
    roc_curve,
    sweep_thresholds,
)


def own_sources(num: int) -> list[str]:
    return [f"source {number}" for number in range(num)]


scores_of = st.lists(st.integers(-20, 900), min_size=1, max_size=15)


@given(allowed=scores_of, anomalous=scores_of, threshold=st.integers(-25, 905))
def test_numbers_are_what_they_say(allowed, anomalous, threshold) -> None:
    """Scores far outside [0, 1], with ties, compared with simple counting."""
    scores = np.array([*allowed, *anomalous], float)
    kinds = np.arange(len(scores)) >= len(allowed)
    found = measure_alarm(kinds, scores, float(threshold))
    pairs = [(a > b) + (a == b) / 2 for a in anomalous for b in allowed]
    assert found["auroc"] == pytest.approx(np.mean(pairs), abs=5.1e-4)
    assert found["anomaly_recall"] == pytest.approx(
        np.mean([s > threshold for s in anomalous]), abs=5.1e-4
    )
    assert found["false_alarm_rate"] == pytest.approx(
        np.mean([s > threshold for s in allowed]), abs=5.1e-4
    )


def test_intervals_hold_the_number_and_are_the_same_each_time() -> None:
    rng = np.random.default_rng(0)
    kinds = np.arange(80) < 40
    scores = rng.normal(size=80) + kinds
    told = {"num_rounds": 300, "seed": 1}
    found = bootstrap_intervals(kinds, scores, own_sources(80), 0.5, **told)
    assert found == bootstrap_intervals(kinds, scores, own_sources(80), 0.5, **told)
    for name, value in measure_alarm(kinds, scores, 0.5).items():
        low, high = found[name]
        assert low < value < high
    nine = (np.tile(kinds, 9), np.tile(scores, 9))
    more = bootstrap_intervals(*nine, own_sources(720), 0.5, **told)
    for name, own in more.items():
        assert np.ptp(own) < np.ptp(found[name])


def test_copies_of_a_clip_make_nothing_surer() -> None:
    """Nine equal clips of each source give no more certainty than one clip of each."""
    rng = np.random.default_rng(0)
    kinds = np.arange(80) < 40
    scores = rng.normal(size=80) + kinds
    told = {"num_rounds": 300, "seed": 1}
    found = bootstrap_intervals(kinds, scores, own_sources(80), 0.5, **told)
    nine = (np.tile(kinds, 9), np.tile(scores, 9), own_sources(80) * 9)
    alike = bootstrap_intervals(*nine, 0.5, **told)
    for name in ("auroc", "anomaly_recall", "false_alarm_rate"):
        assert alike[name] == found[name]


def test_a_perfect_result_on_few_clips_is_not_certain() -> None:
    kinds = np.array([False] * 5 + [True] * 5)
    found = bootstrap_intervals(kinds, kinds * 9.0, own_sources(10), 1.0, num_rounds=50, seed=0)
    assert found["anomaly_recall"] == (1.0, 1.0)
    assert found["anomaly_recall_exact"][0] == 0.478
    assert found["false_alarm_rate_exact"][1] == 0.522


TABLE = pd.DataFrame(
    {
        "split": ["train", "train", "val", "val", "test", "test", "test"],
        "class": ["walk", "wave", "walk", "run", "walk", "run", "run"],
        "is_anomalous": [False, False, False, True, False, True, True],
        "error": [1.0, 3.0, 2.0, 2.0, 1.0, 5.0, 2.0],
    }
)


def test_accuracy_by_split_and_class() -> None:
    assert accuracy_by_split(TABLE, 2.0) == {
        "anomaly": 0.5, "test": 1.0, "train": 0.5, "val": 1.0, "val_anomaly": 0.0,
    }  # fmt: skip
    assert accuracy_by_class(TABLE[TABLE["split"] == "test"], 2.0).to_dict("records") == [
        {"class": "run", "num_clips": 2, "accuracy": 0.5},
        {"class": "walk", "num_clips": 1, "accuracy": 1.0},
    ]


@given(allowed=scores_of, anomalous=scores_of)
def test_curves_agree_with_each_other(allowed, anomalous) -> None:
    scores = np.array([*allowed, *anomalous], float)
    kinds = np.arange(len(scores)) >= len(allowed)
    roc, sweep = roc_curve(kinds, scores), sweep_thresholds(kinds, scores)
    area = np.trapezoid(roc["anomaly_recall"], roc["false_alarm_rate"])
    assert area == pytest.approx(measure_alarm(kinds, scores, 0)["auroc"], abs=1e-3)
    assert np.isfinite(roc.to_numpy()).all()
    assert sweep["anomaly_recall"].is_monotonic_decreasing
    assert sweep["false_alarm_rate"].iloc[-1] == 0
    for row in sweep.itertuples():
        found = measure_alarm(kinds, scores, row.threshold)
        assert found["anomaly_recall"] == pytest.approx(row.anomaly_recall, abs=5.1e-4)
    curve = precision_recall_curve(kinds, scores)
    assert curve["anomaly_recall"].iloc[-1] == 0
    assert curve.to_numpy().min() >= 0
