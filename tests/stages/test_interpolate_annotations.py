import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import NUM_FRAMES, SIZE_WH, VIDEOS, Outcome, Project, scene_boxes
from tiny_exports import keyframe, terminator

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
    cut, other, empty = report(project)["warnings"]
    assert cut == (
        "region v0-person_0: cut off at the last frame, 30: it has keyframes up to frame 38 "
        "(2 past the end)"
    )
    assert other.startswith("region v0-person_1: cut off at the last frame, 30: ")
    assert empty == "region v0-person_1: on no frame"
    for warning in (cut, other, empty):
        assert f"warning: {warning}\n" in outcome.stdout
    assert report(project, "door_2.webm")["keyframes_past_end"] == 0
    assert report(project, "door_2.webm")["warnings"] == []


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
