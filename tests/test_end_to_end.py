"""The whole pipeline through DVC on a tiny scene: what reruns, what does not, what is left."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import yaml
from tiny_clips import write_clips

ROOT = Path(__file__).parents[1]
SIZE_WH = (96, 80)
NUM_FRAMES = 48
FPS = 12
NUM_STAGES = 15
VIDEOS = ("a one.mp4", "b.two.avi", "c.mp4")
MODEL = Path("src", "vigil", "learn", "models", "classifier", "crop_transformer.py")
SMALL = {
    "generate_samples": {"num_frames": 4, "stride_frames": 4, "size_px": 20},
    "train_classifier": {
        "width": 16,
        "mlp_width": 16,
        "num_heads": 2,
        "max_epochs": 2,
        "precision": "32-true",
    },
    "train_detector": {
        "input_size_wh": [96, 80],
        "deepest_stride": 8,
        "neck_width": 0,
        "max_epochs": 1,
        "precision": "32-true",
    },
    "import_detections": {"frame_stride": 6},
    "interpolate_annotations": {"num_pictures": 2},
    "split": {"val_fraction": 0.34, "test_fraction": 0.34},
    "fit_autoencoder": {"max_epochs": 2, "hidden": [8, 4]},
}


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


class Project:
    """A copy of the project in a folder of its own, on a scene of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in (
            "dvc.yaml",
            "params.yaml",
            ".dvcignore",
            ".gitignore",
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
        self.env = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "DVC_NO_ANALYTICS": "1",
            "GIT_AUTHOR_NAME": "t",
            "GIT_AUTHOR_EMAIL": "t@t",
            "GIT_COMMITTER_NAME": "t",
            "GIT_COMMITTER_EMAIL": "t@t",
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
            "clips": "data/scene/clips",
            "anomalous_classes": ["dash"],
            "clip_group_pattern": "",
        }
        self.change("dataset", **dataset)
        for section, values in SMALL.items():
            self.change(section, **values)

    def change(self, section: str, **values: Any) -> None:
        path = self.folder / "params.yaml"
        content = yaml.safe_load(path.read_text())
        content[section].update(values)
        path.write_text(yaml.safe_dump(content))

    def run(self, *words: str, code: int = 0) -> str:
        done = subprocess.run(
            words, cwd=self.folder, env=self.env, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def repro(self) -> list[str]:
        """Runs the pipeline; returns the stages that ran."""
        lines = self.run("dvc", "repro").splitlines()
        return [line.split("'")[1] for line in lines if line.startswith("Running stage")]

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
        return {entry.name for entry in (self.folder / ".vigil" / "memo" / stage).iterdir()}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("project"))
    assert len(project.repro()) == NUM_STAGES
    return project


def test_the_second_run_does_nothing(project: Project):
    assert project.repro() == []


def test_every_result_is_there(project: Project):
    numbers = json.loads((project.folder / "metrics" / "classifier.json").read_text())
    assert numbers.keys() >= {
        "accuracy", "precision", "recall", "f1", "auroc", "brier", "num_samples",
    }  # fmt: skip
    assert set(numbers["accuracy_by_video"]) < set(VIDEOS)
    card = json.loads((project.folder / "models" / "classifier.json").read_text())
    assert card["architecture"] == "crop_transformer"
    content = project.content()
    measured = json.loads((project.folder / "metrics" / "detector.json").read_text())
    assert measured.keys() >= {
        "map", "map_50", "map_75", "map_small", "map_medium", "map_large", "mar_100",
        "precision", "recall", "f1", "score_threshold", "ap_by_class",
    }  # fmt: skip
    assert json.loads((project.folder / "models" / "detector.json").read_text())["classes"]
    for video in VIDEOS:
        assert f"data/frames/{video}.zip" in content
        assert f"data/annotations/{video}/coco.json" in content
        assert f"data/samples/{video}.npy" in content
    assert not [name for name in content if "partial" in name]


def test_a_fourth_video_costs_itself_alone_and_leaves_no_trace(project: Project):
    lock, content = project.lock, project.content()
    frames, samples = project.memo("extract_frames"), project.memo("generate_samples")
    kept = {video: (project.folder / f"data/frames/{video}.zip").read_bytes() for video in VIDEOS}
    project.list_videos((*VIDEOS, "d.mp4"))
    assert "extract_frames" in project.repro()
    assert len(project.memo("extract_frames") - frames) == 1
    assert len(project.memo("generate_samples") - samples) == 1
    for video, archive in kept.items():
        assert (project.folder / f"data/frames/{video}.zip").read_bytes() == archive
    assert project.lock != lock
    project.list_videos(VIDEOS)
    project.repro()
    assert project.lock == lock
    assert project.content() == content


def test_a_video_off_the_list_leaves_no_trace_though_its_file_stays(project: Project):
    extra = project.folder / "data" / "scene" / "videos" / "d.mp4"
    write_video(extra, 3)
    project.repro()
    lock, content = project.lock, project.content()
    project.list_videos((*VIDEOS, "d.mp4"))
    project.repro()
    project.change("dataset", videos=list(VIDEOS))
    project.change("interpolate_annotations", unlisted_tasks="skip")
    project.repro()
    made = {n: c for n, c in content.items() if not n.startswith("data/scene")}
    assert made.items() <= project.content().items()
    assert not [name for name in project.content() if "d.mp4" in name and "scene" not in name]
    project.change("interpolate_annotations", unlisted_tasks="error")
    tasks = [task_of(video, number) for number, video in enumerate(VIDEOS)]
    (project.folder / "data" / "scene" / "export.json").write_text(json.dumps(tasks))
    project.repro()
    assert project.lock == lock
    extra.unlink()
    project.repro()


@pytest.mark.parametrize(
    ("section", "changes", "back", "rerun"),
    [
        (
            "train_classifier",
            {"depth": 2},
            {"depth": 1},
            ["train_classifier", "evaluate@classifier"],
        ),
        (
            "train_detector",
            {"architecture": "anchor", "num_anchor_sizes": 1},
            {"architecture": "grid", "num_anchor_sizes": 3},
            ["train_detector", "evaluate@detector"],
        ),
        (
            "split",
            {"gap_frames": 11},
            {"gap_frames": 10},
            [
                "split@classifier",
                "split@detector",
                "split@anomaly",
            ],  # whole videos: the lists stay the same
        ),
    ],
)
def test_a_changed_parameter_reruns_what_depends_on_it(project, section, changes, back, rerun):
    project.change(section, **changes)
    assert project.repro() == rerun
    project.change(section, **back)
    project.repro()


@pytest.mark.parametrize(
    ("branch", "changes"),
    [("classifier", {"threshold": 0.4}), ("detector", {"score_threshold": 0.4})],
)
def test_a_changed_threshold_retrains_nothing(project: Project, branch: str, changes: dict):
    path = project.folder / "params.yaml"
    before = path.read_text()
    content = yaml.safe_load(before)
    content["evaluate"][branch].update(changes)
    path.write_text(yaml.safe_dump(content))
    assert project.repro() == [f"evaluate@{branch}"]
    path.write_text(before)
    project.repro()


def test_another_rule_for_the_alarm_refits_nothing(project: Project):
    project.change("pick_threshold", method="quantile")
    assert project.repro() == ["pick_threshold", "evaluate@anomaly"]
    project.change("pick_threshold", method="max_validation_error")
    project.repro()


def test_another_backbone_leaves_the_other_branches_alone(project: Project):
    path = project.folder / "params.yaml"
    before = path.read_text()
    content = yaml.safe_load(before)
    content["embed_clips"]["flow_histogram"]["num_bins"] = 4
    path.write_text(yaml.safe_dump(content))
    assert project.repro() == [
        "embed_clips", "fit_autoencoder", "pick_threshold", "evaluate@anomaly",
    ]  # fmt: skip
    path.write_text(before)
    project.repro()


def test_plumbing_reruns_nothing_and_a_model_reruns_its_training(project: Project):
    plumbing = project.folder / "src" / "vigil" / "plumbing" / "progress.py"
    plumbing.write_text(plumbing.read_text() + "\n# another comment\n")
    assert project.repro() == []
    model = project.folder / MODEL
    before = model.read_text()
    model.write_text(before + "\n# another comment\n")
    assert project.repro() == ["train_classifier", "evaluate@classifier"]
    model.write_text(before)
    project.repro()


def test_a_misspelt_parameter_of_a_late_stage_stops_the_first(project: Project):
    path = project.folder / "params.yaml"
    before = path.read_text()
    path.write_text(before.replace("label_smoothing:", "label_smothing:"))
    project.change("extract_frames", jpeg_quality=90)
    told = project.run("dvc", "repro", code=255)
    lines = [line for line in told.splitlines() if line.startswith("extract_frames: ")]
    assert len(lines) == 1
    assert "train_classifier.label_smothing: no such parameter" in lines[0]
    path.write_text(before)
    assert project.repro() == []


def test_an_experiment_in_a_folder_of_its_own_runs_its_own_code(project: Project):
    """DVC runs it elsewhere, where the installed package is not the one meant."""
    project.run("dvc", "add", "-q", "data/scene")
    model = project.folder / MODEL
    model.write_text(model.read_text() + "\nprint('code from', __file__)\n")
    project.run("git", "add", ".")
    project.run("git", "commit", "-qm", "all")
    change = "train_classifier.depth=2"
    told = project.run("dvc", "exp", "run", "--temp", "--name", "deep", "-S", change)
    sources = [line.split()[-1] for line in told.splitlines() if line.startswith("code from")]
    assert sources
    assert all(f"{os.sep}.dvc{os.sep}tmp{os.sep}" in source for source in sources)
    assert "deep" in project.run("dvc", "exp", "show", "--csv")
    assert project.run("git", "status", "--short") == ""


def test_the_sweep_of_learning_rates_changes_no_result(project: Project):
    before = project.content()
    told = project.run(sys.executable, "-m", "vigil.learn.lr_finder", "fit_autoencoder")
    assert "fit_autoencoder.learning_rate: " in told
    drawn = project.folder / "lr_finder" / "fit_autoencoder"
    assert {file.name for file in drawn.iterdir()} == {"curve.png", "losses.csv"}
    assert project.content() == before
    assert project.repro() == []


def test_metrics_and_plots_show(project: Project):
    project.run("dvc", "plots", "show", "-o", "plots")
    page = (project.folder / "plots" / "index.html").read_text()
    assert "Training loss" in page
    assert "Confusion (classifier)" in page
    assert "Validation mAP (detector)" in page
    project.run("dvc", "metrics", "diff", "--all")
