"""Sequences of the frames of a running video."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vigil.plumbing.errors import InputError
from vigil.runtime.history import FrameHistory, Steps


@settings(max_examples=80, deadline=None)
@given(
    num=st.integers(1, 6),
    step_s=st.sampled_from([0.04, 0.1, 1.0]),
    gaps=st.lists(st.sampled_from([2, 4, 10, 200]), min_size=1, max_size=30),
    data=st.data(),
)
def test_sequences_hold_remembered_frames(
    num: int, step_s: float, gaps: list[int], data: st.DataObject
):
    """The sequence of a frame is the same, whichever of the frames before were only remembered."""
    every, some = (FrameHistory(Steps(num, step_s, "stack", False)) for _ in range(2))
    for index, time_s in enumerate((np.cumsum(gaps) / 100).tolist()):
        picture = np.full((4, 5, 3), index, np.uint8)
        expected = every.add(picture, time_s)
        if data.draw(st.booleans()):
            np.testing.assert_array_equal(some.add(picture, time_s), expected)
        else:
            some.remember(picture, time_s)


def test_a_control_shows_copies():
    history = FrameHistory(Steps(3, 0.1, "background", True))
    history.add(np.zeros((4, 5, 3), np.uint8), 0.0)
    assert history.add(np.ones((4, 5, 3), np.uint8), 0.1).tolist() == [[[[1] * 3] * 5] * 4] * 3


@pytest.fixture(params=["stack", "background", "alone"])
def history(request: pytest.FixtureRequest) -> FrameHistory:
    num, fusion = (1, "stack") if request.param == "alone" else (3, request.param)
    return FrameHistory(Steps(num, 0.1, fusion, False))


@pytest.mark.parametrize("time_s", [0.5, 1.0, float("nan"), float("inf")])
def test_a_clock_that_does_not_go_forward_is_refused(history: FrameHistory, time_s: float):
    """A camera that was lost may count from 0 again."""
    picture = np.zeros((4, 5, 3), np.uint8)
    with pytest.raises(InputError, match=r"expected times that ascend, got nan s"):
        history.add(picture, float("nan"))
    history.add(picture, 1.0)
    with pytest.raises(InputError, match=r"expected times that ascend, got .* s after 1\.0 s"):
        history.add(picture, time_s)
    history.add(picture, 1.1)


@pytest.mark.parametrize(
    "other",
    [
        np.zeros((4, 6, 3), np.uint8),
        np.zeros((4, 5), np.uint8),
        np.zeros((4, 5, 3)),
        np.zeros((0, 5, 3), np.uint8),
    ],
)
def test_a_frame_of_another_size_or_kind_is_refused(history: FrameHistory, other: np.ndarray):
    history.add(np.zeros((4, 5, 3), np.uint8), 0.0)
    with pytest.raises(InputError, match=r"expected frames \(H, W, 3\) uint8, all of one size"):
        history.add(other, 1.0)


def test_frames_that_no_sequence_needs_are_let_go():
    history = FrameHistory(Steps(3, 0.1, "stack", False))
    for index in range(1000):
        history.add(np.zeros((4, 5, 3), np.uint8), index / 100)
    assert len(history._kept) <= 22  # of 0.2 s


def test_many_frames_a_second_need_no_more_memory():
    """And those that are kept are an eighth of a step from the right ones at most."""
    history = FrameHistory(Steps(7, 1.0, "stack", False))
    for index in range(1200):
        picture = np.array([[[index // 256, index % 256, 0]]], np.uint8)
        seen = history.add(picture, index / 120)
    assert len(history._kept) <= 8 * 6 + 2
    indices = 256 * seen[:, 0, 0, 0].astype(int) + seen[:, 0, 0, 1]
    lags_s = (1199 - indices) / 120
    assert lags_s[-1] == 0
    np.testing.assert_array_less(lags_s - [6, 5, 4, 3, 2, 1, 0], 1 / 8 + 1e-6)
    assert (lags_s >= [6, 5, 4, 3, 2, 1, 0]).all()
