"""Frame measures against numbers by hand and against scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from vigil.domain.measures.frames import (
    latest_moments,
    measure_frames,
    score_by_windows,
    score_frames,
)

TRUTH = [np.array([0, 0, 1, 1], bool), np.array([0, 1, 0], bool), np.zeros(2, bool)]
SCORES = [np.array([0.1, 0.4, 0.3, 0.9]), np.array([5.0, 6.0, 7.0]), np.array([0.0, 8.0])]


def test_micro_joins_frames_macro_joins_videos() -> None:
    found = measure_frames(TRUTH, SCORES, ["a", "b", "c"])
    truth, scores = np.concatenate(TRUTH), np.concatenate(SCORES)
    assert found["auroc_micro"] == pytest.approx(roc_auc_score(truth, scores), abs=1e-4)
    assert found["auroc_macro"] == pytest.approx((0.75 + 0.5) / 2)
    assert found["videos_of_one_kind"] == ["c"]


def test_padding_raises_every_number_and_has_its_own_name() -> None:
    found = measure_frames(TRUTH, SCORES, ["a", "b", "c"])
    # Of the first video: one more normal frame below all, one more anomalous one above all.
    first = roc_auc_score([0, 0, 1, 1, 0, 1], [0.1, 0.4, 0.3, 0.9, 0.0, 99])
    second = roc_auc_score([0, 1, 0, 0, 1], [5, 6, 7, 0, 99])
    assert found["auroc_macro_padded"] == pytest.approx((first + second + 1) / 3, abs=1e-4)
    assert found["auroc_macro_padded"] > found["auroc_macro"]


def test_one_kind_of_frames_has_no_micro_number_and_no_macro() -> None:
    found = measure_frames([np.zeros(3, bool)], [np.arange(3.0)], ["a"])
    assert found["auroc_micro"] is None
    assert found["auroc_macro"] is None
    assert found["auroc_macro_padded"] == 1.0


@given(seed=st.integers(0, 50), num=st.integers(4, 60))
def test_no_rising_function_changes_a_number(seed: int, num: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.random(num) < 0.5
    truth[:2] = [True, False]
    scores = rng.integers(0, 9, num).astype(float)
    one = measure_frames([truth], [scores], ["a"])
    other = measure_frames([truth], [np.exp(scores / 3)], ["a"])
    del one["auroc_macro_padded"], other["auroc_macro_padded"]  # 0 is among its scores
    assert one == other
    assert one["auroc_micro"] == one["auroc_macro"]
    assert 0 <= one["equal_error_rate_micro"] <= 1


@pytest.mark.parametrize(("shift", "rate"), [(0.0, 0.5), (1.0, 0.309), (2.0, 0.159)])
def test_the_equal_error_rate_of_two_normal_distributions(shift: float, rate: float) -> None:
    rng = np.random.default_rng(0)
    truth = np.arange(40000) % 2 == 0
    scores = rng.normal(size=40000) + shift * truth
    assert measure_frames([truth], [scores], ["a"])["equal_error_rate_micro"] == pytest.approx(
        rate, abs=0.01
    )


def test_a_frame_has_what_is_known_when_it_is_shown() -> None:
    times = np.array([0.0, 0.1, 0.2, 0.3, 0.4])
    assert latest_moments(times, np.array([0.2, 0.4])).tolist() == [0, 0, 0, 0, 1]
    found = pd.DataFrame(
        {
            "channel": ["x", "x", "x", "y"],
            "time_s": [0.4, 0.2, 0.2, 0.1],
            "ratio": [9.0, 1.0, 2.0, 5.0],
        }
    )
    scores = score_frames(times, found)
    assert scores["x"].tolist() == [2, 2, 2, 2, 9]
    assert scores["y"].tolist() == [5] * 5


@given(seed=st.integers(0, 30), cut=st.integers(2, 19))
def test_scores_are_causal(seed: int, cut: int) -> None:
    """What comes later changes no score, but that of frames that wait for the first evidence."""
    rng = np.random.default_rng(seed)
    times = np.arange(20) / 10
    found = pd.DataFrame({"channel": "x", "time_s": times[1:], "ratio": rng.random(19)})
    every = score_frames(times, found)["x"]
    until = score_frames(times[:cut], found[found["time_s"] < times[cut - 1] + 1e-6])["x"]
    assert np.array_equal(every[:cut], until)


def test_a_frame_has_the_highest_of_its_windows() -> None:
    starts, stops = np.array([0.0, 1.0]), np.array([2.0, 3.0])
    times = np.array([0.5, 1.5, 2.5, 9.0])
    assert score_by_windows(starts, stops, np.array([5.0, 1.0]), times).tolist() == [5, 5, 1, 1]


@given(scores=st.lists(st.integers(0, 5).map(float), min_size=2, max_size=30), data=st.data())
def test_the_area_is_the_share_of_pairs_in_order(scores: list[float], data: st.DataObject) -> None:
    """The probability that an anomalous frame scores higher than a normal one, ties by halves."""
    labels = data.draw(st.lists(st.booleans(), min_size=len(scores), max_size=len(scores)))
    truth, values = np.array(labels), np.array(scores)
    number = measure_frames([truth], [values], ["a"])["auroc_micro"]
    high, low = values[truth], values[~truth]
    if truth.all() or not truth.any():
        assert number is None
        return
    above = (high[:, None] > low).mean() + 0.5 * (high[:, None] == low).mean()
    assert number == pytest.approx(above, abs=1e-4)


@given(seed=st.integers(0, 40), num=st.integers(1, 12))
def test_frames_are_scored_as_a_table_of_frames_by_windows_says(seed: int, num: int) -> None:
    rng = np.random.default_rng(seed)
    times = np.sort(rng.uniform(0, 20, 50))
    starts = np.sort(rng.uniform(0, 15, num))
    stops, scores = starts + rng.uniform(0.1, 4, num), rng.normal(size=num)
    contains = (times[:, None] >= starts) & (times[:, None] < stops)
    nearest = scores[np.abs(times[:, None] - (starts + stops) / 2).argmin(axis=1)]
    expected = np.where(
        contains.any(axis=1), np.where(contains, scores, -np.inf).max(axis=1), nearest
    )
    assert score_by_windows(starts, stops, scores, times).tolist() == expected.tolist()
