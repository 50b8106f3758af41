import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vigil.domain.measures.classifier import (
    accuracy_by,
    calibration_curve,
    measure_binary,
    roc_curve,
)

probabilities = st.integers(0, 20).map(lambda value: value / 20 * 0.98 + 0.01)


@st.composite
def problems(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Both classes, with many equal probabilities."""
    targets = [True, False, *draw(st.lists(st.booleans(), max_size=30))]
    scores = draw(st.lists(probabilities, min_size=len(targets), max_size=len(targets)))
    return np.array(targets), np.array(scores)


@settings(max_examples=60)
@given(problems(), st.sampled_from([0.0, 0.3, 0.5, 0.99]))
def test_measures_are_those_counted_by_hand(
    problem: tuple[np.ndarray, np.ndarray], threshold: float
) -> None:
    targets, scores = problem
    found = measure_binary(targets, scores, threshold)
    predicted = scores >= threshold
    hits = int((predicted & targets).sum())
    precision = hits / predicted.sum() if predicted.any() else 0.0
    recall = hits / targets.sum()
    both = precision + recall
    pairs = [
        1.0 if yes > no else 0.5 if yes == no else 0.0
        for yes in scores[targets]
        for no in scores[~targets]
    ]
    expected = {
        "accuracy": (predicted == targets).mean(),
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / both if both else 0.0,
        "auroc": np.mean(pairs),
        "brier": ((scores - targets) ** 2).mean(),
    }
    assert found.pop("num_samples") == len(targets)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=5.1e-4), name
        assert type(found[name]) is float


def test_perfect_and_worst() -> None:
    targets = np.array([True, False, True])
    perfect = measure_binary(targets, targets.astype(float), 0.5)
    worst = measure_binary(targets, 1.0 - targets, 0.5)
    names = ("accuracy", "precision", "recall", "f1", "auroc")
    assert [perfect[name] for name in (*names, "brier")] == [1, 1, 1, 1, 1, 0]
    assert [worst[name] for name in (*names, "brier")] == [0, 0, 0, 0, 0, 1]


def test_a_probability_of_the_threshold_itself_is_a_yes() -> None:
    assert measure_binary(np.array([True, False]), np.array([0.5, 0.49]), 0.5)["accuracy"] == 1


@settings(max_examples=40)
@given(problems())
def test_each_corner_of_the_roc_is_reached_at_its_threshold(
    problem: tuple[np.ndarray, np.ndarray],
) -> None:
    targets, scores = problem
    found = roc_curve(targets, scores)
    assert np.isfinite(found.to_numpy()).all()
    first, last = found.iloc[0], found.iloc[-1]
    assert (first["false_positive_rate"], first["true_positive_rate"]) == (0, 0)
    assert (last["false_positive_rate"], last["true_positive_rate"]) == (1, 1)
    for corner in found.iloc[1:].itertuples():
        predicted = scores >= corner.threshold - 1e-6
        assert corner.true_positive_rate == pytest.approx(predicted[targets].mean(), abs=1e-6)
        assert corner.false_positive_rate == pytest.approx(predicted[~targets].mean(), abs=1e-6)
    area = np.trapezoid(found["true_positive_rate"], found["false_positive_rate"])
    assert area == pytest.approx(measure_binary(targets, scores, 0.5)["auroc"], abs=5.1e-4)


@settings(max_examples=40)
@given(problems(), st.integers(1, 12))
def test_calibration_is_that_of_samples_between_the_edges(
    problem: tuple[np.ndarray, np.ndarray], num_bins: int
) -> None:
    targets, scores = problem
    scores = scores + 0.0037  # off the edges
    found = calibration_curve(targets, scores, num_bins)
    expected = []
    for low in range(num_bins):
        inside = (scores >= low / num_bins) & (scores < (low + 1) / num_bins)
        if inside.any():
            expected.append([scores[inside].mean(), targets[inside].mean(), inside.sum()])
    np.testing.assert_allclose(found.to_numpy(dtype=float), expected, atol=1e-6)
    assert list(found.columns) == ["mean_probability", "share_of_people", "num_samples"]


def test_certain_predictions_lie_in_the_outer_bins() -> None:
    found = calibration_curve(np.array([False, True]), np.array([0.0, 1.0]), 10)
    assert found["mean_probability"].tolist() == [0.0, 1.0]
    assert found["share_of_people"].tolist() == [0.0, 1.0]


def test_accuracy_by_group() -> None:
    correct = np.array([True, False, True, True])
    found = accuracy_by(correct, pd.Series([20, 20, 10, 20]), "height")
    assert found.to_dict("records") == [
        {"height": 10, "accuracy": 1.0, "num_samples": 1},
        {"height": 20, "accuracy": 0.667, "num_samples": 3},
    ]


def test_empty_groups_are_left_out() -> None:
    groups = pd.Categorical(["low", "low"], categories=["low", "high"])
    found = accuracy_by(np.array([True, False]), groups, "height")
    assert found["height"].tolist() == ["low"]
    assert found["accuracy"].tolist() == [0.5]
