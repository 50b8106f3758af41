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
from conftest import OUTPUTS, WORDS, Outcome, Project, files_of, no_longer_than
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
        self.words = words or WORDS[stage]
        self.outputs = OUTPUTS.get(stage, ("data/embeddings",))
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
            title = "split@classifier" if self.stage == "split" else self.stage
            assert lines[0].startswith(f"{title}: "), f"{told}\n{outcome.stderr}"
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
    project = project_before("split")
    params = project.params
    campaign = Campaign(project, run_stage, "split")
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


def test_clips_with_damaged_bytes(
    untouched_project: Project, tmp_path: Path, run_stage: Run, draw: random.Random
) -> None:
    project = Project(tmp_path / "project")
    clips = write_clips(project.folder / "clips", num_sources=4, kinds=("creep", "dash"))
    project.write_params(untouched_project.params)
    project.set_params("dataset", clips="clips", anomalous_classes=["dash"], clip_group_pattern="")
    params = project.params
    params["embed_clips"]["flow_histogram"].update(num_pairs=4, short_side_px=48)
    project.write_params(params)
    splits = ("--splits", "data/splits/anomaly")
    split = ("anomaly", "--clips", "clips", *splits, "--metrics", "metrics/split_anomaly.json")
    assert run_stage(project, "split", *split).code == 0
    words = ("--clips", "clips", *splits, "--embeddings", "data/embeddings")
    campaign = Campaign(project, run_stage, "embed_clips", *words)
    campaign.round("untouched")
    assert not campaign.num_refused
    for number in range(2 * ROUNDS):
        clip = draw.choice(sorted(clips.rglob("*.*")))
        content = clip.read_bytes()
        clip.write_bytes(scramble(content, draw))
        campaign.round(f"round {number}: {clip.name}")
        clip.write_bytes(content)
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
