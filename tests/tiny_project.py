"""A tiny project: a copy of this one in a folder of its own, on a scene drawn for it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import yaml
from tiny_clips import write_clips

ROOT = Path(__file__).parents[1]
SIZE_WH = (96, 80)
NUM_FRAMES = 48
FPS = 12
VIDEOS = ("a one.mp4", "b.two.avi", "c.mp4")
OWN_STATE = ("VIGIL_STATE_DIR", "VIGIL_MEMO_GB")
SMALL = {
    "generate_samples": {"num_frames": 4, "stride_frames": 4, "size_px": 20},
    "train_classifier": {
        "network": {"width": 16, "mlp_width": 16, "num_heads": 2},
        "fitting": {"max_epochs": 2, "precision": "32-true"},
    },
    "train_detector": {
        "architecture": "grid",
        "input_size_wh": [96, 80],
        "features": {"strides": [8], "deepest_stride": 8, "neck_width": 0},
        "fitting": {"max_epochs": 1, "precision": "32-true"},
    },
    "train_segmenter": {
        "canvas_wh": [96, 80],
        "unet": {"trunk": "plain", "width": 4, "finest_stride": 4},
        "fitting": {"max_epochs": 1, "precision": "32-true"},
    },
    "import_detections": {"frame_stride": 6},
    "interpolate_annotations": {"num_pictures": 2},
    "split": {"val_fraction": 0.34, "test_fraction": 0.34},
    "embed_clips": {"channels": ["motion_histogram"]},
    "fit_alarm": {
        "scorers": {"motion_histogram": ["autoencoder", "mahalanobis"]},
        "network": {"hidden": [8, 4]},
        "fitting": {"max_epochs": 2},
    },
    "train_dino": {"root": "data/scene/watched"},
    "attend": {"root": "data/scene/watched"},
    "watch": {"root": "data/scene/watched", "videos": ["new.mp4"], "window_s": 1.0},
    "evaluate": {"watch": {"truth": "splits/no_truth.json"}},
}
TINY_DINO = {
    "videos": ["new.mp4"],
    "frames": {"step_s": 0.0, "short_side_px": 40, "val_fraction": 0.25, "regions": 1},
    "network": {"size_px": 16, "patch_px": 8, "width": 16, "depth": 1, "num_heads": 2},
    "views": {"small_px": 8, "num_small": 1, "min_region": 0.4, "max_region": 0.8},
    "distillation": {"prototypes": 8, "hidden_width": 16, "bottleneck_width": 8},
}
"""`train_dino` with a video; by default it trains nothing."""


def box_at(frame_index: int, number: int) -> tuple[int, int, int, int]:
    """x, y, width, height in px of a walker."""
    return 6 + frame_index + 3 * number, 8 + 5 * number, 12, 24


def write_video(path: Path, number: int) -> None:
    rng = np.random.default_rng(number)
    ground = rng.integers(90, 130, (SIZE_WH[1], SIZE_WH[0], 3), dtype=np.uint8)
    codec = "mpeg4" if path.suffix == ".avi" else "libx264"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=FPS)
        stream.width, stream.height, stream.pix_fmt = *SIZE_WH, "yuv420p"
        for frame_index in range(NUM_FRAMES):
            picture = ground.copy()
            x, y, width, height = box_at(frame_index, number)
            picture[y : y + height, x : x + width] = (30, 60, 220)
            picture[y : y + 6, x + 3 : x + 9] = (240, 220, 200)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode())


def write_masks(folder: Path, num_pictures: int = 9) -> None:
    """Pictures with a walker each, of three videos, and the walkers' masks as COCO polygons."""
    images, annotations = [], []
    for number in range(num_pictures):
        frame_index, video = 5 * (number // 3), VIDEOS[number % 3]
        picture = np.full((SIZE_WH[1], SIZE_WH[0], 3), 90 + number, np.uint8)
        x, y, width, height = box_at(frame_index, number % 3)
        picture[y : y + height, x : x + width] = (220, 60, 30)
        name = f"{video}/{frame_index}.png"
        (folder / "pictures" / video).mkdir(parents=True, exist_ok=True)
        (folder / "pictures" / name).write_bytes(cv2.imencode(".png", picture)[1].tobytes())
        corners = [x, y, x + width, y, x + width, y + height, x, y + height]
        images.append(
            {"id": number + 1, "file_name": name, "width": SIZE_WH[0], "height": SIZE_WH[1],
             "video": video, "frame_index": frame_index}
        )  # fmt: skip
        annotations.append(
            {"id": number + 1, "image_id": number + 1, "category_id": 1, "iscrowd": 0,
             "segmentation": [corners]}
        )  # fmt: skip
    content = {"images": images, "annotations": annotations}
    categories = [{"id": 1, "name": "human"}]
    text = json.dumps({**content, "categories": categories})
    (folder / "instances.json").write_text(text)


def task_of(video: str, number: int) -> dict[str, Any]:
    width, height = SIZE_WH
    sequence = []
    for frame_index in (0, NUM_FRAMES - 1):
        x, y, w, h = box_at(frame_index, number)
        sequence.append(
            {
                "frame": frame_index + 1,
                "enabled": frame_index == 0,
                "rotation": 0,
                "x": 100 * x / width,
                "y": 100 * y / height,
                "width": 100 * w / width,
                "height": 100 * h / height,
                "time": (frame_index + 1) / FPS,
            }
        )
    value = {"sequence": sequence, "labels": ["human"], "framesCount": NUM_FRAMES, "duration": 4}
    region = {"id": f"walker{number}", "type": "videorectangle", "value": value}
    annotation = {"id": 1, "was_cancelled": False, "result": [region]}
    source = f"/data/upload/1/0123abcd-{video.replace(' ', '_')}"
    return {"id": number + 1, "data": {"video": source}, "annotations": [annotation]}


def stages_of(told: str) -> list[str]:
    """The stages that ran, as DVC tells."""
    return [line.split("'")[1] for line in told.splitlines() if line.startswith("Running stage")]


def merge(place: dict[str, Any], values: Mapping[str, Any]) -> None:
    """Puts values into a nested mapping; every key must be there."""
    for key, value in values.items():
        assert key in place, key
        if isinstance(value, dict):
            merge(place[key], value)
        else:
            place[key] = value


MEMOS = {
    "extract_frames": "frames",
    "interpolate_annotations": "annotations",
    "generate_samples": "samples",
    "track_clips": "clip_tracks",
    "embed_clips": "embeddings",
    "train_classifier": "classifier_training",
    "train_detector": "detector_training",
    "train_segmenter": "segmenter_training",
    "fit_alarm": "alarm_training",
    "train_dino": "dino_training",
}
"""What a stage made is remembered under this name."""


class Project:
    """A copy of the project in a folder of its own, on a scene of its own."""

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        """Args: environment: variables to set for all that runs in it."""
        self.folder = folder
        given = {"PYTHONPATH": os.environ.get("PYTHONPATH", ""), **(environment or {})}
        # Else each stage would load its libraries, see that vigil is another's, and start again.
        search = [str(folder / "src"), *filter(None, [given["PYTHONPATH"]])]
        for name in (
            "dvc.yaml",
            "params.yaml",
            ".dvcignore",
            ".gitignore",
            "splits",
            "stages",
            "src",
            "demo",
        ):
            source = ROOT / name
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", "dvc.lock")
                shutil.copytree(source, folder / name, ignore=ignored)
            else:
                shutil.copy(source, folder / name)
        (folder / "data" / "scene" / "videos").mkdir(parents=True)
        write_clips(folder / "data" / "scene" / "clips", num_sources=3)
        write_masks(folder / "data" / "scene" / "masks")
        (folder / "data" / "scene" / "watched").mkdir()
        write_video(folder / "data" / "scene" / "watched" / "new.mp4", 7)
        self.env = {
            **{name: value for name, value in os.environ.items() if name not in OWN_STATE},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "DVC_NO_ANALYTICS": "1",
            "GIT_AUTHOR_NAME": "t",
            "GIT_AUTHOR_EMAIL": "t@t",
            "GIT_COMMITTER_NAME": "t",
            "GIT_COMMITTER_EMAIL": "t@t",
            **given,
            "PYTHONPATH": os.pathsep.join(search),
        }
        self.run("git", "init", "-q", ".")
        self.run("dvc", "init", "-q")
        self.run("git", "commit", "-qam", "start", "--allow-empty")
        self.list_videos(VIDEOS)

    def list_videos(self, videos: tuple[str, ...]) -> None:
        """Makes the scene and the parameters those of the videos named, and of no others."""
        scene = self.folder / "data" / "scene"
        for number, video in enumerate((*VIDEOS, "d.mp4")):
            path = scene / "videos" / video
            if video not in videos:
                path.unlink(missing_ok=True)
            elif not path.exists():
                write_video(path, number)
        tasks = [task_of(video, number) for number, video in enumerate(videos)]
        (scene / "export.json").write_text(json.dumps(tasks))
        dataset = {
            "root": "data/scene",
            "videos": list(videos),
            "annotations": "export.json",
            "masks": {
                "root": "data/scene/masks/instances.json",
                "images": "data/scene/masks/pictures",
            },
            "clips": "data/scene/clips",
            "anomalous_classes": ["dash"],
            "clip_group_pattern": "",
        }
        self.change("dataset", **dataset)
        for section, values in SMALL.items():
            self.change(section, **values)

    def change(self, section: str, **values: Any) -> None:
        """Changes values of a section (dots lead into it), those of blocks one by one."""
        path = self.folder / "params.yaml"
        content = yaml.safe_load(path.read_text())
        place = content
        for key in section.split("."):
            place = place[key]
        merge(place, values)
        path.write_text(yaml.safe_dump(content))

    def run(self, *words: str, code: int = 0) -> str:
        done = subprocess.run(
            words, cwd=self.folder, env=self.env, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def start(
        self, stage: str, before: Callable[[], None] | None = None
    ) -> "subprocess.Popen[str]":
        """Starts the command of a stage that ran before as DVC does, its outputs gone.

        Args: before: what the new process calls first.
        """
        ran = yaml.safe_load(self.lock)["stages"][stage]
        self.run("rm", "-rf", *(out["path"] for out in ran["outs"]))
        return subprocess.Popen(
            ["sh", "-c", f"exec env {ran['cmd']}"],
            cwd=self.folder,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=before,
        )

    def forget(self, stage: str) -> None:
        """Removes what is remembered of a stage's work."""
        self.run("rm", "-rf", f".vigil/memo/{MEMOS[stage]}")

    def repro(self, *targets: str) -> list[str]:
        """Runs the pipeline, or up to some of its stages; returns the stages that ran."""
        return stages_of(self.run("dvc", "repro", *targets))

    @property
    def lock(self) -> str:
        return (self.folder / "dvc.lock").read_text()

    def content(self) -> dict[str, bytes]:
        return {
            str(file.relative_to(self.folder)): file.read_bytes()
            for folder in ("data", "models", "metrics")
            for file in sorted((self.folder / folder).rglob("*"))
            if file.is_file()
        }

    def memo(self, stage: str) -> set[str]:
        return {entry.name for entry in (self.folder / ".vigil" / "memo" / MEMOS[stage]).iterdir()}
