"""Events on a timeline come back as the times that they had, to a frame."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigil.domain.proposals import propose
from vigil.domain.tracking.table import track_table
from vigil.domain.video_facts import Stamps, VideoFacts
from vigil.plumbing.errors import InputError
from vigil.review.corrected_events import events_of


def facts_of(num_frames: int, fps: int, first_ms: int = 0) -> VideoFacts:
    stamps = [first_ms + round(1000 * index / fps) for index in range(num_frames)]
    stamped = Stamps.of(stamps, Fraction(1, 1000)) if first_ms else None
    return VideoFacts((96, 72), num_frames, Fraction(fps), False, stamped)


def task(alarms: list[tuple[str, float, float]], facts: VideoFacts) -> dict[str, Any]:
    """A proposal that a person accepted as it is."""
    proposed = propose(
        track_table([]), alarms, facts, address="/data/a.mp4", source="0" * 64, model_version="1"
    )
    return {
        "data": proposed["data"],
        "annotations": [{"id": 1, "result": proposed["predictions"][0]["result"]}],
    }


@given(
    fps=st.sampled_from([5, 12, 25, 30]),
    start=st.integers(0, 90),
    length=st.integers(1, 60),
    first_ms=st.sampled_from([0, 80, 3000, 12_345]),
)
def test_accepted_alarms_are_the_events(fps: int, start: int, length: int, first_ms: int) -> None:
    """Also of a file whose pictures begin after its sound."""
    facts = facts_of(201, fps, first_ms)
    times_s = facts.shown_s() - facts.shown_s()[0]
    first, second = times_s[[start, start + length]].tolist(), times_s[[180, 200]].tolist()
    alarms = [("a", *first), ("b", *second)]
    found = events_of(task(alarms, facts), "error", "door.mp4")
    assert found is not None
    assert [event["kind"] for event in found] == ["unusual"] * 2
    for event, (_, start_s, end_s) in zip(found, alarms, strict=True):
        assert event["start_s"] == pytest.approx(start_s, abs=1 / fps + 1e-3)
        assert event["end_s"] == pytest.approx(end_s, abs=1 / fps + 1e-3)


def test_a_person_may_remove_all_and_may_draw_others() -> None:
    facts = facts_of(200, 10)
    entry = task([], facts)
    assert events_of(entry, "error", "door.mp4") == []
    result = entry["annotations"][0]["result"]
    for start, end in ((51, 80), (11, 20), (11, 20)):
        value = {"ranges": [{"start": start, "end": end}], "timelinelabels": ["falling"]}
        result.append({"id": "x", "type": "timelinelabels", "value": value})
    assert events_of(entry, "error", "door.mp4") == [
        {"kind": "falling", "start_s": 1.0, "end_s": 2.0},
        {"kind": "falling", "start_s": 5.0, "end_s": 8.0},
    ]


def test_of_a_video_that_nobody_watched_nothing_is_known() -> None:
    entry = task([("a", 1.0, 2.0)], facts_of(200, 10))
    del entry["data"]["source_sha256"]
    assert events_of(entry, "error", "door.mp4") is None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"ranges": [{"start": 0, "end": 4}]}, "expected spans of frames from 1 on, got 0 to 4"),
        ({"ranges": [{"start": 9, "end": 4}]}, "expected spans of frames from 1 on, got 9 to 4"),
        ({"ranges": [{"start": 1}]}, "expected a span of the timeline with one label"),
        ({"ranges": 3}, "expected a span of the timeline with one label"),
        ({"timelinelabels": []}, "expected a span of the timeline with one label"),
        ({"timelinelabels": ["a", "b"]}, "expected a span of the timeline with one label"),
    ],
)
def test_spans_that_are_none_are_refused(value: dict[str, Any], message: str) -> None:
    entry = task([("a", 1.0, 2.0)], facts_of(200, 10))
    entry["annotations"][0]["result"][0]["value"].update(value)
    with pytest.raises(InputError, match=f"^door.mp4: {message}"):
        events_of(entry, "error", "door.mp4")


def test_spans_need_a_frame_rate() -> None:
    entry = task([("a", 1.0, 2.0)], facts_of(200, 10))
    for fps in (None, 0.0, "12", float("nan")):
        entry["data"]["fps"] = fps
        with pytest.raises(InputError, match=r"^door.mp4: data\.fps: expected a frame rate, got"):
            events_of(entry, "error", "door.mp4")


def test_spans_need_a_first_frame_and_do_not_end_before_it() -> None:
    entry = task([("a", 1.0, 2.0)], facts_of(200, 10, 3000))
    assert entry["data"]["first_frame_s"] == 3.0
    value = entry["annotations"][0]["result"][0]["value"]
    value["ranges"] = [{"start": 11, "end": 45}]
    assert events_of(entry, "error", "a") == [{"kind": "unusual", "start_s": 0.0, "end_s": 1.5}]
    value["ranges"] = [{"start": 11, "end": 30}]
    with pytest.raises(InputError, match=r"^a: expected spans from the first frame .* at 3 s, got"):
        events_of(entry, "error", "a")
    for first in (None, "3", float("inf")):
        entry["data"]["first_frame_s"] = first
        with pytest.raises(InputError, match=r"^a: data\.first_frame_s: expected the time of the"):
            events_of(entry, "error", "a")


def spans(*ends: int) -> list[dict[str, Any]]:
    """Spans of the timeline from frame 1 on, as results with ids of their own."""
    values = [{"ranges": [{"start": 1, "end": end}], "timelinelabels": ["fall"]} for end in ends]
    return [{"id": f"r{n}", "type": "timelinelabels", "value": one} for n, one in enumerate(values)]


def two(first: list[dict[str, Any]], second: list[dict[str, Any]]) -> dict[str, Any]:
    entry = task([], facts_of(200, 10))
    entry["annotations"] = [{"id": 1, "result": first}, {"id": 2, "result": second}]
    return entry


def ends_of(entry: dict[str, Any], annotators: str) -> list[float]:
    events = events_of(entry, annotators, "door.mp4")
    assert events is not None
    return [event["end_s"] for event in events]


def test_annotators_with_equal_boxes_and_other_spans_differ() -> None:
    entry = two(spans(20), spans(90))
    with pytest.raises(InputError, match=r"door\.mp4: expected .* alike on the timeline"):
        events_of(entry, "error", "door.mp4")
    entry["annotations"][0]["created_at"] = "2026-01-02T00:00:00Z"
    entry["annotations"][1]["created_at"] = "2026-01-01T00:00:00Z"
    assert ends_of(entry, "newest") == [2.0]
    entry["annotations"][1]["ground_truth"] = True
    assert ends_of(entry, "ground_truth") == [9.0]


def test_merged_spans_of_one_event_are_one_event() -> None:
    entry = two(spans(20), spans(21))
    value = {"ranges": [{"start": 15, "end": 30}], "timelinelabels": ["fight"]}
    entry["annotations"][1]["result"].append({"type": "timelinelabels", "value": value})
    assert events_of(entry, "merge", "door.mp4") == [
        {"kind": "fall", "start_s": 0.0, "end_s": 2.1},
        {"kind": "fight", "start_s": 1.4, "end_s": 3.0},
    ]


def test_one_region_with_two_ranges_is_as_two_regions() -> None:
    first = {"start": 1, "end": 20}, {"start": 31, "end": 40}
    value = {"ranges": [first[1], first[0]], "timelinelabels": ["fall"]}
    apart = [
        {"type": "timelinelabels", "value": {"ranges": [one], "timelinelabels": ["fall"]}}
        for one in first
    ]
    entry = two([{"type": "timelinelabels", "value": value}], apart)
    assert ends_of(entry, "error") == [2.0, 4.0]


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 20)), min_size=1, max_size=6))
def test_united_spans_cover_the_same_frames_and_do_not_overlap(
    drawn: list[tuple[int, int]],
) -> None:
    ranges = [{"start": start, "end": start + length} for start, length in drawn]
    entry = task([], facts_of(200, 10))
    value = {"ranges": ranges, "timelinelabels": ["fall"]}
    entry["annotations"][0]["result"].append({"type": "timelinelabels", "value": value})
    events = events_of(entry, "error", "door.mp4")
    assert events is not None
    covered = [
        frame
        for one in events
        for frame in range(round(one["start_s"] * 10) + 1, round(one["end_s"] * 10) + 1)
    ]
    marked = {frame for start, length in drawn for frame in range(start, start + length + 1)}
    assert covered == sorted(marked)


@pytest.mark.parametrize("key", ["fps", "first_frame_s"])
@pytest.mark.parametrize("value", [10**400, True, "1"])
def test_what_is_no_number_of_seconds_or_frames_is_refused(key: str, value: object) -> None:
    entry = task([("a", 1.0, 2.0)], facts_of(60, 10))
    entry["data"][key] = value
    with pytest.raises(InputError, match=rf"^a: data\.{key}: expected "):
        events_of(entry, "error", "a")


def test_a_span_far_beyond_any_video_is_refused() -> None:
    entry = task([("a", 1.0, 2.0)], facts_of(60, 10))
    (span,) = (
        one["value"]
        for one in entry["annotations"][0]["result"]
        if "timelinelabels" in one["value"]
    )
    span["ranges"][0]["end"] = 10**400
    with pytest.raises(InputError, match=r"^a: expected a span of the timeline"):
        events_of(entry, "error", "a")
