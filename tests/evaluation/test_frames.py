"""Events of long videos, and the windows that they are built from."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_settings import shipped

from vigil.domain.boxes import CORNERS
from vigil.domain.clips.truth import REGION_DTYPES, as_regions
from vigil.domain.clips.verdicts import NO_EVIDENCE
from vigil.evaluation.frames import FrameEvaluation, windows_of
from vigil.settings.evaluate_alarm import EvaluateAlarm
from vigil.settings.watch import Watch


def pieces(from_s: Any, time_s: Any, ratio: Any) -> pd.DataFrame:
    return pd.DataFrame({"from_s": from_s, "time_s": time_s, "ratio": ratio})


def at_frames(times: np.ndarray, ratios: Any) -> pd.DataFrame:
    return pieces(times, times, ratios)


def test_a_window_has_the_largest_ratio_of_the_pieces_within_it() -> None:
    times = np.arange(8) / 4  # ends at 2 s
    told = at_frames(times, [0, 1, 0, 0, 0, 0, 0, 9.0])
    windows = windows_of(times, 2.0, told, 1.0, 0.5)
    assert [(one.start_s, one.stop_s, one.score) for one in windows] == [
        *((0.0, 1.0, 1.0), (0.5, 1.5, 0.0), (1.0, 2.0, 9.0))
    ]


def test_evidence_that_begins_before_a_window_is_none_of_it() -> None:
    times = np.arange(8) / 4
    told = pieces([0.25, 0.5, 0.5], [1.25, 1.25, 1.5], [9.0, 2.0, 4.0])
    windows = windows_of(times, 2.0, told, 1.0, 0.5)
    # The first begins before the second window, and the last one ends with its end, which is not
    # part of it.
    assert [one.score for one in windows] == [NO_EVIDENCE, 2.0, NO_EVIDENCE]


def test_a_video_shorter_than_a_window_has_none() -> None:
    times = np.arange(8) / 4
    assert windows_of(times, 2.0, at_frames(times, 0.0), 2.1, 0.5) == []
    assert len(windows_of(times, 2.0, at_frames(times, 0.0), 2.0, 0.5)) == 1
    assert windows_of(np.zeros(1), 0.0, at_frames(np.zeros(1), 0.0), 0.1, 0.1) == []


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
    told = at_frames(times, np.arange(num, dtype=float))
    windows = windows_of(times, first_s + num / fps, told, window_s, stride_s)
    starts = np.array([one.start_s for one in windows])
    assert starts == pytest.approx(first_s + stride_s * np.arange(len(windows)))
    last_s = first_s + len(windows) * stride_s + window_s  # the end of one window more
    assert last_s > first_s + num / fps - 1e-3
    assert all(one.stop_s <= first_s + num / fps + 1e-3 for one in windows)
    for one in windows:
        assert one.stop_s - 1 / fps - 1e-3 <= first_s + one.score / fps < one.stop_s


def one_video(
    video: str, times_s: np.ndarray, anomalous: np.ndarray, ratios: np.ndarray, **columns: Any
) -> pd.DataFrame:
    """The truth and the evidence of a video with a piece of one channel at each frame."""
    table = {
        **{"video": video, "frame": np.arange(len(times_s)), "time_s": times_s, "channel": "one"},
        **{"from_s": times_s, "is_anomalous": anomalous, "is_masked": False, "ratio": ratios},
        **dict(zip(CORNERS, (0.0, 0.0, 9.0, 9.0), strict=True)),
    }
    return pd.DataFrame({**table, **columns})


def measure(*videos: pd.DataFrame, regions: pd.DataFrame | None = None) -> dict[str, Any]:
    """The numbers of frames of some videos, each of which is a source."""
    watch = shipped(Watch, **{"window_s": 1.0, "stride_s": 0.5})
    table = pd.concat(videos, ignore_index=True)
    truth = table.drop_duplicates(["video", "frame"])
    names = table["video"].unique()
    windows = pd.DataFrame({"video": names, "source": names})
    settings = shipped(EvaluateAlarm, num_bootstrap=5)
    places = as_regions([]) if regions is None else regions
    numbers = FrameEvaluation(truth, places, table, windows, settings, watch).numbers()
    frames: dict[str, Any] = numbers["frames"]
    return frames


def normal_video() -> pd.DataFrame:
    return one_video("b", np.arange(100) / 10, np.zeros(100, bool), np.zeros(100))


def evaluate(times_s: np.ndarray, anomalous: np.ndarray, ratios: np.ndarray) -> dict[str, Any]:
    """The events of a video with one channel, and of a normal video of 10 s beside it."""
    events: dict[str, Any] = measure(one_video("a", times_s, anomalous, ratios), normal_video())[
        "events"
    ]
    return events


def an_anomaly(video: str, **columns: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A video with high ratios at its anomalous frames, and where its anomaly is: at the pieces."""
    times, anomalous = np.arange(100) / 10, np.arange(100) >= 50
    table = one_video(video, times, anomalous, np.where(anomalous, 5.0, 0.1), **columns)
    rows = table[table["is_anomalous"]].assign(track=0)
    return table, rows[list(REGION_DTYPES)].astype(REGION_DTYPES)


def test_right_boxes_are_not_false_where_nobody_drew_masks() -> None:
    masked, regions = an_anomaly("a", is_masked=True)
    unmasked, _ = an_anomaly("c")
    alone = measure(masked, normal_video(), regions=regions)
    both = measure(masked, normal_video(), unmasked, regions=regions)
    assert alone["rbdc"] == both["rbdc"] == alone["tbdc"] == both["tbdc"] == 1.0
    assert (alone["videos_without_masks"], both["videos_without_masks"]) == ([], ["c"])
    assert both["intervals_95"]["rbdc"] == (1.0, 1.0)


def test_empty_masks_say_that_no_place_is_anomalous() -> None:
    masked, regions = an_anomaly("a", is_masked=True)
    empty, _ = an_anomaly("c", is_masked=True)
    found = measure(masked, normal_video(), empty, regions=regions)
    assert found["videos_without_masks"] == []
    assert found["rbdc"] < 1


def test_false_boxes_in_a_normal_video_count() -> None:
    masked, regions = an_anomaly("a", is_masked=True)
    loud = normal_video().assign(ratio=9.0)
    found = measure(masked, loud, regions=regions)
    assert (found["videos_without_masks"], found["rbdc"] < 1) == ([], True)


def test_without_any_masks_there_are_no_criteria_of_place() -> None:
    assert not {"rbdc", "videos_without_masks"} & measure(an_anomaly("a")[0]).keys()


def test_an_event_is_found_and_time_without_frames_is_not_watched() -> None:
    times = np.concatenate([np.arange(60) / 10, 100 + np.arange(60) / 10])
    anomalous = (times > 2) & (times < 5)
    found = evaluate(times, anomalous, np.where(anomalous, 5.0, 0.1))
    assert (found["num_events"], found["num_events_found"], found["num_false_alarms"]) == (1, 1, 0)
    assert found["watched_s"] == pytest.approx(106 - (100 - 5.9) + 10)


@pytest.mark.parametrize("gap_s", [2.0, 1000.0])
def test_a_gap_ends_an_event_and_leaves_the_normal_time_as_it_is(gap_s: float) -> None:
    """Else the event would last until frames come again, and take all normal time with it."""
    at = np.arange(60) / 10
    times = np.concatenate([at, at[-1] + gap_s + at])
    anomalous = np.arange(120) // 20 == 2
    ratios = np.where(np.arange(120) // 20 == 4, 5.0, 0.1)
    found = evaluate(times, anomalous, ratios)
    assert (found["num_events"], found["num_events_found"], found["num_false_alarms"]) == (1, 0, 1)
    own = evaluate(at, anomalous[:60], np.full(60, 0.1))
    assert own["normal_time_in_alarm"] == 0
    # 20 s of two videos are normal, as is the alarm of two seconds and what its windows add.
    assert (
        0.1
        < found["normal_time_in_alarm"]
        == evaluate(np.concatenate([at, at[-1] + 50 + at]), anomalous, ratios)[
            "normal_time_in_alarm"
        ]
        < 0.25
    )


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


def test_a_channel_without_which_nothing_is_seen_shows_what_it_adds() -> None:
    seen, _ = an_anomaly("a")
    blind = seen.assign(channel="two", ratio=0.5)
    one, two = measure(pd.concat([seen, blind]), normal_video())["by_channel"]
    assert (one["channel"], one["auroc_micro"], one["auroc_micro_without"]) == ("one", 1.0, 0.8333)
    assert (two["auroc_micro"], two["auroc_micro_without"]) == (0.8333, 1.0)


def test_a_channel_alone_has_no_metrics_without_it() -> None:
    (only,) = measure(an_anomaly("a")[0])["by_channel"]
    assert not [name for name in only if name.endswith("_without")]


def gapped(**columns: Any) -> pd.DataFrame:
    """6 s of frames, 4 s without, and 6 s of frames; loud just before the gap."""
    times = np.concatenate([np.arange(60) / 10, 10 + np.arange(60) / 10])
    ratios = np.where((times > 5) & (times < 6), 5.0, 0.1)
    return one_video("a", times, np.arange(120) >= 110, ratios, **columns)


def test_evidence_from_before_a_gap_is_none_after_it() -> None:
    table = gapped()
    late = table[(table["time_s"] < 6) | (table["time_s"] >= 10.7)]
    watch = shipped(Watch, **{"window_s": 1.0, "stride_s": 0.5})
    windows = pd.DataFrame({"video": ["a"], "source": ["a"]})
    settings = shipped(EvaluateAlarm, num_bootstrap=5)
    found = FrameEvaluation(table, as_regions([]), late, windows, settings, watch).numbers()
    # The seven frames before the first evidence after the gap wait for it, as at a start.
    assert found["frames"]["num_waiting"] == 7
    # Only the nine loud frames are above the anomalous ones, whose ratio is the lowest.
    assert found["frames"]["auroc_micro"] == round(0.5 * (110 - 9) / 110, 4)
