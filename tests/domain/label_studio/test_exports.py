"""Exports that a real Label Studio wrote; exports/README.md says how each was made."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vigil.domain.label_studio.clock import Clock
from vigil.domain.label_studio.interpolation import interpolate_task
from vigil.domain.label_studio.names import match_videos
from vigil.domain.label_studio.rate import BY_TIME, FROM_ZERO, find_rate
from vigil.domain.label_studio.reading import parse_export
from vigil.domain.label_studio.tasks import Task
from vigil.domain.tracks import Track
from vigil.domain.video_facts import Stamps, VideoFacts
from vigil.plumbing.errors import InputError

FOLDER = Path(__file__).parent / "exports"
ON_SCREEN = json.loads((FOLDER.parent / "frames_on_screen.json").read_text())
LABELS = ("Car", "Man")


def parse(name: str, **options: Any) -> list[Task]:
    export = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return parse_export(export, name, labels=LABELS, **options)


def facts_of(video: str) -> VideoFacts:
    told = ON_SCREEN["stamps"].get(video, {"first": 0, "steps": "1*149", "unit_s": "1/25"})
    runs = [run.partition("*") for run in told["steps"].split()]
    steps = tuple((int(step), int(number or 1)) for step, _, number in runs)
    stamps = Stamps(Fraction(told["unit_s"]), told["first"], steps)
    return VideoFacts((100, 100), stamps.num_frames, Fraction(told.get("fps", 25)), False, stamps)


def tracks_of(task: Task, video: str = "c25.mp4") -> list[Track]:
    facts = facts_of(video)
    rate = find_rate(task, float(facts.fps), "export")
    return interpolate_task(task, Clock(rate.fps, facts), facts, "export")


DRAWN = {
    ("24", "c25.mp4"): [0, 12, 61, 147],
    ("25", "vlate.mp4"): [0, 0, 0, 46, 98],
    ("30", "n2997.mp4"): [0, 98, 238],
    ("30", "vgap.mp4"): [59, 59, 59, 60, 61],
    ("30", "vphone.mp4"): [0, 60, 60, 61, 89],
    ("30", "c30long_audio.mp4"): [0, 179, 179],
}
"""The decoded frame on the canvas when each box was drawn, by the tag's rate and the video."""


@pytest.mark.parametrize(("tag", "video"), DRAWN)
def test_a_box_is_on_the_frame_that_it_was_drawn_on(tag: str, video: str) -> None:
    (task,) = parse(f"drawn_tag{tag}_{video.removesuffix('.mp4')}")
    known = "c30.mp4" if video == "c30long_audio.mp4" else video  # with a longer sound track
    facts = facts_of(known)
    rate = find_rate(task, float(facts.fps), "export")
    assert (rate.fps, rate.source) == (float(tag), BY_TIME)
    clock = Clock(rate.fps, facts)
    frames = [region.keyframes[0].frame for region in task.regions]
    assert clock.indices(frames).tolist() == DRAWN[tag, video]
    tracks = interpolate_task(task, clock, facts, "export")
    assert [int(track.frames[0]) for track in tracks] == DRAWN[tag, video]


@pytest.mark.parametrize("kind", ["", ".interpolated", ".min", ".min.interpolated"])
def test_all_kinds_of_export_mean_the_same(kind: str) -> None:
    (task,) = parse(f"one_control{kind}")
    car, man = tracks_of(task)
    assert (car.label, man.label) == LABELS
    assert car.frames.tolist() == [*range(9, 30), *range(49, 60)]
    assert man.frames.tolist() == list(range(99, 150))
    assert car.frames_past_last_keyframe == 0
    assert man.frames_past_last_keyframe == 50  # filled in by the server too
    by_frame = dict(zip(car.frames.tolist(), car.boxes_xyxy[:, 0].tolist(), strict=True))
    assert by_frame[9] == pytest.approx(10.15625)
    assert by_frame[19] == pytest.approx(30.15625)
    assert by_frame[29] == by_frame[49] == pytest.approx(50.15625)
    assert by_frame[59] == pytest.approx(20.15625)
    assert task.counts.get("keyframes_filled_in", 0) == (78 if "interpolated" in kind else 0)


def test_filled_in_rotation_goes_the_way_that_the_annotator_saw() -> None:
    (plain,), (filled,) = (parse(f"rotation_over_180{kind}") for kind in ("", ".interpolated"))
    for one, other in zip(tracks_of(plain), tracks_of(filled), strict=True):
        np.testing.assert_array_equal(one.frames, other.frames)
        np.testing.assert_array_equal(one.boxes_xyxy, other.boxes_xyxy)


@pytest.mark.parametrize("name", ["more_controls.min", "answers_multiple_choice.min"])
def test_answers_beside_boxes_are_no_boxes(name: str) -> None:
    (task,) = parse(name)
    assert [region.label for region in task.regions] == ["Car"]
    assert task.warnings == ()
    kinds = {kind for kind, number in task.counts.items() if number} - {"regions_without_id"}
    expected = {
        "more_controls.min": {"left_out_timelinelabels"},
        "answers_multiple_choice.min": {f"left_out_{n}" for n in ("choices", "number", "rating")},
    }
    assert kinds == expected[name]


@pytest.mark.parametrize("kind", ["", ".min"])
def test_a_label_of_the_timeline_is_no_label_of_a_box(kind: str) -> None:
    with pytest.raises(InputError, match="expected a label"):
        parse(f"box_with_timeline_label{kind}")
    (task,) = parse(f"box_with_timeline_label{kind}", unlabelled="Man")
    assert [(region.label, len(region.keyframes)) for region in task.regions] == [("Man", 2)]
    assert task.counts["left_out_timelinelabels"] == 1


@pytest.mark.parametrize("name", ["two_annotators", "two_annotators.min", "reimported"])
def test_two_annotators_are_refused_or_chosen_from(name: str) -> None:
    with pytest.raises(
        InputError, match=r"\d+ by [12] \(1 box track\), \d+ by [12] \(1 box track\)"
    ):
        parse(name)
    for rule, labels in (("1", ["Car"]), ("2", ["Man"]), ("newest", ["Man"])):
        (task,) = parse(name, annotators=rule)
        assert [region.label for region in task.regions] == labels
    (merged,) = parse(name, annotators="merge")
    assert sorted(region.label for region in merged.regions) == ["Car", "Man"]


@pytest.mark.parametrize("kind", ["", ".min"])
def test_a_newer_empty_annotation_takes_nothing_away_in_silence(kind: str) -> None:
    with pytest.raises(InputError, match=r"by 2 \(0 box tracks\)"):
        parse(f"newer_empty{kind}")
    (newest,) = parse(f"newer_empty{kind}", annotators="newest")
    assert newest.regions == ()
    assert "0 box tracks" in newest.warnings[0]
    (merged,) = parse(f"newer_empty{kind}", annotators="merge")
    assert len(merged.regions) == 1


def test_an_empty_row_is_a_finished_task_or_one_of_nobody() -> None:
    (task,) = parse("only_empty.min")
    assert task.regions == ()
    with pytest.raises(InputError, match="expected an annotation, found none"):
        parse("unannotated.min")


def test_an_emptied_region_is_left_out() -> None:
    (task,) = parse("empty_sequence")
    assert [region.label for region in task.regions] == ["Car"]
    assert task.counts["empty_regions"] == 1


def test_a_draft_is_told() -> None:
    (task,) = parse("draft_over_annotation")
    assert [len(region.keyframes) for region in task.regions] == [1]
    assert "drafts left out: 1" in task.warnings[0]


def test_what_a_program_posted() -> None:
    (task,) = parse("api_annotation_without_ids")
    (track,) = tracks_of(task)
    assert track.frames.tolist() == list(range(9, 20))
    assert track.id == "task473_1"
    assert find_rate(task, 25.0, "export").source == FROM_ZERO


def test_predictions_of_a_quick_export_are_ids_alone() -> None:
    export = json.loads((FOLDER / "predictions_unseen.json").read_text(encoding="utf-8"))
    with_predictions = [task for task in export if task["predictions"]]
    for task in with_predictions:
        with pytest.raises(InputError, match="expected predictions with their results"):
            parse_export([task], "x", labels=LABELS, use_predictions=True)
    assert len(with_predictions) == 2


def test_predictions_of_a_snapshot_are_whole() -> None:
    export = json.loads((FOLDER / "snapshot_with_predictions.json").read_text(encoding="utf-8"))
    export[0]["annotations"] = []
    (task,) = parse_export(export, "x", labels=LABELS, use_predictions=True)
    assert [region.id for region in task.regions] == ["task472_1", "task472_2"]
    assert [track.frames.tolist() for track in tracks_of(task)] == [list(range(9, 20))] * 2


def test_local_files_keep_their_names() -> None:
    export = json.loads((FOLDER / "local_files.json").read_text(encoding="utf-8"))
    sources = [task["data"]["video"] for task in export]
    tasks = [Task(str(n), source, (), ()) for n, source in enumerate(sources)]
    names = ["a b.mp4", "a&b+c.mp4", "100%.mp4", "день.mp4", "Zürich.mp4", "x#1?.mp4", "q'1'.mp4"]
    found = match_videos(tasks, names, "local_files.json")
    assert len({task.id for task in found.values()}) == len(names)
