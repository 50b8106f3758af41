"""Region- and track-based detection against curves by hand."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigil.domain.measures.regions import Predicted, Truth, area_up_to_one, measure_regions

HERE, THERE = [0.0, 0.0, 10.0, 10.0], [50.0, 50.0, 60.0, 60.0]


def predicted(*regions: tuple[list[float], float]) -> Predicted:
    return Predicted(
        np.array([box for box, _ in regions]).reshape(-1, 4), np.array([s for _, s in regions])
    )


def test_all_found_before_anything_false_is_one() -> None:
    true = {frame: Truth(np.array([HERE]), ("a",)) for frame in range(4)}
    guess = {frame: predicted((HERE, 2.0), (THERE, 1.0)) for frame in range(4)}
    assert measure_regions(guess, true, 4) == {"rbdc": 1.0, "tbdc": 1.0}


def test_nothing_found_is_nothing() -> None:
    true = {0: Truth(np.array([HERE]), ("a",))}
    assert measure_regions({0: predicted((THERE, 2.0))}, true, 1) == {"rbdc": 0.0, "tbdc": 0.0}
    assert measure_regions({}, true, 1) == {"rbdc": 0.0, "tbdc": 0.0}


def test_a_curve_by_hand() -> None:
    """Half is found at no false region, the rest with half a false region a frame."""
    true = {frame: Truth(np.array([HERE]), (frame,)) for frame in range(2)}
    guess = {
        0: predicted((HERE, 3.0), (THERE, 2.0)),
        1: predicted((HERE, 1.0)),
    }
    # (0, 0) -> (0, 1/2) -> (1/2, 1/2) -> (1/2, 1) -> (1, 1)
    assert measure_regions(guess, true, 2) == {"rbdc": 0.75, "tbdc": 0.75}


def test_a_track_is_found_by_a_tenth_of_its_regions() -> None:
    true = {frame: Truth(np.array([HERE]), ("a",)) for frame in range(20)}
    one = {0: predicted((HERE, 1.0))}
    assert measure_regions(one, true, 20) == {"rbdc": 0.05, "tbdc": 0.0}
    two = {frame: predicted((HERE, 1.0)) for frame in (0, 7)}
    assert measure_regions(two, true, 20) == {"rbdc": 0.1, "tbdc": 1.0}


def test_overlap_counts_from_a_tenth_on() -> None:
    true = {0: Truth(np.array([HERE]), ("a",))}
    near, far = [8.0, 0.0, 18.0, 10.0], [8.5, 0.0, 18.5, 10.0]  # IoU 2/18 and 1.5/18.5
    assert measure_regions({0: predicted((near, 1.0))}, true, 1)["rbdc"] == 1.0
    assert measure_regions({0: predicted((far, 1.0))}, true, 1)["rbdc"] == 0.0


def test_one_region_may_find_two_and_a_second_on_the_same_is_not_false() -> None:
    true = {0: Truth(np.array([HERE, [5.0, 0.0, 15.0, 10.0]]), ("a", "b"))}
    guess = {0: predicted(([0.0, 0.0, 15.0, 10.0], 2.0), (HERE, 1.0))}
    assert measure_regions(guess, true, 1) == {"rbdc": 1.0, "tbdc": 1.0}


def test_a_curve_is_cut_at_one_and_goes_on_flat_before() -> None:
    inf = np.inf
    assert area_up_to_one(np.array([3.0, -inf]), np.array([]), 5) == 0.5
    # One false region a frame at 2, two more at 1: half is found between.
    assert area_up_to_one(np.array([3.0, 1.0]), np.array([2.0, 1.0]), 1) == pytest.approx(0.5)


def test_without_true_regions_there_is_no_number() -> None:
    with pytest.raises(ValueError, match="expected true regions"):
        measure_regions({0: predicted((HERE, 1.0))}, {}, 1)


@given(seed=st.integers(0, 60), num_frames=st.integers(1, 6))
def test_the_area_is_that_of_all_thresholds_tried(seed: int, num_frames: int) -> None:
    """By going through every threshold, as the definition has it."""
    rng = np.random.default_rng(seed)
    right = np.where(rng.random(7) < 0.2, -np.inf, rng.integers(0, 6, 7).astype(float))
    wrong = rng.integers(0, 6, rng.integers(0, 12)).astype(float)
    corners = [(0.0, 0.0)]
    for threshold in sorted({*right[np.isfinite(right)], *wrong}, reverse=True):
        rate, share = (wrong >= threshold).sum() / num_frames, (right >= threshold).mean()
        corners.append((rate, share))
    if corners[-1][0] < 1:
        corners.append((1.0, corners[-1][1]))
    area = 0.0
    for (x1, y1), (x2, y2) in itertools.pairwise(corners):
        if x1 >= 1:
            break
        if x2 > 1:
            x2, y2 = 1.0, y1 + (y2 - y1) * (1 - x1) / (x2 - x1)
        area += (x2 - x1) * (y1 + y2) / 2
    assert area_up_to_one(right, wrong, num_frames) == pytest.approx(area)
