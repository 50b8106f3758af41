"""The windows that events of long videos are built from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigil.evaluation.frames import windows_of


def test_a_window_has_the_largest_score_of_its_frames() -> None:
    times = np.arange(8) / 4  # ends at 2 s
    windows = windows_of(times, np.array([0, 1, 0, 0, 0, 0, 0, 9.0]), 1.0, 0.5)
    assert [(one.start_s, one.stop_s, one.score) for one in windows] == [
        *((0.0, 1.0, 1.0), (0.5, 1.5, 0.0), (1.0, 2.0, 9.0))
    ]


def test_a_video_shorter_than_a_window_has_none() -> None:
    assert windows_of(np.arange(8) / 4, np.zeros(8), 2.1, 0.5) == []
    assert len(windows_of(np.arange(8) / 4, np.zeros(8), 2.0, 0.5)) == 1
    assert windows_of(np.zeros(1), np.zeros(1), 0.1, 0.1) == []


@given(
    num=st.integers(2, 200),
    fps=st.sampled_from([10.0, 25.0, 29.97]),
    first_s=st.floats(0, 100),
    window_s=st.floats(0.5, 3),
    stride=st.floats(0.1, 1),
)
def test_windows_are_as_many_as_fit(
    num: int, fps: float, first_s: float, window_s: float, stride: float
) -> None:
    times, stride_s = first_s + np.arange(num) / fps, stride * window_s
    windows = windows_of(times, np.arange(num, dtype=float), window_s, stride_s)
    starts = np.array([one.start_s for one in windows])
    assert starts == pytest.approx(first_s + stride_s * np.arange(len(windows)))
    last_s = first_s + len(windows) * stride_s + window_s  # the end of one window more
    assert last_s > first_s + num / fps - 1e-5
    assert all(one.stop_s <= first_s + num / fps + 1e-5 for one in windows)
    for one in windows:
        assert one.stop_s - 1 / fps - 1e-5 <= first_s + one.score / fps < one.stop_s
