"""The split of pictures with boxes, through the stage's script."""

import json
import shutil
from collections.abc import Callable
from typing import Any

import pytest
from conftest import VIDEOS, WORDS, Outcome, Project
from tiny_detections import detection_set

from vigil.domain.pictures.annotated import read_annotated, write_annotated

Run = Callable[..., Outcome]
STAGE = "split_detector"
SIDES = ("train", "val", "test")


@pytest.fixture
def project(project_before: Callable[[str], Project]) -> Project:
    return project_before(STAGE)


def sides_of(project: Project) -> dict[str, list[str]]:
    folder = project.folder / "data/splits/detector"
    assert {path.name for path in folder.iterdir()} == {f"{side}.json" for side in SIDES}
    return {side: json.loads((folder / f"{side}.json").read_text()) for side in SIDES}


def metrics_of(project: Project) -> Any:
    return json.loads((project.folder / "metrics/split_detector.json").read_text())


def write_photographs(project: Project, num_pictures: int = 50) -> None:
    names = [f"{number}.jpg" for number in range(num_pictures)]
    boxes = [(name, "ant") for name in names] + [(name, "bee") for name in names[::5]]
    detections = detection_set([{"file_name": name} for name in names], boxes, "ant", "bee", "cow")
    write_annotated(detections, project.folder / "data/detection/instances.json")


def test_frames_go_by_video_as_samples_do(project: Project, run_stage: Run) -> None:
    outcome = run_stage(project, STAGE)
    assert (outcome.code, outcome.stderr) == (0, "")
    sides = sides_of(project)
    images = read_annotated(project.folder / "data/detection/instances.json").images
    assert sorted(name for own in sides.values() for name in own) == sorted(images.index)
    videos = {side: set(images.loc[own, "video"]) for side, own in sides.items()}
    assert [len(own) for own in videos.values()] == [1, 1, 1]
    assert set.union(*videos.values()) == set(VIDEOS)
    assert run_stage(project, "split_classifier").code == 0
    for side in SIDES:
        samples = json.loads((project.folder / f"data/splits/classifier/{side}.json").read_text())
        assert {name.split("/")[0] for name in samples} == videos[side]


def test_named_videos_only_test(project: Project, run_stage: Run) -> None:
    project.set_params("split", test_videos=["door_3.avi"])
    assert run_stage(project, STAGE).code == 0
    sides = sides_of(project)
    assert {name.split("/")[0] for name in sides["test"]} == {"door_3.avi.zip"}
    assert not any(name.startswith("door_3") for name in sides["train"] + sides["val"])


def test_pictures_are_stratified_and_tabled(project: Project, run_stage: Run) -> None:
    write_photographs(project)
    project.set_params("split", val_fraction=0.25, test_fraction=0.2, test_videos=["door_1.mp4"])
    outcome = run_stage(project, STAGE)
    assert (outcome.code, outcome.stderr) == (0, "")
    assert outcome.stdout == (
        "pictures: {'train': 30, 'val': 10, 'test': 10}\n"
        "  boxes of ant: train 30 (60%), val 10 (20%), test 10 (20%)\n"
        "  boxes of bee: train 6 (60%), val 2 (20%), test 2 (20%)\n"
        "  boxes of cow: train 0 (0%), val 0 (0%), test 0 (0%)\n"
        "  warning: no cow in train\n"
        "  warning: no cow in val\n"
        "  warning: no cow in test\n"
    )
    sides = sides_of(project)
    assert {side: len(own) for side, own in sides.items()} == metrics_of(project)["pictures"]
    assert metrics_of(project)["by_class"]["bee"]["test"] == {
        "pictures": 2,
        "boxes": 2,
        "share_of_pictures": 0.2,
        "share_of_boxes": 0.2,
    }


def test_two_runs_give_the_same_bytes_and_another_seed_others(
    project: Project, run_stage: Run
) -> None:
    write_photographs(project)
    found = []
    for seed in (0, 0, 1, 2):
        project.set_params("split", seed=seed)
        assert run_stage(project, STAGE).code == 0
        found.append(sides_of(project))
    assert found[0] == found[1]
    assert found[2] != found[0] != found[3]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            lambda project: write_photographs(project, 2),
            ", found none (2 pictures; other fractions, a shorter gap or more",
        ),
        (
            lambda project: shutil.rmtree(project.folder / "data/detection"),
            "data/detection/instances.json: expected a JSON file, found no such file",
        ),
        (
            lambda project: (project.folder / "data/detection/instances.json").write_text("{}"),
            "data/detection/instances.json: expected what import_detections writes, got: ",
        ),
        (
            lambda project: project.set_params("split", test_videos=["door_9.avi"]),
            "split.test_videos: expected some of dataset.videos (door_1.mp4, door_2.webm, ",
        ),
    ],
    ids=["two pictures", "no file", "another file", "an unknown test video"],
)
def test_bad_input_is_refused(
    change: Callable[[Project], object], expected: str, project: Project, run_stage: Run
) -> None:
    change(project)
    outcome = run_stage(project, STAGE)
    assert (outcome.code, outcome.stderr.count("\n")) == (1, 1)
    assert outcome.stderr.startswith("split@detector: ")
    assert expected in outcome.stderr
    assert not (project.folder / "data/splits/detector").exists()
    assert not (project.folder / "metrics/split_detector.json").exists()


def with_given(given: str) -> tuple[str, ...]:
    return tuple(word.replace("splits/drawn.csv", given) for word in WORDS[STAGE])


def test_a_split_of_videos_may_be_given_for_their_frames(project: Project, run_stage: Run) -> None:
    given = project.folder / "splits/given.csv"
    given.write_text("name,side\ndoor_1,val\ndoor_2.webm,test\ndoor_3.avi,train\n")
    outcome = run_stage(project, STAGE, *with_given("splits/given.csv"))
    assert (outcome.code, outcome.stderr) == (0, "")
    found = {side: {name.split("/")[0] for name in own} for side, own in sides_of(project).items()}
    assert found == {
        "train": {"door_3.avi.zip"}, "val": {"door_1.mp4.zip"}, "test": {"door_2.webm.zip"},
    }  # fmt: skip


def test_lists_of_pictures_as_voc_has_them_may_be_given(project: Project, run_stage: Run) -> None:
    """Names without endings, or with a mark of a class behind them; the validation is drawn."""
    write_photographs(project)
    lists = project.folder / "splits/lists"
    lists.mkdir()
    (lists / "train.txt").write_text("".join(f"{number}\n" for number in range(30)))
    (lists / "test.txt").write_text("".join(f"{number}.jpg -1\n" for number in range(30, 50)))
    outcome = run_stage(project, STAGE, *with_given("splits/lists"))
    assert (outcome.code, outcome.stderr) == (0, "")
    sides = sides_of(project)
    assert sorted(sides["test"]) == [f"{number}.jpg" for number in range(30, 50)]
    assert sorted(sides["train"] + sides["val"]) == sorted(f"{number}.jpg" for number in range(30))
    assert sides["val"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            "name,side\n77.jpg,test\n",
            "split.given.detector: '77.jpg': expected a name of the data, got none of 0.jpg, ",
        ),
        ("name,side\n7.jpg,test\n7.jpg,val\n", "got '7.jpg' in test and val"),
        (
            "name,side\n7.jpg,test\n7,val\n",
            "split.given.detector: '7.jpg': expected one side, got test and val",
        ),
        ("name,side\n7.jpg,testing\n", "'7.jpg': expected one of train, val, test, got 'testing'"),
        (
            "name,side\n5.jpg,train\n10.jpg,val\n15.jpg,test\n",
            "yaml: split.given.detector: "
            "expected a side for each name, found none for 0.jpg, 1.jpg, ",
        ),
    ],
    ids=["an unknown name", "two sides", "two sides by two names", "no side", "names on no side"],
)
def test_a_given_split_that_leaks_or_names_nothing_is_one_line(
    content: str,
    expected: str,
    project: Project,
    run_stage: Run,
    assert_refused: Callable[..., None],
) -> None:
    write_photographs(project)
    (project.folder / "splits/given.csv").write_text(content)
    outcome = run_stage(project, STAGE, *with_given("splits/given.csv"))
    assert_refused(outcome, project, STAGE)
    assert expected in outcome.stderr
