"""Measures of watched videos: a video with a known truth, and a video without one."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vigil.domain.measures.watch import match_videos, measure_watch
from vigil.domain.watched import Truth, WatchedVideo, read_truth
from vigil.plumbing.errors import InputError

FPS = 10.0


def boxes(
    track_id: int, frames: range, x1: float
) -> list[tuple[int, int, float, float, float, float]]:
    return [(track_id, frame, x1, 0.0, x1 + 10, 20.0) for frame in frames]


def table(rows: list[tuple]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["track_id", "frame_index", "x1", "y1", "x2", "y2"])


def video(
    events: list[tuple[float, float, float]], ratios: list[float], rows: list, kept: set[int]
) -> WatchedVideo:
    starts = np.arange(len(ratios), dtype=float)
    scores = pd.DataFrame({"start_s": starts, "stop_s": starts + 1, "ratio": ratios})
    alarms = pd.DataFrame(events, columns=["start_s", "raised_s", "end_s"]).astype(float)
    return WatchedVideo(
        len(ratios) * 10, FPS, float(len(ratios)), alarms, scores, table(rows), frozenset(kept)
    )


def truth(events: list[tuple[str, float, float]], rows: list | None) -> Truth:
    known = pd.DataFrame(events, columns=["kind", "start_s", "end_s"])
    return Truth(known, None if rows is None else table(rows))


def test_events_frames_and_tracks_are_counted():
    person = boxes(1, range(60), 0.0)
    watched = video(
        [(1.5, 2.5, 4.0), (8.0, 9.0, 9.5)],
        [0.1, 0.2, 3.0, 3.0, 0.1, 0.1, 0.1, 0.1, 2.0, 0.1],
        [*boxes(5, range(60), 1.0), *boxes(6, range(60), 300.0)],
        kept={5},
    )
    known = truth([("falling", 2.0, 4.0), ("running", 5.0, 7.0)], person)
    numbers = measure_watch(match_videos({"a": watched, "b": watched}, {"a": known}), 0.5)
    assert numbers["num_videos"] == 1
    assert (numbers["event_recall"], numbers["num_false_alarms"]) == (0.5, 1)
    assert numbers["false_alarms_per_hour"]["seen"] == pytest.approx(360)
    assert numbers["delay_s"] == pytest.approx(0.5)
    assert numbers["recall_by_kind"] == [
        {"kind": "falling", "num_events": 1, "num_found": 1},
        {"kind": "running", "num_events": 1, "num_found": 0},
    ]
    assert 0.5 < numbers["frames"]["auroc_micro"] < 1
    assert numbers["tracks"]["mota"] == 1
    assert numbers["tracks"]["false_tracks_per_hour"]["seen"] == 0
    assert numbers["tracks_unjudged"]["mota"] == 0
    assert numbers["tracks_unjudged"]["false_tracks_per_hour"]["seen"] == pytest.approx(360)


def test_nothing_known_is_nothing_measured():
    watched = video([], [0.1, 0.2], [], set())
    numbers = measure_watch(match_videos({"a": watched}, {}), 0.5)
    assert numbers["num_videos"] == 0
    assert numbers["event_recall"] is None
    assert numbers["tracks"] is None
    json.dumps(numbers, allow_nan=False)


def test_a_video_without_events_has_no_recall_and_is_named():
    watched = video([], [0.1, 0.2], [], set())
    numbers = measure_watch(match_videos({"a": watched}, {"a": truth([], None)}), 0.5)
    assert numbers["event_recall"] is None
    assert numbers["frames"]["videos_of_one_kind"] == ["a"]
    assert numbers["false_alarms_per_hour"]["seen"] == 0


@pytest.mark.parametrize(
    "content",
    [
        [],
        {"a": {}},
        {"a": {"events": [{"kind": "x", "start_s": 2, "end_s": 1}]}},
        {"a": {"events": [], "tracks": {"1": {"x": [0, 0, 1, 1]}}}},
        {"a": {"events": [], "tracks": {"1": {"0": [0, 0, 1]}}}},
    ],
)
def test_a_truth_of_another_form_is_refused(tmp_path: Path, content: object):
    (tmp_path / "truth.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"truth\.json: expected events and tracks by video"):
        read_truth(tmp_path / "truth.json")
