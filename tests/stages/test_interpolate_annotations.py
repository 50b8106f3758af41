import json
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import NUM_FRAMES, SIZE_WH, VIDEOS, Outcome, Project, scene_boxes
from tiny_exports import keyframe, region, terminator
from tiny_videos import write_coded_video

from vigil.domain.tracks import read_tracks

Run = Callable[..., Outcome]
STAGE = "interpolate_annotations"


@pytest.fixture
def project(project_before: Callable[[str], Project]) -> Project:
    return project_before(STAGE)


def made(project: Project, video: str = "door_1.mp4") -> Path:
    return project.folder / "data/annotations" / video


def report(project: Project, video: str = "door_1.mp4") -> dict:
    return json.loads((made(project, video) / "report.json").read_text())


def test_tracks_are_where_the_people_walk(project: Project, run_stage: Run) -> None:
    outcome = run_stage(project, STAGE)
    assert (outcome.code, outcome.stderr) == (0, "")
    assert {path.name for path in (project.folder / "data/annotations").iterdir()} == set(VIDEOS)
    for number, video in enumerate(VIDEOS):
        tracks = read_tracks(made(project, video) / "ieos_vid_labels")
        assert [track.id for track in tracks] == [f"v{number}-person_0", f"v{number}-person_1"]
        for person, track in enumerate(tracks):
            assert track.label == "human"
            assert track.frames.tolist() == list(range(NUM_FRAMES))
            np.testing.assert_allclose(track.boxes_xyxy, scene_boxes(number, person), atol=1e-2)


def test_coco_has_an_image_for_every_frame(project: Project, run_stage: Run) -> None:
    run_stage(project, STAGE)
    coco = json.loads((made(project) / "coco.json").read_text())
    assert len(coco["images"]) == NUM_FRAMES
    assert len(coco["annotations"]) == 2 * NUM_FRAMES
    assert coco["categories"] == [{"id": 1, "name": "human"}]
    assert {(image["width"], image["height"]) for image in coco["images"]} == {SIZE_WH}


def test_pictures_are_drawn(project: Project, run_stage: Run) -> None:
    project.set_params(STAGE, num_pictures=4)
    run_stage(project, STAGE)
    names = sorted(path.name for path in (made(project) / "vis_data").iterdir())
    assert names == ["000000.jpg", "000010.jpg", "000019.jpg", "000029.jpg"]
    picture = cv2.imread(str(made(project) / "vis_data/000000.jpg"))
    assert picture.shape == (SIZE_WH[1], SIZE_WH[0], 3)


@pytest.mark.parametrize("num_pictures", [0, 1, 1000])
def test_any_number_of_pictures(project: Project, run_stage: Run, num_pictures: int) -> None:
    project.set_params(STAGE, num_pictures=num_pictures)
    assert run_stage(project, STAGE).code == 0
    assert len(list((made(project) / "vis_data").iterdir())) == min(num_pictures, NUM_FRAMES)


def test_the_report_counts_and_warns(project: Project, run_stage: Run) -> None:
    export = project.export
    regions = export[0]["annotations"][0]["result"]
    regions[0]["value"]["sequence"] = [keyframe(1, -10.0), keyframe(1, -5.0), keyframe(3, -5.0)]
    # 30 per cent wide: at 110 and beyond nothing is left of it.
    regions[1]["value"]["sequence"] = [keyframe(1, 80.0), keyframe(5, 120.0), terminator(7)]
    project.write_export(export)
    project.set_params(STAGE, ghost_frames=20)
    outcome = run_stage(project, STAGE)
    found = report(project)
    assert found["num_tracks"] == 2
    assert found["num_keyframes"] == 5
    assert found["num_frames"] == NUM_FRAMES
    assert found["annotator_fps"] == pytest.approx(10)
    assert found["video_fps"] == 10
    assert found["boxes_dropped"] == 4  # at 100, 110, 120 and 120
    assert found["boxes_clipped"] == NUM_FRAMES + 2
    assert found["num_boxes"] == NUM_FRAMES + 2
    assert found["ghost_tracks"] == {"v0-person_0": 27}
    assert len(found["warnings"]) == 2
    assert outcome.stdout.count("warning: ") == 2
    assert report(project, "door_2.webm")["warnings"] == []


def test_a_track_on_no_frame_is_told(project: Project, run_stage: Run) -> None:
    export = project.export
    export[0]["annotations"][0]["result"][0]["value"]["sequence"] = [terminator(3)]
    project.write_export(export)
    assert run_stage(project, STAGE).code == 0
    assert report(project)["warnings"] == ["region v0-person_0: on no frame"]


def test_keyframes_past_the_end_are_counted_and_told(project: Project, run_stage: Run) -> None:
    export = project.export
    regions = export[0]["annotations"][0]["result"]
    regions[0]["value"]["sequence"] = [keyframe(1), keyframe(33), keyframe(38)]
    regions[1]["value"]["sequence"] = [keyframe(31), terminator(35)]
    project.write_export(export)
    outcome = run_stage(project, STAGE)
    assert (outcome.code, outcome.stderr) == (0, "")
    assert report(project)["keyframes_past_end"] == 4
    first, second = report(project)["warnings"]
    assert first == (
        "region v0-person_0: keyframes up to frame 38 (2 past the end) mean the last frame, 30"
    )
    assert second == (
        "region v0-person_1: keyframes up to frame 35 (2 past the end) mean the last frame, 30"
    )
    for warning in (first, second):
        assert f"warning: {warning}\n" in outcome.stdout
    assert report(project, "door_2.webm")["keyframes_past_end"] == 0
    assert report(project, "door_2.webm")["warnings"] == []


def test_the_report_says_which_rate_was_taken(project: Project, run_stage: Run) -> None:
    export = project.export
    for result in export[0]["annotations"][0]["result"]:
        result["value"].update(framesCount=30, duration=3.0)
        for item in result["value"]["sequence"]:
            item["time"] = (item["frame"] - 1) / 10
    project.write_export(export)
    assert run_stage(project, STAGE).code == 0
    found = report(project)
    assert found["annotator_fps"] == 10.0
    assert found["annotator_fps_by"] == "(frame - 1) / time"
    assert found["annotator_fps_witnesses"]["framesCount / duration"] == 10.0
    assert found["num_boxes"] == 2 * NUM_FRAMES
    (warning,) = found["warnings"]
    assert "10 frames a second was used, from (frame - 1) / time" in warning


def test_a_video_that_starts_late_is_told(project: Project, run_stage: Run) -> None:
    times_s = [Fraction(1, 2) + Fraction(n, 10) for n in range(NUM_FRAMES)]
    write_coded_video(project.video("door_1.mp4"), NUM_FRAMES, SIZE_WH, times_s=times_s)
    shutil.rmtree(project.folder / "data/frames")
    assert run_stage(project, "extract_frames").code == 0
    export = project.export
    for result in export[0]["annotations"][0]["result"]:
        result["value"]["sequence"] = [keyframe(6), keyframe(9), keyframe(11, enabled=False)]
    project.write_export(export)
    assert run_stage(project, STAGE).code == 0
    assert report(project)["video_first_frame_s"] == 0.5
    (warning,) = report(project)["warnings"]
    assert warning.startswith("the first frame is shown at 0.500 s")
    tracks = read_tracks(made(project) / "ieos_vid_labels")
    assert [track.frames.tolist() for track in tracks] == [list(range(6))] * 2


def test_what_was_read_otherwise_is_counted(project: Project, run_stage: Run) -> None:
    export = project.export
    results = export[0]["annotations"][0]["result"]
    del results[0]["id"]
    results.append({**region("empty", []), "id": "empty"})
    results.append({"id": "t", "type": "timelinelabels", "value": {"ranges": []}})
    project.write_export(export)
    assert run_stage(project, STAGE).code == 0
    assert report(project)["read_otherwise"] == {
        "empty_regions": 1,
        "left_out_timelinelabels": 1,
        "regions_without_id": 1,
    }
    assert report(project)["annotations_counted"] == ["1 (2 box tracks)"]
    assert (made(project) / "ieos_vid_labels/task1_1.json").is_file()


def two_annotators(project: Project) -> None:
    """The first task's two boxes by one annotator each."""
    export = project.export
    (one,) = export[0]["annotations"]
    first, second = one["result"]
    export[0]["annotations"] = [
        {**one, "id": 8, "completed_by": 1, "result": [first]},
        {**one, "id": 9, "completed_by": {"id": 2, "email": "b@x.org"}, "result": [second]},
    ]
    project.write_export(export)


def test_annotations_that_differ_are_refused_by_name(
    project: Project, run_stage: Run, assert_refused: Callable[[Outcome, Project, str], None]
) -> None:
    two_annotators(project)
    outcome = run_stage(project, STAGE)
    assert_refused(outcome, project, STAGE)
    assert "8 by 1 (1 box track), 9 by b@x.org (1 box track)" in outcome.stderr


@pytest.mark.parametrize(
    ("annotators", "kept"), [("merge", [0, 1]), (1, [0]), ("b@x.org", [1]), ("newest", [1])]
)
def test_who_counts_may_be_said(
    project: Project, run_stage: Run, annotators: str | int, kept: list[int]
) -> None:
    two_annotators(project)
    project.set_params(STAGE, annotators=annotators)
    assert run_stage(project, STAGE).code == 0
    tracks = read_tracks(made(project) / "ieos_vid_labels")
    assert [track.id for track in tracks] == [f"v0-person_{number}" for number in kept]
    left_out = report(project)["read_otherwise"].get("annotations_left_out", 0)
    assert left_out == 2 - len(kept)
    assert len(report(project)["warnings"]) == left_out


@pytest.mark.parametrize("annotators", ["newst", "", "a b@x", True, None, 1.5])
def test_a_rule_that_is_none_is_refused(
    project: Project, run_stage: Run, annotators: object
) -> None:
    project.set_params(STAGE, annotators=annotators)
    outcome = run_stage(project, STAGE)
    assert outcome.code == 1
    assert "interpolate_annotations.annotators: " in outcome.stderr


def test_a_video_whose_name_was_changed_may_be_told(project: Project, run_stage: Run) -> None:
    export = project.export
    export[1]["data"]["video"] = "s3://bucket/4711"
    project.write_export(export)
    outcome = run_stage(project, STAGE)
    assert "found none for door_2.webm" in outcome.stderr
    for unlisted in ("error", "skip"):
        project.set_params("dataset", video_of_task={2: "door_2.webm"})
        project.set_params(STAGE, unlisted_tasks=unlisted)
        assert run_stage(project, STAGE).code == 0
        tracks = read_tracks(made(project, "door_2.webm") / "ieos_vid_labels")
        assert [track.id for track in tracks] == ["v1-person_0", "v1-person_1"]


def test_a_video_told_of_no_task_is_refused(
    project: Project, run_stage: Run, assert_refused: Callable[[Outcome, Project, str], None]
) -> None:
    project.set_params("dataset", video_of_task={"9": "door_2.webm"})
    outcome = run_stage(project, STAGE)
    assert_refused(outcome, project, STAGE)
    assert "params.yaml: dataset.video_of_task.9: expected one task of that id" in outcome.stderr


def test_a_task_without_regions(project: Project, run_stage: Run) -> None:
    export = project.export
    export[0]["annotations"][0]["result"] = []
    project.write_export(export)
    assert run_stage(project, STAGE).code == 0
    assert report(project)["num_boxes"] == 0
    coco = json.loads((made(project) / "coco.json").read_text())
    assert (len(coco["images"]), coco["annotations"]) == (NUM_FRAMES, [])


def test_unlisted_tasks_may_be_skipped(project: Project, run_stage: Run) -> None:
    project.set_params("dataset", videos=["door_3.avi"])
    project.set_params(STAGE, unlisted_tasks="skip")
    outcome = run_stage(project, STAGE)
    assert outcome.code == 0
    assert "door_1.mp4" in outcome.stdout
    assert [path.name for path in (project.folder / "data/annotations").iterdir()] == ["door_3.avi"]


def test_unlisted_tasks_may_be_unfinished_where_they_are_skipped(
    project: Project, run_stage: Run
) -> None:
    export = project.export
    export[0]["annotations"] = []
    project.write_export(export)
    project.set_params("dataset", videos=["door_2.webm", "door_3.avi"])
    project.set_params(STAGE, unlisted_tasks="skip")
    assert run_stage(project, STAGE).code == 0


def test_a_minimal_export_gives_the_same_boxes(project: Project, run_stage: Run) -> None:
    run_stage(project, STAGE)
    full = read_tracks(made(project) / "ieos_vid_labels")
    shutil.rmtree(project.folder / "data/annotations")
    project.write_export(
        [
            {
                "id": task["id"],
                "video": task["data"]["video"],
                "box": [result["value"] for result in task["annotations"][0]["result"]],
            }
            for task in project.export
        ]
    )
    assert run_stage(project, STAGE).code == 0
    minimal = read_tracks(made(project) / "ieos_vid_labels")
    assert [one.boxes_xyxy.tolist() for one in minimal] == [one.boxes_xyxy.tolist() for one in full]


def test_two_runs_give_the_same_bytes(project: Project, run_stage: Run) -> None:
    contents = []
    for _ in range(2):
        assert run_stage(project, STAGE).code == 0
        folder = project.folder / "data/annotations"
        contents.append(
            {
                file.relative_to(folder).as_posix(): file.read_bytes()
                for file in folder.rglob("*")
                if file.is_file()
            }
        )
        shutil.rmtree(folder)
        shutil.rmtree(project.folder / ".vigil")
    assert contents[0] == contents[1]


def test_a_change_of_one_task_is_work_for_that_video_alone(
    project: Project, run_stage: Run
) -> None:
    def num_remembered() -> int:
        return len(list((project.folder / ".vigil/memo/annotations").iterdir()))

    run_stage(project, STAGE)
    assert num_remembered() == 3
    export = project.export
    export[1]["annotations"][0]["result"].pop()
    project.write_export(export)
    shutil.rmtree(project.folder / "data/annotations")
    run_stage(project, STAGE)
    assert num_remembered() == 4
    assert len(read_tracks(made(project, "door_2.webm") / "ieos_vid_labels")) == 1
