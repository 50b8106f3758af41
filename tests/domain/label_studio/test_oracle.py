"""Changes that keep the meaning of an export: the boxes stay, and the change is reported.

Changes that real servers, programs and people make to an export are drawn at random and applied
one after the other. An export that is accepted must give the boxes of the original export.
"""

import copy
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_studio_sdk._extensions.label_studio_tools.postprocessing.video import extract_key_frames
from tiny_exports import Json, annotation, keyframe, region, task

from vigil.domain.label_studio.clock import Clock
from vigil.domain.label_studio.interpolation import interpolate_task
from vigil.domain.label_studio.names import match_videos, stored_name
from vigil.domain.label_studio.rate import find_rate
from vigil.domain.label_studio.reading import parse_export
from vigil.domain.tracks import Track
from vigil.domain.video_facts import VideoFacts
from vigil.plumbing.errors import InputError

VIDEO = "gate (1) & Süd.mp4"
FPS, NUM_FRAMES = 25.0, 120
FACTS = VideoFacts((100, 100), NUM_FRAMES, Fraction(25))
Told = list[str]
"""Names of counts, and parts of warnings, that a change brings."""


def results_of(task: Json) -> list[Json]:
    return task["annotations"][0]["result"]


def boxes_of(task: Json) -> list[Json]:
    return [one for one in results_of(task) if one["type"] == "videorectangle"]


def shuffled(task: Json, draw: st.DrawFn) -> Told:
    for one in boxes_of(task):
        one["value"]["sequence"] = list(draw(st.permutations(one["value"]["sequence"])))
    return []


def without_ids(task: Json, draw: st.DrawFn) -> Told:
    for one in boxes_of(task):
        one.pop("id", None)
    return ["regions_without_id"]


def with_an_empty_region(task: Json, draw: st.DrawFn) -> Told:
    results_of(task).append(region("empty", []))
    return ["empty_regions"]


def with_answers(task: Json, draw: st.DrawFn) -> Told:
    box = boxes_of(task)[0]
    value = {**copy.deepcopy(box["value"]), "choices": ["runs"]}
    del value["labels"]
    results_of(task).append({"id": box.get("id", "x"), "type": "choices", "value": value})
    return ["left_out_choices"]


def with_a_scene(task: Json, draw: st.DrawFn) -> Told:
    value = {"ranges": [{"start": 1, "end": 9}], "timelinelabels": ["Scene"]}
    results_of(task).append({"id": "scene", "type": "timelinelabels", "value": value})
    return ["left_out_timelinelabels"]


def with_a_skipped_annotation(task: Json, draw: st.DrawFn) -> Told:
    skipped = annotation([region("s", [keyframe(5)])], was_cancelled=True, id=90)
    task["annotations"].append(skipped)
    return ["annotations_cancelled"]


def with_a_copy_of_the_annotation(task: Json, draw: st.DrawFn) -> Told:
    other = copy.deepcopy(task["annotations"][0])
    task["annotations"].insert(0, {**other, "id": 91, "completed_by": 2})
    return ["annotations_left_out"]


def with_a_draft(task: Json, draw: st.DrawFn) -> Told:
    task["drafts"] = [{"result": [region("d", [keyframe(7)])]}]
    return ["drafts_left_out"]


def counted_from_zero(task: Json, draw: st.DrawFn) -> Told:
    for one in boxes_of(task):
        for item in one["value"]["sequence"]:
            item["time"] = (item["frame"] - 1) / FPS
    return ["from (frame - 1) / time"]


def rounded(task: Json, draw: st.DrawFn) -> Told:
    for one in boxes_of(task):
        for item in one["value"]["sequence"]:
            item["time"] = round(item["frame"] / FPS, draw(st.integers(2, 4)))
    return []


def of_a_wrong_length(task: Json, draw: st.DrawFn) -> Told:
    for one in boxes_of(task):
        one["value"].update(framesCount=300, duration=10.0)
    return ["framesCount / duration is 300 / 10"]


def filled_in(task: Json, draw: st.DrawFn) -> Told:
    is_changed = False
    for one in boxes_of(task):
        if sequence := one["value"]["sequence"]:
            one["value"] = extract_key_frames([one])[0]["value"]
            is_changed |= len(one["value"]["sequence"]) > len(sequence)
    return ["keyframes_filled_in"] if is_changed else []


Change = Callable[[Json, st.DrawFn], Told]
CHANGES: list[Change] = [
    *(shuffled, without_ids, with_an_empty_region, with_answers, with_a_scene),
    *(with_a_draft, of_a_wrong_length, filled_in, with_a_skipped_annotation),
    with_a_copy_of_the_annotation,
]
TIMES: list[Change] = [counted_from_zero, rounded]


@st.composite
def exports(draw: st.DrawFn) -> tuple[Json, Json, Told]:
    """A task, the task after some changes, and what must be reported about them."""
    regions = []
    for number in range(draw(st.integers(1, 3))):
        frames = sorted(draw(st.sets(st.integers(1, NUM_FRAMES), min_size=3, max_size=6)))
        sequence = [
            keyframe(frame, float(draw(st.integers(0, 60))), enabled=draw(st.booleans()), fps=FPS)
            for frame in frames
        ]
        regions.append(region(f"r{number}", sequence))
        regions[-1]["value"].update(framesCount=NUM_FRAMES, duration=NUM_FRAMES / FPS)
    original = task(f"/data/upload/7/0a1b2c3d-{stored_name(VIDEO)}", regions)
    changed, told = copy.deepcopy(original), []
    for change in draw(st.lists(st.sampled_from(TIMES), max_size=1)):
        told += change(changed, draw)
    chosen = draw(st.lists(st.sampled_from(CHANGES), unique=True, max_size=4))
    # A copy has all changes that its original has.
    for change in sorted(chosen, key=lambda change: change is with_a_copy_of_the_annotation):
        told += change(changed, draw)
    return original, changed, told


def read(export: Any) -> tuple[list[Track], str]:
    """The tracks of the only task, and all reports on how it was read."""
    tasks = parse_export(export, "export.json", labels=["human"])
    found = match_videos(tasks, [VIDEO], "export.json")[VIDEO]
    rate = find_rate(found, FPS, "export.json")
    told = [*found.warnings, *rate.warnings, *(n for n, number in found.counts.items() if number)]
    clock = Clock(rate.fps, FACTS)
    return interpolate_task(found, clock, FACTS, "export.json"), "\n".join(told)


def assert_same(found: list[Track], expected: list[Track], with_ids: bool) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert (one.label, one.id if with_ids else "") == (
            other.label,
            other.id if with_ids else "",
        )
        assert one.frames.tolist() == other.frames.tolist()
        assert one.frames_past_last_keyframe == other.frames_past_last_keyframe
        np.testing.assert_allclose(one.boxes_xyxy, other.boxes_xyxy, atol=1e-9)


@settings(max_examples=300)
@given(exports())
def test_the_boxes_stay_and_the_changes_are_told(drawn: tuple[Json, Json, Told]) -> None:
    original, changed, expected = drawn
    tracks, nothing = read([original])
    assert nothing == ""
    found, told = read([changed])
    assert_same(found, tracks, with_ids="regions_without_id" not in expected)
    for part in expected:
        assert part in told


@settings(max_examples=100)
@given(exports())
def test_json_min_means_the_same(drawn: tuple[Json, Json, Told]) -> None:
    original, changed, _ = drawn
    rows = []
    for one in changed["annotations"]:
        if one["was_cancelled"]:
            continue
        row: Json = {"id": changed["id"], **changed["data"]}
        for result in one["result"]:
            name = "box" if result["type"] == "videorectangle" else f"own_{result['type']}"
            row.setdefault(name, []).append(result["value"])
        rows.append({**row, "annotator": one.get("completed_by"), "annotation_id": one["id"]})
    assert_same(read(rows)[0], read([original])[0], with_ids=False)


@settings(max_examples=100)
@given(exports(), st.sampled_from(["moved", "empty", "relabelled"]))
def test_another_annotation_that_differs_is_never_taken_in_silence(
    drawn: tuple[Json, Json, Told], kind: str
) -> None:
    _, changed, _ = drawn
    other = copy.deepcopy(changed["annotations"][-1]) | {"id": 95, "was_cancelled": False}
    box = next(one for one in other["result"] if one["type"] == "videorectangle")
    if kind == "moved":
        box["value"]["sequence"][0]["x"] = 77.7
    elif kind == "relabelled":
        box["value"]["labels"] = ["dog"]
    else:
        other["result"] = []
    changed["annotations"].append(other)
    with pytest.raises(InputError, match="or several that are alike"):
        read([changed])
