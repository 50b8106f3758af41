"""Measures of watched videos: a video with a known truth, and a video without one."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vigil.domain.measures.watch import match_videos, measure_watch, score_frames_of
from vigil.domain.watched import EVIDENCE_TYPES, Truth, WatchedVideo, read_truth
from vigil.plumbing.errors import InputError

FPS = 10.0


def boxes(
    track_id: int, frames: range, x1: float
) -> list[tuple[int, int, float, float, float, float]]:
    return [(track_id, frame, x1, 0.0, x1 + 10, 20.0) for frame in frames]


def table(rows: list[tuple]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["track_id", "frame_index", "x1", "y1", "x2", "y2"])


def video(
    events: list[tuple[float, float, float]],
    ratios: list[float],
    rows: list,
    kept: set[int],
    evidence: pd.DataFrame | None = None,
) -> WatchedVideo:
    starts = np.arange(len(ratios), dtype=float)
    scores = pd.DataFrame({"start_s": starts, "stop_s": starts + 1, "ratio": ratios})
    alarms = pd.DataFrame(events, columns=["start_s", "raised_s", "end_s"]).astype(float)
    return WatchedVideo(
        np.arange(len(ratios) * 10) / FPS,
        np.empty(0),
        float(len(ratios)),
        alarms,
        scores,
        evidence if evidence is not None else pd.DataFrame(columns=list(EVIDENCE_TYPES)),
        table(rows),
        frozenset(kept),
    )


def truth(events: list[tuple[str, float, float]], rows: list | None) -> Truth:
    known = pd.DataFrame(events, columns=["kind", "start_s", "end_s"])
    return Truth(known, None if rows is None else table(rows))


def test_frames_count_at_their_own_times():
    """As in a recording whose camera lost its signal from 2 s to 22 s, and then saw a fall."""
    watched = video([], [0.1, 0.2, 3.0, 3.0, 0.1], [], set())
    shift = np.where(np.arange(5) >= 2, 20.0, 0.0)
    scores = watched.scores.assign(
        start_s=watched.scores["start_s"] + shift, stop_s=watched.scores["stop_s"] + shift
    )
    times_s = watched.times_s + np.repeat(shift, 10)
    late = replace(watched, times_s=times_s, restarts_s=np.array([22.0]), scores=scores)
    known = truth([("falling", 22.0, 24.0)], None)
    (measured,) = match_videos({"a": late}, {"a": known}).values()
    by_frame, is_true = score_frames_of(measured)
    assert is_true.tolist() == [False] * 20 + [True] * 20 + [False] * 10
    assert by_frame.tolist() == [0.1] * 10 + [0.2] * 10 + [3.0] * 20 + [0.1] * 10
    numbers = measure_watch({"a": measured}, 0.5)
    assert numbers["frames"]["auroc_micro"] == 1.0


def test_places_from_before_a_gap_are_not_known_after_it():
    person = boxes(1, range(20, 30), 0.0)
    elsewhere = (300.0, 0.0, 310.0, 20.0)
    rows = [("lamp", 1.0, 0.0, 0.0, 10.0, 20.0, 2.0), ("lamp", 2.9, *elsewhere, 2.0)]
    watched = video([], [0.1] * 4, [], set(), pd.DataFrame(rows, columns=list(EVIDENCE_TYPES)))
    known = replace(truth([("falling", 2.0, 3.0)], person), participants=(frozenset({1}),))
    gone = replace(watched, restarts_s=np.array([2.0]))
    rates = [
        measure_watch(match_videos({"a": one}, {"a": known}), 0.5)["regions"]["rbdc"]
        for one in (watched, gone)
    ]
    assert rates[0] > rates[1] == 0


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


def evidence(frames: range, box: tuple[float, ...], ratio: float) -> pd.DataFrame:
    rows = [("cells", frame / FPS, *box, ratio) for frame in frames]
    return pd.DataFrame(rows, columns=list(EVIDENCE_TYPES))


def test_the_place_of_evidence_is_compared_with_the_people_of_an_event():
    """A runner in half of the video; the other person takes no part."""
    rows = [*boxes(1, range(60), 0.0), *boxes(2, range(60), 50.0)]
    known = truth([("running", 2.0, 4.0)], rows)
    people = Truth(known.events, known.tracks, (frozenset({1}),))

    def measure(found: pd.DataFrame, of: Truth = people) -> dict | None:
        watched = video([], [0.1] * 6, [], set(), found)
        return measure_watch(match_videos({"a": watched}, {"a": of}), 0.5)["regions"]

    quiet = evidence(range(60), (200, 200, 210, 210), 0.1)
    on_runner = evidence(range(20, 40), (0, 0, 10, 20), 3.0)
    on_other = evidence(range(20, 40), (50, 0, 60, 20), 3.0)
    assert measure(pd.concat([quiet, on_runner])) == {"rbdc": 1.0, "tbdc": 1.0}
    assert measure(pd.concat([quiet, on_other])) == {"rbdc": 0.0, "tbdc": 0.0}
    assert measure(on_runner.iloc[:0]) == {"rbdc": 0.0, "tbdc": 0.0}
    assert measure(on_runner, known) is None


def test_the_people_of_an_event_are_those_of_its_file(tmp_path: Path):
    box = [0, 0, 1, 1]
    event = {"kind": "x", "start_s": 0, "end_s": 1, "tracks": [10, 2]}
    content = {"a": {"events": [event], "tracks": {"10": {"0": box}, "7": {}, "2": {"0": box}}}}
    (tmp_path / "truth.json").write_text(json.dumps(content))
    read = read_truth(tmp_path / "truth.json")["a"]
    assert read.participants == (frozenset(read.tracks["track_id"]),)
    assert read.tracks["track_id"].tolist() == [1, 3]
    del event["tracks"]
    (tmp_path / "truth.json").write_text(json.dumps(content))
    assert read_truth(tmp_path / "truth.json")["a"].participants is None


@pytest.mark.parametrize(
    "content",
    [
        [],
        {"a": {}},
        {"a": {"events": [{"kind": "x", "start_s": 2, "end_s": 1}]}},
        {"a": {"events": [{"kind": "x", "start_s": 0, "end_s": 1, "tracks": [3]}], "tracks": {}}},
        {"a": {"events": [], "tracks": {"1": {"x": [0, 0, 1, 1]}}}},
        {"a": {"events": [], "tracks": {"1": {"0": [0, 0, 1]}}}},
    ],
)
def test_a_truth_of_another_form_is_refused(tmp_path: Path, content: object):
    (tmp_path / "truth.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"truth\.json: expected events and tracks by video"):
        read_truth(tmp_path / "truth.json")
