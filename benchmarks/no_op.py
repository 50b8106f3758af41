"""Time of `dvc repro` when there is nothing to do, measured for whole processes.

The demo: `dvc repro` in this project, after `make repro` has brought it up to date.

200 videos of 500 frames: all stages of `dvc.yaml`, including trainings, ran once in a copy of this
project. The data is 10 small videos under 20 names each, their export, and 200 clips. Every copy of
a video has a few different bytes after its last frame. Networks, epochs, samples and pictures are
small, since they change the content of files, but not the number of files, dependencies and
parameters that DVC checks.

The references are bare DVC pipelines with as many stages in a chain. They declare single files, one
dependency for each stage, no code and no parameters. The first has one file for each video in each
output that grows with the videos, and one file for each other output. (Ours has 20 times as many
files. A bare pipeline of 12,281 files had not finished its second stage after six minutes.) The
second has one file for each output that ours declares, where a folder of thousands of files counts
as one. It shows the time of DVC itself. It has no target, and is three times as fast as ours.

Wall time is the median over rounds that run all pipelines in turn. The least processor time is
shown too, since other work on the machine changes it less.

Measured on a quiet 2-core AMD EPYC VM: the demo 1.11 s, 200 videos 2.47 s, bare pipelines 1.95 s
for 630 files (1.27x) and 0.71 s for 33 files (3.50x). The difference to the latter comes from a
check of each of 12,281 files, by every stage that makes or reads them.
"""

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml
from measure import PROJECT, WORK, Row, log, median_ratio, side_by_side
from walkers import export, write_video

NUM_VIDEOS, NUM_FRAMES, SIZE_WH = 200, 500, (160, 120)
NUM_ENCODED = 10
CLIP_CLASSES = ("falling", "running", "standing", "walking")
NUM_CLIPS = 50  # of a class
CLIP_LENGTHS = range(30, 40)  # frames
NUM_MASKED = 60  # pictures with a mask
NUM_ROUNDS = 3
DEMO_TARGET_S, TARGET = 2.0, 3.0
COPIED = ("dvc.yaml", "params.yaml", ".dvcignore", ".gitignore", "splits", "stages", "src")
SMALL: dict[str, dict[str, Any]] = {
    "dataset": {
        "root": "data/scene",
        "annotations": "export.json",
        "masks": {
            "root": "data/scene/masks.json",
            "images": "data/scene/pictures",
        },
        "clips": "data/scene/clips",
        "anomalous_classes": list(CLIP_CLASSES[:2]),
        "clip_group_pattern": "",
    },
    "extract_frames": {"jpeg_quality": 50},
    "generate_samples": {"size_px": 20, "stride_frames": 60},
    "import_detections": {"frame_stride": 250},
    "split": {"val_fraction": 0.02},  # small, as a frame in val removes its copies from train
    "train_classifier": {
        "network": {"width": 16, "mlp_width": 16, "num_heads": 2},
        "fitting": {"max_epochs": 1},
    },
    "train_detector": {
        "architecture": "grid",
        "input_size_wh": [96, 96],
        "features": {"strides": [8]},
        "fitting": {"max_epochs": 1},
    },
    "train_segmenter": {
        "canvas_wh": [64, 48],
        "unet": {"trunk": "plain", "width": 4},
        "fitting": {"max_epochs": 1},
    },
    "embed_clips": {"channels": ["motion_histogram"]},
    "fit_alarm": {
        "scorers": {"motion_histogram": ["autoencoder"]},
        "network": {"hidden": [8, 4]},
        "fitting": {"max_epochs": 2},
    },
    "train_dino": {"root": "data/scene/videos"},
    "attend": {"root": "data/scene/videos"},
    "watch": {"root": "data/scene/videos", "videos": []},
    "evaluate": {"watch": {"truth": "splits/no_truth.json"}},
}


@dataclass
class NoOp:
    """A project in a separate folder; each call runs `dvc repro` there, with nothing to do."""

    folder: Path
    cpu_s: list[float] = field(default_factory=list)

    def run(self, *words: str) -> str:
        dvc = str(Path(sys.executable).with_name("dvc"))
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        outer = {"VIGIL_STATE_DIR", "DVC_ROOT"}
        kept = {name: value for name, value in os.environ.items() if name not in outer}
        done = subprocess.run(
            [dvc, *words],
            cwd=self.folder,
            env={**kept, "PATH": path, "DVC_NO_ANALYTICS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"dvc {' '.join(words)}: {(done.stdout + done.stderr)[-3000:]}")
        return done.stdout

    def __call__(self) -> float:
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        output = self.run("repro")
        elapsed = time.perf_counter() - start
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.cpu_s.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
        assert "up to date" in output, output[-3000:]
        return elapsed


def run() -> list[Row]:
    return [_demo(), *_many_videos()]


def _demo() -> Row:
    what, target = "no-op dvc repro, the demo", f"< {DEMO_TARGET_S:.0f} s"
    project = NoOp(PROJECT)
    if json.loads(project.run("status", "--json") or "{}"):
        return Row(what, "not up to date: make repro", target=target)
    seconds = statistics.median(side_by_side([project], NUM_ROUNDS)[0])
    ratio = seconds / DEMO_TARGET_S
    return Row(what, _cell(seconds, project), "2 s (fixed)", ratio, target, ratio < 1)


def _many_videos() -> list[Row]:
    ours = make_project(WORK / "no_op/ours")
    sizes = [
        [int(out.get("nfiles", 1)) for out in stage.get("outs", [])]
        for stage in yaml.safe_load((ours.folder / "dvc.lock").read_text())["stages"].values()
    ]
    by_video = [sum(NUM_VIDEOS if size >= NUM_VIDEOS else 1 for size in of) for of in sizes]
    declared = [len(of) for of in sizes]
    bare = [
        make_bare_project(WORK / f"no_op/bare_{sum(nums)}", nums) for nums in (by_video, declared)
    ]
    log(f"no_op: {NUM_ROUNDS} rounds of three pipelines with nothing to do")
    ours_s, *bare_s = side_by_side([ours, *bare], NUM_ROUNDS)
    what = f"no-op dvc repro, {NUM_VIDEOS} videos of {NUM_FRAMES} frames"
    cell = f"{_cell(statistics.median(ours_s), ours)}, {sum(map(sum, sizes)):,} files"
    rows = []
    for project, seconds, nums in zip(bare, bare_s, (by_video, declared), strict=True):
        ratio = median_ratio(ours_s, seconds)
        reference = f"{_cell(statistics.median(seconds), project)}, {sum(nums)} files"
        if nums is by_video:
            target = f"<= {TARGET:.2f}x"
            rows.append(Row(what, cell, reference, ratio, target, ratio <= TARGET))
        else:
            rows.append(Row(f"{what}, a file an output", cell, reference, ratio))
    return rows


def _cell(seconds: float, project: NoOp) -> str:
    return f"{seconds:.2f} s (cpu {min(project.cpu_s):.2f} s)"


def make_project(folder: Path) -> NoOp:
    """Makes a copy of this project with many videos, and brings it up to date."""
    project = NoOp(folder)
    _start_repository(project)
    for name in COPIED:
        source, target = PROJECT / name, folder / name
        if source.is_dir():
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    videos = [f"camera_{number:03d}.mp4" for number in range(NUM_VIDEOS)]
    _make_scene(folder / "data/scene", videos)
    params = yaml.safe_load((folder / "params.yaml").read_text())
    _merge(params, SMALL)
    params["dataset"]["videos"] = videos
    params["split"]["test_videos"] = videos[::NUM_ENCODED]
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    log(f"no_op: the whole pipeline on {NUM_VIDEOS} videos, once")
    project.run("repro")
    return project


def _make_scene(folder: Path, videos: list[str]) -> None:
    """Writes videos, export and clips; some are encoded, and the others are copies of these."""
    for number in range(NUM_ENCODED):
        bit_rate = 100_000 + 20_000 * number  # gives each video different pixels
        write_video(folder / f"video_{number}.mp4", NUM_FRAMES, SIZE_WH, bit_rate)
    tasks = []
    for number, video in enumerate(videos):
        source = folder / f"video_{number % NUM_ENCODED}.mp4"
        _copy_as_own(source, folder / "videos" / video, number)
        (task,) = export(video, NUM_FRAMES, SIZE_WH)
        tasks.append({**task, "id": number + 1})
    (folder / "export.json").write_text(json.dumps(tasks))
    _write_masks(folder)
    for length in CLIP_LENGTHS:
        write_video(folder / f"clip_{length}.mp4", length, SIZE_WH, 200_000)
    for place, name in enumerate(CLIP_CLASSES):
        for number in range(NUM_CLIPS):
            source = folder / f"clip_{CLIP_LENGTHS[number % len(CLIP_LENGTHS)]}.mp4"
            target = folder / "clips" / name / f"{name}_{number:03d}.mp4"
            _copy_as_own(source, target, NUM_CLIPS * place + number)


def _write_masks(folder: Path) -> None:
    """Writes pictures of noise with a bright square each, and the squares as COCO polygons."""
    (folder / "pictures").mkdir(exist_ok=True)
    width, height = SIZE_WH
    images, annotations = [], []
    for number in range(1, NUM_MASKED + 1):
        picture = np.random.default_rng(number).integers(0, 99, (height, width, 3), dtype=np.uint8)
        left = number
        picture[20:60, left : left + 30] = 255
        cv2.imwrite(str(folder / f"pictures/{number:03d}.png"), picture)
        name = {"id": number, "file_name": f"{number:03d}.png"}
        images.append({**name, "width": width, "height": height})
        corners = [left, 20, left + 30, 20, left + 30, 60, left, 60]
        polygon = {"iscrowd": 0, "segmentation": [corners]}
        annotations.append({"id": number, "image_id": number, "category_id": 1, **polygon})
    categories = [{"id": 1, "name": "square"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "masks.json").write_text(json.dumps(content))


def _copy_as_own(source: Path, target: Path, number: int) -> None:
    """Copies an MP4 file and appends a box that players skip, so that no two files are equal."""
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes() + b"\0\0\0\x0cfree" + number.to_bytes(4, "big"))


def make_bare_project(folder: Path, nums_files: list[int]) -> NoOp:
    """Makes a pipeline of stages in a chain, each with a number of single files, and runs it."""
    project = NoOp(folder)
    _start_repository(project)
    stages: dict[str, Any] = {}
    last = "start"
    (folder / last).write_text("start")
    for number, num_files in enumerate(nums_files):
        name = f"stage_{number:02d}"
        write = f"for i in $(seq 0 {num_files - 1}); do echo {name} $i > out/{name}/$i; done"
        stages[name] = {
            "cmd": f"mkdir -p out/{name}; {write}",
            "deps": [last],
            "outs": [f"out/{name}/{index}" for index in range(num_files)],
        }
        last = f"out/{name}/0"
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}, sort_keys=False))
    log(f"no_op: a bare pipeline of {sum(nums_files):,} files, once")
    project.run("repro")
    return project


def _merge(place: dict[str, Any], values: dict[str, Any]) -> None:
    for name, value in values.items():
        if isinstance(value, dict):
            _merge(place[name], value)
        else:
            place[name] = value


def _start_repository(project: NoOp) -> None:
    """Makes an empty Git and DVC repository with this project's settings, if there is none."""
    if (project.folder / ".dvc/config").exists():
        return
    project.folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["git", "init", "--quiet", str(project.folder)], check=True)
    (project.folder / ".gitignore").write_text("/out/\n")
    project.run("init", "--quiet")
    shutil.copy(PROJECT / ".dvc/config", project.folder / ".dvc/config")
    who = ["-c", "user.name=benchmark", "-c", "user.email=benchmark@localhost"]
    git = ["git", "-C", str(project.folder), *who]
    subprocess.run([*git, "commit", "--quiet", "--all", "--message", "start"], check=True)
