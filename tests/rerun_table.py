"""Which stages a change reruns, as `dvc status` tells after the change."""

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from tiny_clips import write_clips
from tiny_project import VIDEOS, Project, task_of, write_video

HEADER = """# What reruns

After a change, `dvc repro` reruns the stages whose dependencies, code or parameters differ. The
second column names these stages. A test makes each change on a small project, and takes the stages
from `dvc status`. The third column names the stages after them, which run only if their own inputs
change. A video that is not listed changes none of their inputs.

After an edit of the source, `list_code` runs first, for about two seconds; the table leaves it out.
It digests the modules that each stage imports, without comments and docstrings. So a comment in a
module reruns nothing else. Until `list_code` has run, `dvc status` names only it. `dvc repro -s`,
and `dvc status` with the name of a stage, do not see the edit.

A rerun reuses cached results for each video and clip that did not change. A training (in bold)
first compares its training and validation data, its parameters and its code with those of earlier
trainings. If they are equal, it reuses the earlier result. So nothing trains again for a box that
moved on a test video, or for the code or parameters of another detector. DVC does
not notice an upgrade of a library. After an upgrade, `dvc repro -f` makes all results again, since
the cache depends on the versions of libraries. Without an upgrade, even `dvc repro -f` trains
nothing again. `make clean-state` deletes this cache.

"""
TRAININGS = ("train_classifier", "train_detector", "train_segmenter", "fit_alarm", "train_dino")

Change = Callable[[Project], object]


def set_param(*keys: str, value: Any) -> Change:
    def change(project: Project) -> None:
        path = project.folder / "params.yaml"
        content = yaml.safe_load(path.read_text())
        section = content
        for key in keys[:-1]:
            section = section[key]
        assert section[keys[-1]] != value
        section[keys[-1]] = value
        path.write_text(yaml.safe_dump(content))

    return change


def edit(name: str, added: str = "\nSPARE = 1\n") -> Change:
    def change(project: Project) -> None:
        path = project.folder / name
        path.write_text(path.read_text() + added)

    return change


def edit_export(
    change_region: Callable[[dict[str, Any]], object], video: str = VIDEOS[0]
) -> Change:
    def change(project: Project) -> None:
        tasks = [task_of(video, number) for number, video in enumerate(VIDEOS)]
        change_region(tasks[VIDEOS.index(video)]["annotations"][0]["result"][0])
        (project.folder / "data/scene/export.json").write_text(json.dumps(tasks))

    return change


def move_box(region: dict[str, Any]) -> None:
    region["value"]["sequence"][0]["x"] += 5


def rename_label(region: dict[str, Any]) -> None:
    region["value"]["labels"] = ["walker"]


def move_data(key: str, name: str) -> Change:
    """Copies a part of the scene, and names the copy in the section `dataset`."""

    def change(project: Project) -> None:
        scene = project.folder / "data/scene"
        place = scene / "copy" / name
        if not name:
            shutil.copytree(scene, place)
        elif (scene / name).is_dir():
            shutil.copytree(scene / name, place)
        else:
            place.parent.mkdir(exist_ok=True)
            shutil.copy(scene / name, place)
        values = {"root": "data/scene/copy", "annotations": f"copy/{name}"}
        project.change("dataset", **{key: values.get(key, f"data/scene/copy/{name}")})

    return change


def add_clip(project: Project) -> None:
    write_clips(project.folder / "data/scene/clips", num_sources=4)


def give_split(project: Project) -> None:
    (project.folder / "data/scene/given.csv").write_text(f"name,side\n{VIDEOS[0]},test\n")
    project.change("split.given", classifier="data/scene/given.csv")


CHANGES: dict[str, Change] = {
    "`dataset.root`": move_data("root", ""),
    "`dataset.annotations`": move_data("annotations", "export.json"),
    "`dataset.clips`": move_data("clips", "clips"),
    "`dataset.videos`: one more, filmed, listed and annotated": lambda p: p.list_videos(
        (*VIDEOS, "d.mp4")
    ),
    "`dataset.videos`: one taken off": lambda p: p.change("dataset", videos=list(VIDEOS[:2])),
    "`dataset.anomalous_classes`": set_param("dataset", "anomalous_classes", value=["rise"]),
    "`dataset.picture_fps`": set_param("dataset", "picture_fps", value=10.0),
    "`dataset.clip_group_pattern`": set_param("dataset", "clip_group_pattern", value=r"_(g\d+)_"),
    "`dataset.detection.format`": set_param("dataset", "detection", "format", value="coco"),
    "`dataset.detection.root`": set_param(
        "dataset", "detection", "root", value="data/scene/export.json"
    ),
    "`dataset.detection.images`": set_param(
        "dataset", "detection", "images", value="data/scene/videos"
    ),
    "`dataset.detection.classes`": set_param("dataset", "detection", "classes", value=["human"]),
    "`dataset.masks.classes`": set_param("dataset", "masks", "classes", value=["human"]),
    "`extract_frames`": set_param("extract_frames", "jpeg_quality", value=80),
    "`interpolate_annotations`": set_param("interpolate_annotations", "ghost_frames", value=7),
    "`generate_samples`": set_param("generate_samples", "seed", value=7),
    "`import_detections`": set_param("import_detections", "num_pictures", value=2),
    "`import_masks`": set_param("import_masks", "num_pictures", value=2),
    "`split`": set_param("split", "seed", value=7),
    "`split.given`": give_split,
    "`train_classifier`": set_param("train_classifier", "network", "depth", value=2),
    "`train_detector`": set_param("train_detector", "architecture", value="anchor"),
    "`train_segmenter`": set_param("train_segmenter", "loss", value="dice"),
    "`import_clips`": set_param("import_clips", "num_windows", value=2),
    "`track_clips`": set_param("track_clips", "batch_size", value=4),
    "`track_clips.detector`": set_param("track_clips", "detector", value="models/detector"),
    "`embed_clips`": set_param("embed_clips", "motion_cells", "size", value=0.2),
    "`fit_alarm`": set_param("fit_alarm", "network", "dropout", value=0.0),
    "`predict.classifier`": set_param("predict", "classifier", "batch_size", value=8),
    "`predict.detector`": set_param("predict", "detector", "suppression", "iou", value=0.5),
    "`predict.segmenter`": set_param("predict", "segmenter", "batch_size", value=2),
    "`predict.alarm`": set_param("predict", "alarm", "clip_score", value="max"),
    "`pick_threshold`": set_param("pick_threshold", "method", value="quantile"),
    "`train_dino`": set_param("train_dino", "seed", value=7),
    "`attend`": set_param("attend", "keep_fraction", value=0.5),
    "`watch`": set_param("watch", "stride_s", value=0.25),
    "`watch.raising`": set_param("watch", "raising", "raise_at", value=1.5),
    "`evaluate.classifier`": set_param("evaluate", "classifier", "threshold", value=0.4),
    "`evaluate.detector`": set_param("evaluate", "detector", "score_threshold", value=0.4),
    "`evaluate.segmenter`": set_param("evaluate", "segmenter", "num_pictures", value=2),
    "`evaluate.alarm`": set_param("evaluate", "alarm", "num_bootstrap", value=50),
    "`evaluate.watch`": set_param("evaluate", "watch", "false_track_share", value=0.4),
    "a video put in the folder, not listed": lambda p: write_video(
        p.folder / "data/scene/videos/d.mp4", 3
    ),
    "a box moved in the export": edit_export(move_box),
    "a label renamed in the export": edit_export(rename_label),
    "a clip added": add_clip,
    "a clip removed": lambda p: sorted((p.folder / "data/scene/clips").rglob("*.mp4"))[0].unlink(),
    "a listed video filmed anew": lambda p: write_video(
        p.folder / "data/scene/videos" / VIDEOS[0], 3
    ),
    "code: `plumbing/records.py`": edit("src/vigil/plumbing/records.py"),
    "code: `plumbing/progress.py`": edit("src/vigil/plumbing/progress.py"),
    "code: `review/report.py`": edit("src/vigil/review/report.py"),
    "code: a comment in `learn/training/loop.py`": edit(
        "src/vigil/learn/training/loop.py", "\n# another comment\n"
    ),
    "code: `pixels/video/reading.py`": edit("src/vigil/pixels/video/reading.py"),
    "code: `domain/measures/detector.py`": edit("src/vigil/domain/measures/detector.py"),
    "code: `learn/classifier/network/crop_transformer.py`": edit(
        "src/vigil/learn/classifier/network/crop_transformer.py"
    ),
    "code: `learn/detector/network/grid.py`": edit("src/vigil/learn/detector/network/grid.py"),
    "code: `learn/pictures/trunk.py`": edit("src/vigil/learn/pictures/trunk.py"),
    "code: `learn/segmenter/network/unet.py`": edit("src/vigil/learn/segmenter/network/unet.py"),
    "code: `learn/alarm/network/scoring/autoencoder.py`": edit(
        "src/vigil/learn/alarm/network/scoring/autoencoder.py"
    ),
    "code: `learn/training/loop.py`": edit("src/vigil/learn/training/loop.py"),
    "code: `domain/masks/class_map.py`": edit("src/vigil/domain/masks/class_map.py"),
    "code: `learn/dino/training/views.py`": edit("src/vigil/learn/dino/training/views.py"),
    "code: `learn/attention/clusters.py`": edit("src/vigil/learn/attention/clusters.py"),
    "code: `learn/classifier/attention.py`": edit("src/vigil/learn/classifier/attention.py"),
    "code: `evaluation/detector.py`": edit("src/vigil/evaluation/detector.py"),
    "code: `settings/train_detector.py`": edit("src/vigil/settings/train_detector.py"),
}


def render_table(project: Project) -> str:
    """The page `docs/reruns.md`."""
    order = list(yaml.safe_load(project.lock)["stages"])
    graph = _read_graph(project)
    lines = ["| change | reruns | and at most |", "| --- | --- | --- |"]
    for name, change in CHANGES.items():
        with changed(project, change), listed(project, is_edited=name.startswith("code")):
            lines_told = project.run("dvc", "status", "--json").splitlines()
        told = json.loads(next(line for line in lines_told if line.startswith("{")))
        direct = {stage for stage in told if stage in graph} - {"list_code"}
        later = _downstream(graph, direct) - direct
        lines.append(f"| {name} | {_list(direct, order)} | {_list(later, order)} |")
    return HEADER + "\n".join(lines) + "\n"


@contextmanager
def listed(project: Project, *, is_edited: bool) -> Iterator[None]:
    """Lists the code anew, as `list_code` does, and takes the lists back."""
    if not is_edited:
        yield
        return
    code, before = project.folder / "code", project.folder / "code.before"
    shutil.copytree(code, before)
    try:
        words = ("stages/list_code.py", "--stages", "stages", "--code", "code")
        project.run(sys.executable, *words)
        yield
    finally:
        shutil.rmtree(code)
        before.rename(code)


@contextmanager
def changed(project: Project, change: Change) -> Iterator[None]:
    """Makes a change and takes it back to the byte."""
    places = [project.folder / name for name in ("params.yaml", "data/scene", "src")]
    before = {
        file: file.read_bytes()
        for place in places
        for file in ([place] if place.is_file() else sorted(place.rglob("*")))
        if file.is_file() and "__pycache__" not in file.parts
    }
    change(project)
    try:
        yield
    finally:
        for place in places[1:]:
            for file in list(place.rglob("*")):
                if file.is_file() and file not in before and "__pycache__" not in file.parts:
                    file.unlink()
        for file, content in before.items():
            if not file.exists() or file.read_bytes() != content:
                file.write_bytes(content)
        shutil.rmtree(project.folder / "data/scene/copy", ignore_errors=True)


def _read_graph(project: Project) -> dict[str, set[str]]:
    """By stage: the stages that read what it makes."""
    stages = yaml.safe_load(project.lock)["stages"]
    graph: dict[str, set[str]] = {name: set() for name in stages}
    for name, stage in stages.items():
        made = [Path(out["path"]) for out in stage.get("outs", [])]
        for other, reader in stages.items():
            read = [Path(dep["path"]) for dep in reader.get("deps", [])]
            if any(a == b or a in b.parents or b in a.parents for a in made for b in read):
                graph[name].add(other)
    return graph


def _downstream(graph: dict[str, set[str]], start: set[str]) -> set[str]:
    found: set[str] = set()
    waiting = list(start)
    while waiting:
        for after in graph[waiting.pop()] - found:
            found.add(after)
            waiting.append(after)
    return found


def _list(stages: set[str], order: list[str]) -> str:
    if not stages:
        return "nothing"
    names = sorted(stages, key=order.index)
    return ", ".join(f"**{name}**" if name in TRAININGS else name for name in names)
