"""Sequences of frames with numpy against those of training."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from vigil.learn.detector.network import sequences
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
