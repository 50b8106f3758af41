import json
from collections.abc import Callable

import pytest
from conftest import VIDEOS, Outcome, Project

from vigil.domain.samples.index import read_index

Run = Callable[..., Outcome]
SIDES = ("train", "val", "test")


@pytest.fixture
def project(project_before: Callable[[str], Project]) -> Project:
    return project_before("split")


def sides_of(project: Project) -> dict[str, list[str]]:
    folder = project.folder / "data/splits/classifier"
    assert {path.name for path in folder.iterdir()} == {f"{side}.json" for side in SIDES}
    return {side: json.loads((folder / f"{side}.json").read_text()) for side in SIDES}


def test_every_sample_is_on_one_side(project: Project, run_stage: Run) -> None:
    outcome = run_stage(project, "split")
    assert (outcome.code, outcome.stderr) == (0, "")
    sides = sides_of(project)
    ids = [name for side in SIDES for name in sides[side]]
    assert sorted(ids) == sorted(read_index(project.folder / "data/samples").index)
    videos = {side: {name.split("/")[0] for name in sides[side]} for side in SIDES}
    assert [len(videos[side]) for side in SIDES] == [1, 1, 1]
    assert set.union(*videos.values()) == set(VIDEOS)


def test_metrics_count_the_lists(project: Project, run_stage: Run) -> None:
    run_stage(project, "split")
    metrics = json.loads((project.folder / "metrics/split_classifier.json").read_text())
    sides = sides_of(project)
    assert metrics == {side: {"background": 6, "person": 6} for side in SIDES}
    assert all(len(sides[side]) == 12 for side in SIDES)


def test_named_videos_only_test(project: Project, run_stage: Run) -> None:
    project.set_params("split", test_videos=["door_2.webm"])
    assert run_stage(project, "split").code == 0
    sides = sides_of(project)
    assert {name.split("/")[0] for name in sides["test"]} == {"door_2.webm"}
    assert not any(name.startswith("door_2.webm/") for name in sides["train"] + sides["val"])


def test_two_runs_give_the_same_bytes_and_some_seed_others(
    project: Project, run_stage: Run
) -> None:
    found = []
    for seed in (0, 0, *range(1, 6)):
        project.set_params("split", seed=seed)
        assert run_stage(project, "split").code == 0
        found.append(sides_of(project))
    assert found[0] == found[1]
    assert any(sides != found[0] for sides in found[2:])


def test_an_instance_must_be_named(project: Project, run_stage: Run) -> None:
    outcome = run_stage(project, "split", "--samples", "data/samples")
    assert outcome.code == 1
    assert outcome.stderr.startswith("split: expected one of anomaly, classifier")
    assert outcome.stderr.count("\n") == 1
