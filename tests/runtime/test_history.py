"""Sequences of frames with numpy against those of training."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vigil.learn.detector.network import sequences
from vigil.plumbing.errors import InputError
from vigil.runtime.history import FrameHistory, Steps, reduce_frames
from vigil.settings.train_detector import Frames


@settings(max_examples=80, deadline=None)
@given(
    num=st.integers(1, 6),
    step_s=st.sampled_from([0.04, 0.1, 1.0]),
    fusion=st.sampled_from(["stack", "background", "temporal"]),
    control=st.booleans(),
    gaps_s=st.lists(st.sampled_from([0.02, 0.04, 0.1, 2.0]), min_size=1, max_size=30),
)
def test_a_running_video_gives_the_sequences_of_training(
    num: int, step_s: float, fusion: str, control: bool, gaps_s: list[float]
):
    if num == 2:
        fusion = "stack"
    frames = Frames(num=num, step_s=step_s, fusion=fusion, control=control)
    mine = FrameHistory(Steps(num, step_s, fusion, control))
    theirs = sequences.FrameHistory(frames)
    rng = np.random.default_rng(0)
    for time_s in np.cumsum(gaps_s).tolist():
        picture = rng.integers(0, 256, (4, 5, 3), np.uint8)
        one, other = mine.add(picture, time_s), theirs.add(picture, time_s)
        np.testing.assert_array_equal(one, other)
        if num > 1:
            expected = sequences.reduce_frames(other, frames)
            np.testing.assert_array_equal(reduce_frames(one, fusion), expected)


@pytest.fixture(params=["stack", "background", "alone", "torch"])
def history(request: pytest.FixtureRequest) -> FrameHistory | sequences.FrameHistory:
    if request.param == "torch":
        frames = Frames(num=3, step_s=0.1, fusion="stack", control=False)
        return sequences.FrameHistory(frames)
    num, fusion = (1, "stack") if request.param == "alone" else (3, request.param)
    return FrameHistory(Steps(num, 0.1, fusion, False))


@pytest.mark.parametrize("time_s", [0.5, 1.0, float("nan"), float("inf")])
def test_a_clock_that_does_not_go_forward_is_refused(
    history: FrameHistory | sequences.FrameHistory, time_s: float
):
    """A camera that was lost may count from 0 again."""
    picture = np.zeros((4, 5, 3), np.uint8)
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
def test_a_frame_of_another_size_or_kind_is_refused(
    history: FrameHistory | sequences.FrameHistory, other: np.ndarray
):
    history.add(np.zeros((4, 5, 3), np.uint8), 0.0)
    with pytest.raises(InputError, match=r"expected frames \(H, W, 3\) uint8, all of one size"):
        history.add(other, 1.0)


def test_frames_that_no_sequence_needs_are_let_go():
    history = FrameHistory(Steps(3, 0.1, "stack", False))
    for index in range(1000):
        history.add(np.zeros((4, 5, 3), np.uint8), index / 100)
    assert len(history._kept) <= 22  # of 0.2 s
