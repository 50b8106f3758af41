"""Events of long videos, and the windows that they are built from."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_settings import shipped

from vigil.domain.boxes import CORNERS
from vigil.evaluation.frames import FrameEvaluation, windows_of
from vigil.settings.evaluate_alarm import EvaluateAlarm
from vigil.settings.watch import Watch


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


def evaluate(times_s: np.ndarray, anomalous: np.ndarray, ratios: np.ndarray) -> dict[str, Any]:
    """The numbers of a video with one channel, and of a normal video of 10 s beside it."""
    watch = shipped(Watch, **{"window_s": 1.0, "stride_s": 0.5})
    tables = []
    for video, times, labels, values in (
        ("a", times_s, anomalous, ratios),
        ("b", np.arange(100) / 10, np.zeros(100, bool), np.zeros(100)),
    ):
        frame = np.arange(len(times))
        columns = {"video": video, "frame": frame, "time_s": times, "is_anomalous": labels}
        corners = dict.fromkeys(CORNERS, 0.0)
        tables.append(pd.DataFrame({**columns, "ratio": values, "channel": "one", **corners}))
    table = pd.concat(tables, ignore_index=True)
    windows = pd.DataFrame({"video": ["a", "b"], "source": ["a", "b"]})
    regions = pd.DataFrame(columns=["video", "frame", "track", *CORNERS])
    settings = shipped(EvaluateAlarm, num_bootstrap=5)
    evaluation = FrameEvaluation(table, regions, table, windows, settings, watch)
    events: dict[str, Any] = evaluation.numbers()["frames"]["events"]
    return events


def test_an_event_is_found_and_time_without_frames_is_not_watched() -> None:
    times = np.concatenate([np.arange(60) / 10, 100 + np.arange(60) / 10])
    anomalous = (times > 2) & (times < 5)
    found = evaluate(times, anomalous, np.where(anomalous, 5.0, 0.1))
    assert (found["num_events"], found["num_events_found"], found["num_false_alarms"]) == (1, 1, 0)
    assert found["watched_s"] == pytest.approx(106 - (100 - 5.9) + 10)


def test_no_window_spans_a_gap() -> None:
    """One high frame at each side of it: windows over it would be two in a row, and an alarm."""
    times = np.concatenate([np.arange(60) / 10, 7.2 + np.arange(60) / 10])
    ratios = np.zeros(120)
    ratios[59:61] = 5.0
    assert evaluate(times, np.arange(120) > 100, ratios)["num_false_alarms"] == 0
    without_gap = evaluate(np.arange(120) / 10, np.arange(120) > 100, ratios)
    assert without_gap["num_false_alarms"] == 1


def test_a_video_shorter_than_a_window_is_named_and_left_out() -> None:
    found = evaluate(np.arange(8) / 10, np.ones(8, bool), np.ones(8))
    assert found["videos_shorter_than_a_window"] == ["a"]
    assert (found["num_events"], found["event_recall"], found["watched_s"]) == (0, None, 10.0)
