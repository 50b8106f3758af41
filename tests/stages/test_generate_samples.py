import json
import shutil
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from conftest import VIDEOS, Outcome, Project, scene_boxes

from vigil.domain.samples.index import read_index
from vigil.pixels.frames import FrameArchive

Run = Callable[..., Outcome]
STAGE = "generate_samples"


@pytest.fixture
def project(project_before: Callable[[str], Project]) -> Project:
    return project_before(STAGE)


def index_of(project: Project) -> pd.DataFrame:
    return read_index(project.folder / "data/samples")


def array_of(project: Project, video: str) -> np.ndarray:
    return np.load(project.folder / "data/samples" / f"{video}.npy")


def rerun(project: Project, run_stage: Run) -> Outcome:
    for output in project.outputs(STAGE):
        shutil.rmtree(output)
    return run_stage(project, STAGE)


def test_as_much_background_as_people_from_each_video(project: Project, run_stage: Run) -> None:
    outcome = run_stage(project, STAGE)
    assert (outcome.code, outcome.stderr) == (0, "")
    index = index_of(project)
    assert index.groupby(["video", "label"]).size().to_dict() == {
        (video, label): 6 for video in VIDEOS for label in ("background", "person")
    }
    for video in VIDEOS:
        array = array_of(project, video)
        assert (array.shape, array.dtype) == ((12, 10, 50, 50), np.uint8)
        rows = index.loc[index["video"] == video, "row"]
        assert rows.tolist() == list(range(12))
    names = {path.name for path in (project.folder / "data/samples").iterdir()}
    assert names == {"index.csv", "report.json", *(f"{video}.npy" for video in VIDEOS)}


def test_crops_are_the_pixels_of_their_boxes(project: Project, run_stage: Run) -> None:
    run_stage(project, STAGE)
    index = index_of(project)
    for number, video in enumerate(VIDEOS):
        array = array_of(project, video)
        people = index[(index["video"] == video) & (index["label"] == "person")]
        with FrameArchive(project.folder / f"data/frames/{video}.zip") as archive:
            for sample in people.itertuples():
                boxes = scene_boxes(number, int(sample.track[-1]))
                for step in range(10):
                    frame_index = sample.first_frame + step
                    x1, y1 = np.floor(boxes[frame_index, :2] + 1e-3).astype(int)
                    x2, y2 = np.ceil(boxes[frame_index, 2:] - 1e-3).astype(int)
                    top, left = (50 - (y2 - y1)) // 2, (50 - (x2 - x1)) // 2
                    expected = np.zeros((50, 50), np.uint8)
                    expected[top : top + y2 - y1, left : left + x2 - x1] = archive.grey(
                        frame_index
                    )[y1:y2, x1:x2]
                    assert np.array_equal(array[sample.row, step], expected)


def test_background_shows_no_person(project: Project, run_stage: Run) -> None:
    run_stage(project, STAGE)
    index = index_of(project)
    background = index[index["label"] == "background"]
    assert (background["track"] == "").all()
    assert background["width_px"].between(15, 20).all()
    assert background["height_px"].between(15, 20).all()
    for sample in background.itertuples():
        crops = array_of(project, sample.video)[sample.row]
        # People are brighter (180 and 120 or so) than the background is anywhere but at its right.
        assert (crops.max(axis=(1, 2)) < 135).all()


def test_two_runs_give_the_same_bytes_and_another_seed_other_background(
    project: Project, run_stage: Run
) -> None:
    run_stage(project, STAGE)
    first = {p.name: p.read_bytes() for o in project.outputs(STAGE) for p in o.iterdir()}
    shutil.rmtree(project.folder / ".vigil", ignore_errors=True)
    rerun(project, run_stage)
    second = {p.name: p.read_bytes() for o in project.outputs(STAGE) for p in o.iterdir()}
    assert first == second
    project.set_params(STAGE, seed=1)
    people = index_of(project).query("label == 'person'")
    rerun(project, run_stage)
    other = {p.name: p.read_bytes() for p in project.outputs(STAGE)[0].iterdir()}
    assert other["door_1.mp4.npy"] != first["door_1.mp4.npy"]
    assert index_of(project).query("label == 'person'").equals(people)


def test_a_videos_samples_do_not_depend_on_the_other_videos(
    project: Project, run_stage: Run
) -> None:
    run_stage(project, STAGE)
    alone = array_of(project, "door_2.webm")
    project.set_params("dataset", videos=["door_3.avi", "door_2.webm"])
    rerun(project, run_stage)
    assert np.array_equal(array_of(project, "door_2.webm"), alone)
    assert not (project.folder / "data/samples/door_1.mp4.npy").exists()


def test_background_like_people_has_their_sides(project: Project, run_stage: Run) -> None:
    project.set_params(f"{STAGE}.background", sides="like_people", max_tries=100_000)
    assert run_stage(project, STAGE).code == 0
    index = index_of(project)
    sides = index.loc[index["label"] == "background", ["width_px", "height_px"]]
    assert sides["width_px"].isin([12, 13]).all()
    assert sides["height_px"].isin([30, 31]).all()


def test_the_report_counts_what_was_left_out(project: Project, run_stage: Run) -> None:
    project.set_params(STAGE, max_aspect_ratio=2.45)
    track = project.folder / "data/annotations/door_1.mp4/ieos_vid_labels/v0-person_0.json"
    content = json.loads(track.read_text())
    content["coords"] = [[0, 0, 30, 30]] * 10 + [[0, 0, 3, 30]] * 10 + [[0, 0, 3, 3]] * 10
    track.write_text(json.dumps(content))
    assert run_stage(project, STAGE).code == 0
    report = json.loads((project.folder / "data/samples/report.json").read_text())
    index = index_of(project)
    left_out = report["left_out"]
    assert (left_out["line"], left_out["point"]) == (1, 1)
    assert sum(left_out.values()) + (index["label"] == "person").sum() == 18
    assert report["num_samples"] == index["label"].value_counts().to_dict()
    names = {path.name for path in (project.folder / "data/sample_report").iterdir()}
    pictures = {"aspect_ratio", "background", "height", "person", "width"}
    assert names == {f"{name}.png" for name in pictures}


def test_a_video_without_people_has_no_samples(project: Project, run_stage: Run) -> None:
    folder = project.folder / "data/annotations/door_1.mp4/ieos_vid_labels"
    for file in folder.iterdir():
        file.unlink()
    assert run_stage(project, STAGE).code == 0
    assert len(array_of(project, "door_1.mp4")) == 0
    assert set(index_of(project)["video"]) == set(VIDEOS[1:])


def test_sides_far_beyond_every_picture_cost_nothing(project: Project, run_stage: Run) -> None:
    project.set_params(f"{STAGE}.background", max_side_px=10_000_000)
    assert "Traceback" not in run_stage(project, STAGE).stderr


@pytest.mark.parametrize("num_frames", [1, 15, 30])
def test_any_length_of_samples(project: Project, run_stage: Run, num_frames: int) -> None:
    project.set_params(STAGE, num_frames=num_frames, stride_frames=num_frames)
    assert run_stage(project, STAGE).code == 0
    people = index_of(project).query("label == 'person'")
    assert len(people) == 3 * 2 * (30 // num_frames)
    assert array_of(project, "door_1.mp4").shape[1] == num_frames
