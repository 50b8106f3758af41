"""What is proposed to an annotator is read back as the same tracks, within the tolerance."""

import json
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigil.domain.boxes import CORNERS
from vigil.domain.label_studio.clock import Clock
from vigil.domain.label_studio.interpolation import interpolate_task
from vigil.domain.label_studio.rate import find_rate
from vigil.domain.label_studio.reading import parse_export
from vigil.domain.proposals import label_config, number_frames, propose
from vigil.domain.thinning import choose_keyframes, is_near
from vigil.domain.tracking.table import TRACK_COLUMNS, fill_tracks, track_table
from vigil.domain.tracking.tracker import TrackedBox
from vigil.domain.tracks import Track
from vigil.domain.video_facts import Stamps, VideoFacts

SIZE_WH = (320, 240)
UNIT_S = Fraction(1, 1000)


def facts_of(stamps_ms: list[int]) -> VideoFacts:
    length = stamps_ms[-1] - stamps_ms[0]
    fps = Fraction((len(stamps_ms) - 1) * 1000, length)
    steps = set(np.diff(stamps_ms).tolist())
    return VideoFacts(SIZE_WH, len(stamps_ms), fps, len(steps) > 1, Stamps.of(stamps_ms, UNIT_S))


@st.composite
def videos(draw: st.DrawFn) -> VideoFacts:
    """Videos of constant and varying rates, some of which begin late."""
    usual = draw(st.sampled_from([17, 33, 40, 100]))
    number = draw(st.integers(2, 80))
    steps = [usual] * number
    for at in draw(st.lists(st.integers(0, number - 1), max_size=6)):
        steps[at] = draw(st.integers(10, 2500))
    first = draw(st.sampled_from([0, 0, 7, 500]))
    return facts_of(np.cumsum([first, *steps]).tolist())


@st.composite
def track_tables(draw: st.DrawFn, facts: VideoFacts) -> pd.DataFrame:
    """One to three tracks with boxes on some frames, and interpolated boxes between them."""
    times_s = facts.shown_s() - facts.shown_s()[0]
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    boxes = []
    for track_id in range(1, draw(st.integers(1, 3)) + 1):
        size = draw(st.integers(1, facts.num_frames))
        frames = np.sort(rng.choice(facts.num_frames, size, replace=False))
        walk = np.cumsum(rng.normal(0, draw(st.sampled_from([0.2, 2.0, 20.0])), (size, 4)), axis=0)
        corners = np.array([100.0, 80.0, 130.0, 150.0]) + walk
        corners = np.concatenate(
            [np.minimum(corners[:, :2], corners[:, 2:] - 1), corners[:, 2:]], 1
        )
        boxes += [
            TrackedBox(track_id, int(f), float(times_s[f]), tuple(map(float, c)), 0.5, "human")
            for f, c in zip(frames, corners, strict=True)
        ]
    return fill_tracks(track_table(boxes), times_s)


def read_back(task: Any, facts: VideoFacts) -> list[Track]:
    """The tracks that the stage `interpolate_annotations` finds in a task."""
    export = json.loads(json.dumps([task]))
    (read,) = parse_export(export, "e", labels=["human"], use_predictions=True)
    rate = find_rate(read, float(facts.fps), "e")
    assert not rate.warnings
    clock = Clock(rate.fps, facts)
    return interpolate_task(read, clock, facts, "e")


def proposed(tracks: pd.DataFrame, facts: VideoFacts, alarms: Any = ()) -> Any:
    return propose(tracks, alarms, facts, address="/data/x.mp4", source="00", model_version="m")


@given(st.data())
def test_the_reader_finds_the_tracks_again(data: st.DataObject) -> None:
    facts = data.draw(videos())
    tracks = data.draw(track_tables(facts))
    task = proposed(tracks, facts)
    found = {track.id: track for track in read_back(task, facts)}
    assert len(found) == tracks["track_id"].nunique()
    for track_id, boxes in tracks.groupby("track_id"):
        track = found[f"track_{track_id}"]
        assert track.frames.tolist() == boxes["frame_index"].tolist()
        assert track.frames_past_last_keyframe == 0, "the track ends where it ended"
        assert is_near(track.boxes_xyxy, boxes[CORNERS].to_numpy()).all()


@given(
    st.integers(2, 60), st.integers(0, 2**32 - 1), st.sampled_from([0.1, 1.0, 10.0]), st.booleans()
)
def test_no_keyframe_is_needless(number: int, seed: int, step: float, has_gaps: bool) -> None:
    rng = np.random.default_rng(seed)
    first = np.array([50.0, 50.0, 70.0, 90.0])
    boxes = first + np.cumsum(rng.normal(0, step, (number, 4)), axis=0)
    positions = np.arange(number, dtype=float)
    numbers = positions.copy()
    if has_gaps:
        numbers[1:-1][rng.random(number - 2) < 0.3] = np.nan
    kept = choose_keyframes(positions, numbers, boxes)
    assert kept[0] == 0
    assert kept[-1] == number - 1
    assert not np.isnan(numbers[kept]).any()

    def is_right(knots: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        line = [np.interp(positions, numbers[knots], column) for column in boxes[knots].T]
        near = is_near(np.stack(line, axis=1), boxes)
        return near | np.isnan(numbers) | np.isin(np.arange(number), knots)

    assert is_right(kept).all()
    if not has_gaps:
        for at in range(1, len(kept) - 1):
            assert not is_right(np.delete(kept, at)).all()


def test_a_straight_walk_has_two_keyframes() -> None:
    facts = facts_of(list(range(0, 4000, 40)))
    corners = [(1.0 * f, 20.0, 30.0 + f, 90.0) for f in range(100)]
    rows = [TrackedBox(1, f, f / 25, box, 0.7, "human") for f, box in enumerate(corners)]
    (region,) = proposed(track_table(rows), facts)["predictions"][0]["result"]
    first, last = region["value"]["sequence"]
    assert (first["frame"], first["enabled"], first["x"]) == (1, True, 0.0)
    assert (last["frame"], last["enabled"], last["time"]) == (100, False, 4.0)
    assert (region["origin"], region["score"], region["id"]) == ("prediction", 0.7, "track_1")


def test_a_rate_that_varies_gets_a_tag_that_shows_every_frame() -> None:
    facts = facts_of([0, 33, 66, 99, 116, 133, 1133])
    numbering = number_frames(facts)
    assert not np.isnan(numbering.numbers).any()
    assert numbering.fps > facts.fps
    assert Clock(float(numbering.fps), facts).indices(numbering.numbers).tolist() == list(range(7))
    steady = facts_of([0, 40, 80, 120])
    assert number_frames(steady).fps == 25
    assert number_frames(steady).numbers.tolist() == [1, 2, 3, 4]


def test_frames_that_no_number_shows_end_no_track() -> None:
    facts = facts_of([0, 40, 80, 120, 121, 122, 162])
    numbering = number_frames(facts)
    hidden = np.flatnonzero(np.isnan(numbering.numbers))
    assert len(hidden), "a millisecond is too short for the player"
    boxes = [
        TrackedBox(1, frame, frame / 25, (9.0, 9.0, 30.0, 50.0), 0.5, "human")
        for frame in range(int(hidden[-1]) + 1)
    ]
    (track,) = read_back(proposed(track_table(boxes), facts), facts)
    shown = [f for f in range(int(hidden[-1]) + 1) if f not in hidden]
    assert track.frames[-1] == shown[-1]
    only_hidden = track_table([boxes[int(hidden[0])]])
    assert proposed(only_hidden, facts)["predictions"][0]["result"] == []


def test_an_alarm_is_a_span_on_the_timeline() -> None:
    facts = facts_of(list(range(500, 4500, 40)))  # the first frame is shown at half a second
    nothing = pd.DataFrame(columns=TRACK_COLUMNS)
    task = proposed(nothing, facts, [("ab12", 1.0, 2.0)])
    (span,) = task["predictions"][0]["result"]
    assert span["value"] == {"ranges": [{"start": 39, "end": 63}], "timelinelabels": ["unusual"]}
    clock = Clock(25.0, facts)
    assert clock.indices([39, 63]).tolist() == [25, 49]
    assert read_back_empty(task)


def read_back_empty(task: Any) -> bool:
    (read,) = parse_export([task], "e", labels=["human"], use_predictions=True)
    return read.regions == () and read.counts["left_out_timelinelabels"] == 1


def test_the_sdk_of_label_studio_accepts_it() -> None:
    label_interface = pytest.importorskip(
        "label_studio_sdk.label_interface", reason="label-studio-sdk is not installed"
    )
    facts = facts_of(list(range(0, 4000, 40)))
    rows = [TrackedBox(1, f, f / 25, (9, 9, 30 + f, 50), 0.5, 'a <b> & "c"') for f in range(50)]
    task = proposed(track_table(rows), facts, [("ab12", 1.0, 2.0)])
    interface = label_interface.LabelInterface(label_config(['a <b> & "c"', "human"]))
    interface.validate()
    (prediction,) = task["predictions"]
    assert interface.validate_prediction(prediction, return_errors=True) == []
    unknown = json.loads(json.dumps(prediction).replace("unusual", "usual"))
    assert interface.validate_prediction(unknown, return_errors=True), "the check does check"
