"""Each training in shards: one process and two write the same bytes: weights, card and curves."""

from collections.abc import Mapping

import pytest
from tiny_clips import write_clips
from tiny_project import TINY_DINO, Project, write_masks

pytestmark = pytest.mark.slow

BATCH_SIZES = {
    "train_classifier": 7,
    "train_detector": 5,
    "train_segmenter": 6,
    "fit_alarm": 5,
    "train_dino": 7,
}
"""Of each training, so that parts are uneven, and so is the last batch."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Trained in two shards by one process."""
    project = Project(tmp_path_factory.mktemp("project"))
    write_masks(project.folder / "data" / "scene" / "masks", num_pictures=33)
    write_clips(project.folder / "data" / "scene" / "clips", num_sources=9)
    project.change("train_dino", **TINY_DINO)
    for section, batch_size in BATCH_SIZES.items():
        fitting = {"max_epochs": 2, "batch_size": batch_size, "precision": "auto"}
        project.change(section, fitting=fitting, optimisation={"num_shards": 2})
    project.run("dvc", "repro", *BATCH_SIZES)
    return project


def run_again(project: Project, stage: str, environment: Mapping[str, str]) -> tuple[int, str]:
    """Trains again, with nothing remembered: the exit code, and what the stage told."""
    project.run("rm", "-rf", ".vigil")
    before = dict(project.env)
    project.env.update(environment)
    told, _ = (process := project.start(stage)).communicate()
    project.env.clear()
    project.env.update(before)
    return process.returncode, told


@pytest.mark.parametrize("stage", BATCH_SIZES)
def test_two_processes_write_what_one_wrote(project: Project, stage: str):
    expected = project.content()
    code, told = run_again(project, stage, {"VIGIL_DEVICES": "2"})
    assert code == 0, told
    assert "epoch 2/2" in told
    assert told.count("epoch 1/2") == 1, "one process tells"
    assert project.content() == expected


def test_three_processes_cannot_share_two_shards(project: Project):
    code, told = run_again(project, "train_classifier", {"VIGIL_DEVICES": "3"})
    assert code != 0
    line = "optimisation.num_shards: expected a multiple of the 3 processes, got 2"
    assert f"params.yaml: train_classifier.{line}" in told
    assert told.count(line) == 1, "once, not by each process"
