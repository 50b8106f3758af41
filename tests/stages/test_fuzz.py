"""Damaged inputs by the hundred through the real stages: each works, or ends with one clear line.

What is done to them, and how to have more of it, stands in `damage.py`.
"""

import json
import random
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import (
    COMMANDS,
    OUTPUTS,
    Outcome,
    Project,
    files_of,
    no_longer_than,
    title_of,
    write_drawn,
)
from damage import ROUNDS, SEED, mutate, scramble
from tiny_clips import write_clips
from tiny_detections import BOXES, coco_of, write_coco, write_pictures, write_rtsd, write_voc

Run = Callable[..., Outcome]
LONGEST_S = 60
LIBRARIES = (
    *("libpng ", "Corrupt JPEG data", "Premature end of JPEG", "Invalid SOS", "Unsupported"),
    *("Warning: unknown JFIF revision", "Inconsistent progression", "Unknown Adobe color"),
)
"""How lines start that libpng and libjpeg print by themselves, whoever calls them."""


class Campaign:
    """Runs a stage on damaged input and holds it to what it promises."""

    def __init__(self, project: Project, run_stage: Run, stage: str, *words: str) -> None:
        self.project, self.run_stage, self.stage = project, run_stage, stage
        self.words = words or COMMANDS[stage]
        self.outputs = OUTPUTS[stage]
        self.num_refused = 0

    def round(self, told: str) -> None:
        """Runs once; `told` says in a failure what was damaged."""
        folder = self.project.folder
        before, around = files_of(folder), sorted(folder.parent.iterdir())
        with no_longer_than(LONGEST_S):
            outcome = self.run_stage(self.project, self.stage, *self.words)
        made = files_of(folder)
        new = [name for name in made if name not in before]
        assert sorted(folder.parent.iterdir()) == around, told
        assert {name: made[name] for name in before} == before, told
        if outcome.code == 0:
            stray = [name for name in new if not name.startswith(self.outputs)]
            assert not stray, told
        else:
            self.num_refused += 1
            assert outcome.code == 1, f"{told}\n{outcome.stderr}"
            lines = [line for line in outcome.stderr.splitlines() if not line.startswith(LIBRARIES)]
            assert len(lines) == 1, f"{told}\n{outcome.stderr}"
            assert lines[0].startswith(f"{title_of(self.stage)}: "), f"{told}\n{outcome.stderr}"
            assert len(lines[0]) < 3000, told
            assert not new, f"{told}: {new}"
        for output in self.outputs:
            path = folder / output
            shutil.rmtree(path, ignore_errors=True)
            path.unlink(missing_ok=True)


@pytest.fixture
def draw(request: pytest.FixtureRequest) -> random.Random:
    return random.Random(f"{SEED} {request.node.name}")


def short_form(task: Any) -> Any:
    """A task of an export as JSON_MIN has it."""
    return {
        "id": task["id"],
        "video": task["data"]["video"],
        "box": [region["value"] for region in task["annotations"][0]["result"]],
    }


@pytest.mark.parametrize("form", ["JSON", "JSON_MIN"])
def test_exports_with_damaged_values(
    project_before: Callable[[str], Project], run_stage: Run, draw: random.Random, form: str
) -> None:
    project = project_before("interpolate_annotations")
    export = project.export if form == "JSON" else [short_form(task) for task in project.export]
    project.write_export(export)
    campaign = Campaign(project, run_stage, "interpolate_annotations")
    campaign.round("untouched")
    assert not campaign.num_refused
    for number in range(2 * ROUNDS):
        damaged = mutate(export, draw)
        project.write_export(damaged)
        campaign.round(f"round {number}: {json.dumps(damaged)[:3000]}")
    assert campaign.num_refused > ROUNDS / 5


def test_exports_with_damaged_bytes(
    project_before: Callable[[str], Project], run_stage: Run, draw: random.Random
) -> None:
    project = project_before("interpolate_annotations")
    path = project.folder / "scene/annotations.json"
    content = path.read_bytes()
    campaign = Campaign(project, run_stage, "interpolate_annotations")
    for number in range(3 * ROUNDS):
        path.write_bytes(scramble(content, draw))
        campaign.round(f"round {number}: {path.read_bytes()[:3000]!r}")
    assert campaign.num_refused > ROUNDS / 5


@pytest.mark.parametrize("damage", ["values", "bytes"])
def test_damaged_parameters(
    project_before: Callable[[str], Project], run_stage: Run, draw: random.Random, damage: str
) -> None:
    project = project_before("split_classifier")
    params = project.params
    campaign = Campaign(project, run_stage, "split_classifier")
    text = yaml.safe_dump(params).encode()
    for number in range(10 * ROUNDS if damage == "bytes" else 5 * ROUNDS):
        if damage == "values":
            # Past 60 levels PyYAML's writer gives up, not the reader that is tested.
            mutated = mutate(params, draw)
            try:
                content = yaml.safe_dump(mutated).encode()
            except RecursionError:
                continue
        else:
            content = scramble(text, draw)
        (project.folder / "params.yaml").write_bytes(content)
        campaign.round(f"round {number}: {content[:3000]!r}")
    assert campaign.num_refused > ROUNDS / 5


@pytest.mark.parametrize("name", ["door_1.mp4", "door_2.webm", "door_3.avi"])
def test_videos_with_damaged_bytes(
    project: Project, run_stage: Run, draw: random.Random, name: str
) -> None:
    content = project.video(name).read_bytes()
    project.set_params("dataset", videos=[name])
    campaign = Campaign(project, run_stage, "extract_frames")
    for number in range(ROUNDS):
        project.video(name).write_bytes(scramble(content, draw))
        campaign.round(f"round {number}")


@pytest.fixture
def clips_project(untouched_project: Project, tmp_path: Path, run_stage: Run) -> Project:
    """Clips in `scene/clips`, and the tables of their windows."""
    project = Project(tmp_path / "project")
    write_clips(project.folder / "scene/clips", num_sources=4, kinds=("creep", "dash"))
    project.write_params(untouched_project.params)
    write_drawn(project)
    project.set_params(
        "dataset", clips="scene/clips", anomalous_classes=["dash"], clip_group_pattern=""
    )
    project.set_params("embed_clips", channels=["motion_histogram"])
    assert run_stage(project, "import_clips").code == 0
    return project


@pytest.mark.parametrize("stage", ["embed_clips", "import_clips"])
def test_clips_with_damaged_bytes(
    clips_project: Project, run_stage: Run, draw: random.Random, stage: str
) -> None:
    if stage == "import_clips":  # which reads videos to cut them
        clips_project.set_params("import_clips", num_windows=2)
        shutil.rmtree(clips_project.folder / "data/clips")
    campaign = Campaign(clips_project, run_stage, stage)
    campaign.round("untouched")
    assert not campaign.num_refused
    for number in range(2 * ROUNDS):
        clip = draw.choice(sorted((clips_project.folder / "scene/clips").rglob("*.*")))
        content = clip.read_bytes()
        clip.write_bytes(scramble(content, draw))
        if stage == "embed_clips":  # which knows clips by what the stage before it saw
            assert run_stage(clips_project, "import_clips").code == 0
        campaign.round(f"round {number}: {clip.name}")
        clip.write_bytes(content)
    assert campaign.num_refused > ROUNDS / 5


TABLES = {
    "split_alarm": ("data/clips/windows.csv", "data/clips/labels.csv", "splits/drawn.csv"),
    "embed_clips": ("data/clips/windows.csv",),
}


@pytest.mark.parametrize("stage", TABLES)
def test_damaged_tables_of_windows(
    clips_project: Project, run_stage: Run, draw: random.Random, stage: str
) -> None:
    campaign = Campaign(clips_project, run_stage, stage)
    campaign.round("untouched")
    assert not campaign.num_refused
    for number in range(ROUNDS):
        path = clips_project.folder / draw.choice(TABLES[stage])
        content = path.read_bytes()
        path.write_bytes(scramble(content, draw))
        campaign.round(f"round {number}: {path.name} {path.read_bytes()[:1500]!r}")
        path.write_bytes(content)
    assert campaign.num_refused > ROUNDS / 5


def test_damaged_labels_of_frames(
    clips_project: Project, run_stage: Run, draw: random.Random
) -> None:
    labels = clips_project.folder / "scene/clips/labels.csv"
    labels.write_text(
        "video,start_frame,stop_frame,label\n"
        "dash/dash_g00_c1.avi,0,9,dash\ncreep/creep_g02_c1.webm,2,4,\ncreep/creep_g02_c1.webm,6,16,run\n"
    )
    clips_project.set_params("dataset", clip_labels="labels.csv")
    clips_project.set_params("import_clips", window_s=0.5)
    shutil.rmtree(clips_project.folder / "data/clips")
    campaign = Campaign(clips_project, run_stage, "import_clips")
    campaign.round("untouched")
    assert not campaign.num_refused
    content = labels.read_bytes()
    for number in range(2 * ROUNDS):
        labels.write_bytes(scramble(content, draw))
        campaign.round(f"round {number}: {labels.read_bytes()!r}")
    assert campaign.num_refused > ROUNDS / 5


SETS = {"voc": "set/annotations", "coco": "set/instances.json", "rtsd": "set/gt.csv"}


@pytest.mark.parametrize("kind", SETS)
def test_damaged_sets_of_pictures(
    untouched_project: Project, tmp_path: Path, run_stage: Run, draw: random.Random, kind: str
) -> None:
    project = Project(tmp_path / "project")
    folder = project.folder / "set"
    write_pictures(folder / "images", list(BOXES))
    write_voc(folder / "annotations")
    write_coco(folder / "instances.json")
    write_rtsd(folder / "gt.csv")
    project.write_params(untouched_project.params)
    detection = {"root": "x", "images": "y", "format": kind, "classes": []}
    project.set_params("dataset", detection=detection)
    words = (
        *("--annotations", SETS[kind], "--images", "set/images"),
        *("--detections", "data/detection", "--report", "data/detection_report"),
    )
    campaign = Campaign(project, run_stage, "import_detections", *words)
    damaged = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    if kind != "voc":
        damaged = [folder / Path(SETS[kind]).name, *(f for f in damaged if "images" in f.parts)]
    for number in range(ROUNDS):
        path = draw.choice([damaged[0], *damaged]) if kind != "voc" else draw.choice(damaged)
        content = path.read_bytes()
        if kind == "coco" and path.suffix == ".json" and draw.random() < 0.7:
            path.write_text(json.dumps(mutate(json.loads(content), draw)))
        else:
            path.write_bytes(scramble(content, draw))
        campaign.round(f"round {number}: {path.name} {path.read_bytes()[:1500]!r}")
        path.write_bytes(content)
    assert campaign.num_refused > ROUNDS / 5


METHODS = {"deflated": zipfile.ZIP_DEFLATED, "lzma": zipfile.ZIP_LZMA}


@pytest.mark.parametrize("method", METHODS)
def test_damaged_archives_of_pictures(
    untouched_project: Project, tmp_path: Path, run_stage: Run, draw: random.Random, method: str
) -> None:
    project = Project(tmp_path / "project")
    write_pictures(tmp_path / "pictures", list(BOXES))
    archive = project.folder / "set/images/all.zip"
    archive.parent.mkdir(parents=True)
    with zipfile.ZipFile(archive, "w", METHODS[method]) as file:
        for name in BOXES:
            file.write(tmp_path / "pictures" / name, name)
    write_coco(
        project.folder / "set/instances.json",
        coco_of({f"all.zip/{name}": boxes for name, boxes in BOXES.items()}),
    )
    project.write_params(untouched_project.params)
    detection = {"root": "x", "images": "y", "format": "coco", "classes": []}
    project.set_params("dataset", detection=detection)
    words = (
        *("--annotations", "set/instances.json", "--images", "set/images"),
        *("--detections", "data/detection", "--report", "data/detection_report"),
    )
    campaign = Campaign(project, run_stage, "import_detections", *words)
    campaign.round("untouched")
    assert not campaign.num_refused
    content = archive.read_bytes()
    for number in range(ROUNDS // 2):
        archive.write_bytes(scramble(content, draw))
        campaign.round(f"round {number}")
    assert campaign.num_refused > ROUNDS / 10


@pytest.mark.parametrize("kind", ["a zip of torch", "a pickle of torch", "safetensors"])
def test_weights_with_damaged_bytes(tmp_path: Path, draw: random.Random, kind: str) -> None:
    import torch
    from safetensors.torch import save_file

    from vigil.learn.networks.weights import read_state
    from vigil.plumbing.errors import InputError

    state = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2)).state_dict()
    path = tmp_path / ("a.safetensors" if kind == "safetensors" else "a.pth")
    if kind == "safetensors":
        save_file(state, path)
    else:
        is_zip = kind == "a zip of torch"
        torch.save({"state_dict": state}, path, _use_new_zipfile_serialization=is_zip)
    content = path.read_bytes()
    assert read_state(path).keys() == state.keys()
    refusals = []
    for _ in range(5 * ROUNDS):
        path.write_bytes(scramble(content, draw))
        try:
            read_state(path)
        except InputError as error:
            refusals.append(str(error))
    assert len(refusals) > ROUNDS / 3
    assert all("\n" not in refusal for refusal in refusals)
