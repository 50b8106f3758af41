import json
from collections.abc import Callable

import pandas as pd
import pytest
from conftest import VIDEOS, WORDS, Outcome, Project

from vigil.domain.samples.index import read_index, write_index

Run = Callable[..., Outcome]
STAGE = "split_classifier"
SIDES = ("train", "val", "test")


@pytest.fixture
def project(project_before: Callable[[str], Project]) -> Project:
    return project_before(STAGE)


def sides_of(project: Project) -> dict[str, list[str]]:
    folder = project.folder / "data/splits/classifier"
    assert {path.name for path in folder.iterdir()} == {f"{side}.json" for side in SIDES}
    return {side: json.loads((folder / f"{side}.json").read_text()) for side in SIDES}


def test_every_sample_is_on_one_side(project: Project, run_stage: Run) -> None:
    outcome = run_stage(project, STAGE)
    assert (outcome.code, outcome.stderr) == (0, "")
    sides = sides_of(project)
    ids = [name for side in SIDES for name in sides[side]]
    assert sorted(ids) == sorted(read_index(project.folder / "data/samples").index)
    videos = {side: {name.split("/")[0] for name in sides[side]} for side in SIDES}
    assert [len(videos[side]) for side in SIDES] == [1, 1, 1]
    assert set.union(*videos.values()) == set(VIDEOS)


def test_metrics_count_the_lists(project: Project, run_stage: Run) -> None:
    run_stage(project, STAGE)
    metrics = json.loads((project.folder / "metrics/split_classifier.json").read_text())
    sides = sides_of(project)
    assert metrics == {side: {"background": 6, "person": 6} for side in SIDES}
    assert all(len(sides[side]) == 12 for side in SIDES)


def test_named_videos_only_test(project: Project, run_stage: Run) -> None:
    project.set_params("split", test_videos=["door_2.webm"])
    assert run_stage(project, STAGE).code == 0
    sides = sides_of(project)
    assert {name.split("/")[0] for name in sides["test"]} == {"door_2.webm"}
    assert not any(name.startswith("door_2.webm/") for name in sides["train"] + sides["val"])


def test_two_runs_give_the_same_bytes_and_some_seed_others(
    project: Project, run_stage: Run
) -> None:
    found = []
    for seed in (0, 0, *range(1, 6)):
        project.set_params("split", seed=seed)
        assert run_stage(project, STAGE).code == 0
        found.append(sides_of(project))
    assert found[0] == found[1]
    assert any(sides != found[0] for sides in found[2:])


def give(project: Project, *sides: tuple[str, str]) -> None:
    rows = [f"{name},{side}\n" for name, side in sides]
    (project.folder / "splits/given.csv").write_text("".join(["name,side\n", *rows]))


def give_lists(project: Project, **names: list[str]) -> None:
    (project.folder / "splits/lists").mkdir()
    for side, own in names.items():
        (project.folder / f"splits/lists/{side}.txt").write_text("\n".join(own) + "\n")


def with_given(given: str) -> tuple[str, ...]:
    return tuple(word.replace("splits/drawn.csv", given) for word in WORDS[STAGE])


FORMS = {
    "splits/given.csv": lambda project: give(
        project, ("door_3.avi", "train"), ("door_1.mp4", "val"), ("door_2.webm", "test")
    ),
    "splits/lists": lambda project: give_lists(
        project, train=["door_3.avi"], val=["door_1"], test=["door_2.webm"]
    ),
}


@pytest.mark.parametrize("given", FORMS)
def test_a_split_may_be_given(project: Project, run_stage: Run, given: str) -> None:
    FORMS[given](project)
    for seed in (0, 1):
        project.set_params("split", seed=seed)
        outcome = run_stage(project, STAGE, *with_given(given))
        assert (outcome.code, outcome.stderr) == (0, "")
        found = {
            side: {name.split("/")[0] for name in own} for side, own in sides_of(project).items()
        }
        assert found == {"train": {"door_3.avi"}, "val": {"door_1.mp4"}, "test": {"door_2.webm"}}
        assert all(len(own) == 12 for own in sides_of(project).values())


def test_a_side_that_is_not_given_is_drawn_from_the_others(
    project: Project, run_stage: Run
) -> None:
    give(project, ("door_2.webm", "test"))
    found = []
    for seed in range(6):
        project.set_params("split", seed=seed)
        assert run_stage(project, STAGE, *with_given("splits/given.csv")).code == 0
        sides = sides_of(project)
        assert {name.split("/")[0] for name in sides["test"]} == {"door_2.webm"}
        found.append({name.split("/")[0] for name in sides["val"]})
        assert not any(name.startswith("door_2") for name in sides["train"] + sides["val"])
    assert {"door_1.mp4"} in found
    assert {"door_3.avi"} in found


def test_a_given_split_and_test_videos_contradict_each_other(
    project: Project, run_stage: Run, assert_refused: Callable[..., None]
) -> None:
    give(project, ("door_2.webm", "test"))
    project.set_params("split", test_videos=["door_1.mp4"])
    outcome = run_stage(project, STAGE, *with_given("splits/given.csv"))
    assert_refused(outcome, project, STAGE)
    assert (
        "params.yaml: split.test_videos: expected none, as given.classifier names the test videos"
        in outcome.stderr
    )


def text(content: str | bytes) -> Callable[[Project], object]:
    data = content.encode() if isinstance(content, str) else content
    return lambda project: (project.folder / "splits/given.csv").write_bytes(data)


BAD_GIVEN: dict[str, tuple[str, Callable[[Project], object], str]] = {
    "an unknown name": (
        "splits/given.csv",
        text("name,side\ndoor_9.mp4,test\n"),
        "params.yaml: split.given.classifier: 'door_9.mp4': expected a name of the data, "
        "got none of door_1.avi, ",
    ),
    "a name that stands for two": (
        "splits/given.csv",
        text("name,side\ndoor_1,train\n"),
        "params.yaml: split.given.classifier: 'door_1': expected a name of the "
        "data, got a name that fits door_1.avi, door_1.mp4",
    ),
    "a name on two sides": (
        "splits/given.csv",
        text("name,side\ndoor_1.mp4,train\ndoor_1.mp4,test\n"),
        "expected each name on one side, got 'door_1.mp4' in train and test",
    ),
    "a name on two lists": (
        "splits/lists",
        lambda project: give_lists(project, train=["door_1.mp4"], test=["door_1.mp4"]),
        "splits/lists: expected each name on one side, got 'door_1.mp4' in train and test",
    ),
    "one video by two names on two sides": (
        "splits/lists",
        lambda project: give_lists(project, train=["door_2.webm"], test=["door_2"]),
        "params.yaml: split.given.classifier: 'door_2.webm': expected one side, got train and test",
    ),
    "a name on no side": (
        "splits/given.csv",
        text("name,side\ndoor_1.mp4,train\ndoor_2.webm,val\ndoor_3.avi,test\n"),
        "params.yaml: split.given.classifier: "
        "expected a side for each name, found none for door_1.avi",
    ),
    "a side that is none": (
        "splits/given.csv",
        text("name,side\ndoor_1.mp4,training\n"),
        "splits/given.csv: 'door_1.mp4': expected one of train, val, test, got 'training'",
    ),
    "other columns": (
        "splits/given.csv",
        text("video,side\ndoor_1.mp4,train\n"),
        "splits/given.csv: expected the columns name, side, got side, video",
    ),
    "rows of more cells": (
        "splits/given.csv",
        text("name,side\ndoor_1.mp4,train,7\n"),
        "splits/given.csv: expected as many cells in each row as column names, got more",
    ),
    "no CSV": ("splits/given.csv", text(b"\xff\xfe\x00"), "splits/given.csv: expected CSV, got"),
    "an empty file": ("splits/given.csv", text(""), "splits/given.csv: expected CSV, got"),
    "no file": (
        "splits/given.csv",
        lambda project: None,
        "splits/given.csv: expected a CSV of name, side, or a folder of lists, found neither",
    ),
    "a folder without lists": (
        "splits/lists",
        give_lists,
        "splits/lists: expected one of train.txt, val.txt, test.txt, or .json of COCO",
    ),
    "a list of other bytes": (
        "splits/lists",
        lambda project: (
            give_lists(project, train=["door_1.mp4"]),
            (project.folder / "splits/lists/test.txt").write_bytes(b"\xff\xfe\x00"),
        ),
        "splits/lists/test.txt: expected UTF-8, got",
    ),
}


@pytest.mark.parametrize("case", BAD_GIVEN)
def test_a_given_split_that_leaks_or_names_nothing_is_one_line(
    case: str, project: Project, run_stage: Run, assert_refused: Callable[..., None]
) -> None:
    given, edit, expected = BAD_GIVEN[case]
    index = read_index(project.folder / "data/samples")
    other = index[index["video"] == "door_1.mp4"].assign(video="door_1.avi")
    write_index(pd.concat([index, other]), project.folder / "data/samples")
    edit(project)
    outcome = run_stage(project, STAGE, *with_given(given))
    assert_refused(outcome, project, STAGE)
    assert expected in outcome.stderr
