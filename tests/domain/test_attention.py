"""Shares of attention, against a search over all sets of patches."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigil.domain.attention import brightest, largest_share

VALUES = st.lists(st.integers(0, 6), min_size=1, max_size=6).map(np.array)


@given(VALUES, st.integers(0, 10))
def test_the_fewest_patches_that_hold_the_share_are_kept(values: np.ndarray, tenths: int):
    maps = values[None].astype(np.float64)
    kept = largest_share(maps, tenths / 10)[0]
    needed = tenths / 10 * values.sum()
    # The smallest number of patches of any choice that reaches the share.
    fewest = next(
        size
        for size in range(len(values) + 1)
        if any(
            values[list(some)].sum() >= needed - 1e-9
            for some in combinations(range(len(values)), size)
        )
    )
    assert kept.sum() == fewest
    assert values[kept].sum() >= needed - 1e-9
    assert not len(values[~kept]) or not kept.any() or values[kept].min() >= values[~kept].max()


def test_of_equal_patches_the_first_counts():
    kept = largest_share(np.ones((1, 2, 2)), 0.5)
    assert kept.tolist() == [[[True, True], [False, False]]]


def test_each_map_of_a_stack_has_its_own_share():
    maps = np.array([[[9.0, 1.0], [0.0, 0.0]], [[1.0, 1.0], [1.0, 1.0]]])
    kept = largest_share(maps, 0.6)
    assert kept[0].tolist() == [[True, False], [False, False]]
    assert kept[1].sum() == 3
    assert np.array_equal(largest_share(maps[None], 0.6)[0], kept)


def test_no_share_keeps_nothing_and_all_of_it_keeps_what_has_any():
    maps = np.array([[[0.5, 0.0], [0.25, 0.25]]])
    assert not largest_share(maps, 0.0).any()
    assert np.array_equal(largest_share(maps, 1.0), maps > 0)
    assert not largest_share(np.zeros((1, 2, 2)), 0.6).any()


def test_the_scale_of_a_video_is_one_percentile_of_all_its_frames():
    frames = [np.array([[0.0, 1.0]]), np.array([[2.0, 3.0]]), np.array([[4.0]])]
    assert brightest(frames, 100) == 4
    assert brightest(frames, 50) == 2
    assert brightest([np.array([[0.0, 0.0, 0.0, 8.0]])], 50) == 8, "the percentile is 0"
    assert brightest([np.zeros((2, 2))], 99) > 0


@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_maps_of_few_bits_give_the_same_shares(kind: type):
    maps = np.random.default_rng(0).random((2, 5, 7)).astype(kind)
    assert np.array_equal(largest_share(maps, 0.6), largest_share(maps.astype(np.float64), 0.6))
