"""Stages killed with SIGKILL and started again: they go on, and end in the same bytes."""

import io
import json
import random
import re
import signal
import zipfile
from pathlib import Path

import numpy as np
import pytest
from rerun_table import TRAININGS
from tiny_project import MEMOS, TINY_DINO, Project

NUM_EPOCHS = 8
RESUMED = re.compile(r"resumes after epoch (\d+) ")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("project"))
    project.change("train_dino", **TINY_DINO)
    for section in TRAININGS:
        project.change(f"{section}.fitting", max_epochs=NUM_EPOCHS, patience_epochs=NUM_EPOCHS)
    project.run("dvc", "repro", *TRAININGS)
    return project


@pytest.mark.parametrize("stage", TRAININGS)
def test_a_training_goes_on_after_its_last_whole_epoch(project: Project, stage: str):
    branch = MEMOS[stage].removesuffix("_training")
    expected = project.content()
    project.forget(stage)
    last_epoch = random.Random(stage).randrange(2, NUM_EPOCHS // 2 + 1)
    with project.start(stage) as process:
        for line in process.stdout:
            if line.startswith(f"epoch {last_epoch}/"):
                process.kill()
    assert process.returncode == -signal.SIGKILL
    # nothing that a later run could take for a result
    assert project.content().keys() < expected.keys()
    # The one folder that a training writes is hidden while it is not whole.
    hidden = [name for name in listed(project.folder / "models") if name.startswith(".")]
    assert hidden == ([".dino.partial"] if stage == "train_dino" else [])
    told, _ = (again := project.start(stage)).communicate()
    assert again.returncode == 0, told
    # an epoch is told of before its checkpoint is whole, and the kill may come late
    assert last_epoch - 1 <= int(RESUMED.search(told)[1]) < NUM_EPOCHS
    assert project.content() == expected
    assert not any(name.startswith(".") for name in listed(project.folder / "models"))
    assert not list((project.folder / ".vigil/checkpoints" / branch).iterdir())


@pytest.mark.parametrize("stage", TRAININGS[:1])
def test_a_training_that_is_told_to_end_says_so_and_goes_on_later(project: Project, stage: str):
    """Lightning has a way of its own with SIGTERM."""
    expected = project.content()
    project.forget(stage)
    with project.start(stage) as process:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("epoch 2/"):
                process.terminate()
    assert process.returncode == 128 + signal.SIGTERM
    assert lines[-1] == f"{stage}: interrupted by SIGTERM; run it again to resume\n"
    assert not any(name.startswith(".") for name in listed(project.folder / "models"))
    told, _ = (again := project.start(stage)).communicate()
    assert again.returncode == 0, told
    assert RESUMED.search(told)
    assert project.content() == expected


@pytest.mark.slow
@pytest.mark.parametrize("stage", TRAININGS)
def test_a_training_killed_before_dvc_noted_its_end_is_not_done_again(project: Project, stage: str):
    expected = project.content()
    project.forget(stage)
    for _ in range(2):  # started as by a DVC that is killed: neither run is in dvc.lock
        told, _ = (run := project.start(stage)).communicate()
        assert run.returncode == 0, told
        assert project.content() == expected
    assert "epoch" not in told


def mark(result: Path) -> None:
    """Changes a remembered result so that it stays valid and can be told from one made again."""
    if result.is_dir():
        vectors = np.load(result / "vectors.npy")
        np.save(result / "vectors.npy", vectors + 1)
    else:
        with zipfile.ZipFile(result, "a") as archive:
            archive.comment = b"remembered"
    stamps = result.with_name("stamps.json")
    told = {}
    for name in json.loads(stamps.read_text()):
        stat = (result.parent / name).stat()
        told[name] = [stat.st_size, stat.st_mtime_ns, ""]
    stamps.write_text(json.dumps(told))


@pytest.mark.parametrize("stage", ["extract_frames", "embed_clips"])
def test_what_was_made_of_each_video_and_clip_is_not_made_again(project: Project, stage: str):
    expected = project.content()
    project.forget(stage)
    memo = project.folder / ".vigil/memo" / MEMOS[stage]
    process = project.start(stage)
    while process.poll() is None and not whole(memo):
        pass
    process.kill()
    process.communicate()
    num_kept = len(whole(memo))
    assert num_kept
    for entry in whole(memo):
        mark(entry / "result")
    told, _ = (again := project.start(stage)).communicate()
    assert again.returncode == 0, told
    now = project.content()
    assert now.keys() == expected.keys()
    differing = [name for name in now if now[name] != expected[name]]
    if stage == "extract_frames":
        assert len(differing) == num_kept
    else:
        assert differing == ["data/embeddings/motion_histogram/vectors.npy"]
        told, before = (np.load(io.BytesIO(c[differing[0]])) for c in (now, expected))
        assert (told != before).any(axis=1).sum() == num_kept
    project.forget(stage)
    told, _ = project.start(stage).communicate()
    assert project.content() == expected, told


def whole(memo: Path) -> list[Path]:
    """Entries that are finished."""
    if not memo.exists():
        return []
    return [entry for entry in memo.iterdir() if not entry.name.startswith("partial-")]


def listed(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir()]
