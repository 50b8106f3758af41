"""No room left: one line, nothing that looks whole, and the right end once there is room.

Twice over. A limit on the size of a file (RLIMIT_FSIZE) makes the kernel refuse a write in the
middle, on any system, whatever library writes. A small file system of its own is the real thing,
where one may be mounted.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import (
    COMMANDS,
    OUTPUTS,
    REPOSITORY,
    WORDS,
    Project,
    alarm_words,
    files_of,
    init_git,
    title_of,
    write_drawn,
)
from tiny_clips import write_clips
from tiny_project import Project as WholeProject

from vigil.plumbing.failures import SHORT_WRITE

MADE = {**OUTPUTS, "train_classifier": ("models",)}

FULL = """
import json, os, subprocess, sys
from pathlib import Path

disk, size, room, source, result, *command = sys.argv[1:]
subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", disk], check=True)
subprocess.run(["cp", "-r", f"{source}/.", disk], check=True)
os.chdir(disk)
with open("ballast", "wb", buffering=0) as file:
    free = os.statvfs(".").f_bavail * os.statvfs(".").f_frsize
    file.write(bytes(free - int(room)))

def run():
    done = subprocess.run(command, capture_output=True, text=True)
    made = sorted(str(p) for top in ("data", "models") for p in Path(top).rglob("*"))
    return {"code": done.returncode, "stderr": done.stderr, "stdout": done.stdout, "made": made}

before = sorted(str(p) for top in ("data", "models") for p in Path(top).rglob("*"))
full = run()
os.unlink("ballast")
free = run()
print(json.dumps({"before": before, "full": full, "free": free}))
subprocess.run(["cp", "-r", ".", result], check=True)
"""


def command_of(stage: str) -> list[str]:
    return [sys.executable, str(REPOSITORY / "stages" / f"{stage}.py"), *COMMANDS[stage]]


def environment() -> dict[str, str]:
    own = {key: value for key, value in os.environ.items() if key != "VIGIL_STATE_DIR"}
    return {**own, "VIGIL_DEVICE": "cpu", "PYTHONDONTWRITEBYTECODE": "1"}


def run_limited(
    project: Project, stage: str, limit: int | None
) -> subprocess.CompletedProcess[str]:
    def set_limit() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.run(
        command_of(stage),
        cwd=project.folder,
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
        preexec_fn=set_limit,
    )


def assert_told(stage: str, code: int, stderr: str) -> None:
    assert code == 1, stderr
    assert stderr.count("\n") == 1, stderr
    assert stderr.startswith(f"{title_of(stage)}: ")
    assert "expected to write, got: " in stderr


def made_by(files: dict[str, bytes], stage: str) -> dict[str, bytes]:
    return {name: content for name, content in files.items() if name.startswith(MADE[stage])}


LIMITS = {
    "extract_frames": 5000,
    "interpolate_annotations": 800,
    "generate_samples": 5000,
    "import_detections": 0,
    "split_classifier": 60,
    "split_detector": 60,
}
"""Bytes of a file: less than the largest that the stage writes; of import_detections, than any."""


@pytest.mark.parametrize("stage", WORDS)
def test_a_write_that_fails(
    finished_project: Project, project_before: Callable[[str], Project], stage: str
) -> None:
    whole = made_by(files_of(finished_project.folder), stage)
    limit = LIMITS[stage]
    assert max(len(content) for content in whole.values()) > limit
    project = project_before(stage)
    before = files_of(project.folder)
    done = run_limited(project, stage, limit)
    assert_told(stage, done.returncode, done.stderr)
    now = files_of(project.folder)
    # What was finished before it may stand, and is whole.
    assert {name: now[name] for name in before} == before
    new = {name: content for name, content in now.items() if name not in before}
    assert new.items() <= whole.items()
    assert len(new) < len(whole)
    assert run_limited(project, stage, None).returncode == 0
    assert made_by(files_of(project.folder), stage) == whole


@pytest.fixture
def clips(untouched_project: Project, tmp_path: Path) -> Project:
    """Clips, and parameters for a training of seconds."""
    project = Project(tmp_path / "clips")
    write_clips(project.folder / "scene/clips", num_sources=8, kinds=("creep", "dash"))
    project.write_params(untouched_project.params)
    write_drawn(project)
    project.set_params(
        "dataset", clips="scene/clips", anomalous_classes=["dash"], clip_group_pattern=""
    )
    project.set_params("embed_clips", channels=["motion_histogram"])
    project.set_params("fit_alarm.scorers", motion_histogram=["autoencoder"])
    project.set_params("fit_alarm.network", hidden=[16, 4])
    project.set_params("fit_alarm.fitting", max_epochs=2)
    project.set_params("evaluate.alarm", num_bootstrap=20, num_pictures=2)
    init_git(project)
    return project


ALARM = {
    "import_clips": 100,
    "split_alarm": 40,
    "track_clips": 10,
    "embed_clips": 100,
    "fit_alarm": 3000,
    "gather_allowed": 100,
    "predict_alarm": 100,
    "pick_threshold": 10,
    "evaluate_alarm": 2000,
}
"""By stage: the bytes of a file that are allowed, less than it writes."""


@pytest.mark.slow
def test_a_write_that_fails_in_the_branch_of_the_alarm(clips: Project) -> None:
    assert ALARM.keys() == alarm_words().keys()
    for stage, limit in ALARM.items():
        before = files_of(clips.folder)
        done = run_limited(clips, stage, limit)
        assert_told(stage, done.returncode, done.stderr)
        now = files_of(clips.folder)
        # What is finished may stand, and is whole; of a folder, all of it or nothing.
        new = {name: content for name, content in now.items() if name not in before}
        assert {name: now[name] for name in before} == before
        done = run_limited(clips, stage, None)
        assert (done.returncode, done.stderr) == (0, "")
        whole = files_of(clips.folder)
        assert new.items() <= whole.items()
        assert len(new) < len(whole) - len(before), stage


DETECTOR = {
    "train_detector": (20_000, "models/detector.safetensors"),
    "predict@detector": (50, "data/predictions/detector/detections.json"),
    "evaluate@detector": (200, "metrics/detector.json"),
}
"""By stage: the bytes of a file that are allowed, and a file of its that has more."""


@pytest.mark.slow
def test_a_write_that_fails_in_the_branch_of_the_detector(tmp_path: Path) -> None:
    project = WholeProject(tmp_path)
    project.run("dvc", "repro", "evaluate@detector")
    expected = project.content()
    for stage, (limit, largest) in DETECTOR.items():
        assert len(expected[largest]) > limit
        if stage == "train_detector":  # the others remember nothing
            project.forget(stage)

        def set_limit(limit: int = limit) -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        told, _ = (full := project.start(stage, set_limit)).communicate()
        lines = [line for line in told.splitlines() if line.startswith(f"{stage}: ")]
        assert full.returncode == 1, told
        assert "expected to write, got: " in lines[-1], told
        assert "Traceback" not in told
        # What is there is whole.
        assert project.content().items() < expected.items()
        told, _ = (free := project.start(stage)).communicate()
        assert free.returncode == 0, told
        assert project.content() == expected


def may_mount(folder: Path) -> list[str] | None:
    """What a command is run by that may mount a file system of its own, where there is such."""
    for words in (["--mount"], ["--user", "--map-root-user", "--mount"]):
        mount = f"mount -t tmpfs none '{folder}'"
        try:
            done = subprocess.run(
                ["unshare", *words, "sh", "-c", mount], capture_output=True, check=False
            )
        except OSError:
            return None
        if done.returncode == 0:
            return ["unshare", *words]
    return None


def run_on_full_disk(
    tmp_path: Path, project: Project, stage: str, room: int
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """How a stage ends with little room, and then with enough; and all files after that."""
    disk, result = tmp_path / "disk", tmp_path / "result"
    disk.mkdir()
    result.mkdir()
    mounting = may_mount(disk)
    if mounting is None:
        pytest.skip("no file system may be mounted here")
    done = subprocess.run(
        [
            *(*mounting, sys.executable, "-c", FULL),
            *(str(disk), "64m", str(room), str(project.folder), str(result)),
            *command_of(stage),
        ],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), files_of(result)


@pytest.mark.parametrize("stage", ["extract_frames", "generate_samples"])
def test_a_disk_that_is_full(
    finished_project: Project,
    project_before: Callable[[str], Project],
    tmp_path: Path,
    stage: str,
) -> None:
    project = project_before(stage)
    outcomes, files = run_on_full_disk(tmp_path, project, stage, 16 * 1024)
    assert_told(stage, outcomes["full"]["code"], outcomes["full"]["stderr"])
    assert "No space left on device" in outcomes["full"]["stderr"]
    new = set(outcomes["full"]["made"]) - set(outcomes["before"])
    assert not [name for name in new if name.startswith(OUTPUTS[stage])]
    assert not [name for name in new if "partial" in name]
    assert (outcomes["free"]["code"], outcomes["free"]["stderr"]) == (0, "")
    expected = made_by(files_of(finished_project.folder), stage)
    assert made_by(files, stage) == expected


@pytest.fixture
def training(finished_project: Project, tmp_path: Path) -> Project:
    """The scene with its samples split, and parameters for a training of seconds."""
    project = Project(tmp_path / "training")
    ignored = shutil.ignore_patterns(".vigil")
    shutil.copytree(finished_project.folder, project.folder, ignore=ignored)
    project.set_params("train_classifier.network", width=64, mlp_width=64, num_heads=4)
    project.set_params(
        "train_classifier.fitting", max_epochs=3, patience_epochs=3, precision="32-true"
    )
    init_git(project)
    return project


@pytest.fixture
def unbroken(training: Project, tmp_path: Path) -> dict[str, bytes]:
    """What an unbroken training makes."""
    project = Project(tmp_path / "unbroken")
    shutil.copytree(training.folder, project.folder)
    done = run_limited(project, "train_classifier", None)
    assert done.returncode == 0, done.stderr
    return made_by(files_of(project.folder), "train_classifier")


def test_a_disk_that_is_full_while_a_network_trains(
    training: Project, unbroken: dict[str, bytes], tmp_path: Path
) -> None:
    # A checkpoint holds the weights, the best ones, and Adam's two moments of each: room for one,
    # and not for the next beside it.
    room = 6.5 * len(unbroken["models/classifier.safetensors"])
    outcomes, files = run_on_full_disk(tmp_path, training, "train_classifier", int(room))
    assert "epoch 1/3" in outcomes["full"]["stdout"]
    assert_told("train_classifier", outcomes["full"]["code"], outcomes["full"]["stderr"])
    assert not [name for name in outcomes["full"]["made"] if name.startswith("models/")]
    assert (outcomes["free"]["code"], outcomes["free"]["stderr"]) == (0, "")
    assert "resumes after epoch 1 of an interrupted run" in outcomes["free"]["stdout"]
    assert made_by(files, "train_classifier") == unbroken


def test_weights_and_vectors_that_find_no_room(tmp_path: Path) -> None:
    """What libraries write by themselves, as the end of a training and of an embedding do."""
    code = """
import resource, sys
from pathlib import Path
import numpy as np, pandas as pd, torch
from vigil.domain.clips.evidence.embeddings import INDEX_DTYPES, Embedding, write_embeddings
from vigil.domain.clips.evidence.pieces import Pieces
from vigil.learn.networks.weights import save_model
from vigil.plumbing.errors import InputError
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
try:
    save_model({"w": torch.zeros(9000)}, {}, Path("m.safetensors"), Path("m.json"))
except InputError as error:
    print(error)
try:
    pieces = Pieces(np.zeros((9, 999), np.float32), *(np.zeros((9, num)) for num in (4, 2, 2)))
    index = pd.DataFrame(columns=list(INDEX_DTYPES))
    write_embeddings({"motion": Embedding(index, pieces, {})}, Path())
except OSError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    weights, vectors = done.stdout.splitlines()
    assert weights.startswith("m.safetensors: expected to write, got: ")
    assert SHORT_WRITE.search(vectors)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["motion"]
