"""A tiny scene, and stage scripts run on it as DVC runs them."""

import json
import os
import runpy
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import settings
from tiny_exports import Json, keyframe, region, task
from tiny_videos import write_video

from vigil.pixels.pictures.picture import Picture

# Examples are the same in each run, and how long one takes says nothing on a busy machine.
settings.register_profile("vigil", deadline=None, derandomize=True, database=None)
settings.load_profile("vigil")

# Items are worked on in the process of the test, unless a test says otherwise.
os.environ.setdefault("VIGIL_WORKERS", "0")

REPOSITORY = Path(__file__).parents[1]
REAL = REPOSITORY.parent / "shared" / "real"
"""Data that others made, on machines that have it beside the project."""

SIZE_WH = (96, 72)
NUM_FRAMES = 30
VIDEOS = ("door_1.mp4", "door_2.webm", "door_3.avi")

WORDS = {
    "extract_frames": ("--video-folder", "scene/videos", "--frames", "data/frames"),
    "interpolate_annotations": (
        *("--export", "scene/annotations.json", "--frames", "data/frames"),
        *("--annotations", "data/annotations"),
    ),
    "generate_samples": (
        *("--frames", "data/frames", "--annotations", "data/annotations"),
        *("--samples", "data/samples", "--report", "data/sample_report"),
    ),
    "import_detections": (
        *("--annotations", "data/annotations", "--images", "data/frames"),
        *("--detections", "data/detection", "--report", "data/detection_report"),
    ),
    "split_classifier": (
        *("--samples", "data/samples", "--given", "splits/drawn.csv"),
        *("--splits", "data/splits/classifier", "--metrics", "metrics/split_classifier.json"),
    ),
    "split_detector": (
        *("--detections", "data/detection/instances.json", "--given", "splits/drawn.csv"),
        *("--splits", "data/splits/detector", "--metrics", "metrics/split_detector.json"),
    ),
}
"""The command line of each light stage of the scene, in the order of the pipeline."""

DETECTIONS = ("--detections", "data/detection/instances.json")


def model_files(branch: str) -> tuple[str, ...]:
    return ("--weights", f"models/{branch}.safetensors", "--card", f"models/{branch}.json")


def sides_to_learn_from(branch: str) -> tuple[str, ...]:
    splits = f"data/splits/{branch}"
    return (
        *("--train", f"{splits}/train.json", "--val", f"{splits}/val.json"),
        *("--hard-examples", "splits/no_hard_examples.csv"),
    )


def measures(branch: str) -> tuple[str, ...]:
    return (
        *("--predictions", f"data/predictions/{branch}"),
        *("--metrics", f"metrics/{branch}.json", "--plots", f"metrics/plots/{branch}"),
    )


LEARNT = {
    "train_classifier": (
        *("--samples", "data/samples", *sides_to_learn_from("classifier")),
        *(*model_files("classifier"), "--curves", "models/classifier_curves"),
    ),
    "train_detector": (
        *("--images", "data/frames", *DETECTIONS, *sides_to_learn_from("detector")),
        *("--test", "data/splits/detector/test.json"),
        *(*model_files("detector"), "--curves", "models/detector_curves"),
    ),
    "predict_classifier": (
        *("--samples", "data/samples", "--splits", "data/splits/classifier"),
        *(*model_files("classifier"), "--predictions", "data/predictions/classifier"),
    ),
    "predict_detector": (
        *("--images", "data/frames", *DETECTIONS, "--splits", "data/splits/detector"),
        *(*model_files("detector"), "--predictions", "data/predictions/detector"),
    ),
    "pick_score": (
        *(*DETECTIONS, "--splits", "data/splits/detector"),
        *("--predictions", "data/predictions/detector", "--score", "models/detector_score.json"),
    ),
    "evaluate_classifier": ("--samples", "data/samples", *measures("classifier")),
    "train_dino": ("--videos", "scene/videos", "--model", "models/dino"),
    "attend": ("--sources", "scene/videos", "--attention", "data/attention"),
    "evaluate_detector": (
        *("--images", "data/frames", *DETECTIONS, "--splits", "data/splits/detector"),
        *("--card", "models/detector.json", *measures("detector")),
    ),
}
"""The command lines of the stages that train, use and measure networks on the scene."""


def alarm_words(clips: str = "scene/clips") -> dict[str, tuple[str, ...]]:
    """The command lines of the alarm's stages, in the order of the pipeline."""
    windows, labels = (
        ("--windows", "data/clips/windows.csv"),
        ("--labels", "data/clips/labels.csv"),
    )
    splits, model = ("--splits", "data/splits/alarm"), model_files("alarm")
    truth = ("--frames", "data/clips/frames.csv", "--regions", "data/clips/regions.csv")
    embedded = ("--clips", clips, "--embeddings", "data/embeddings")
    threshold = ("--threshold", "models/threshold.json")
    return {
        "import_clips": ("--clips", clips, "--windows", "data/clips"),
        "split_alarm": (
            *(*windows, *labels, "--given", "splits/drawn.csv", *splits),
            *("--metrics", "metrics/split_alarm.json"),
        ),
        "track_clips": (
            *("--clips", clips, *windows, "--weights", "splits/no_detector.safetensors"),
            *("--card", "splits/no_detector.json", "--score", "splits/no_detector_score.json"),
            *("--tracks", "data/clip_tracks"),
        ),
        "embed_clips": (*embedded, *windows, "--tracks", "data/clip_tracks"),
        "fit_alarm": (*embedded, *labels, *splits, *model, "--curves", "models/alarm_curves"),
        "gather_allowed": (*embedded, *labels, *splits, *model, "--allowed", "models/allowed"),
        "predict_alarm": (
            *(*embedded, *labels, *splits, *model),
            *("--predictions", "data/predictions/alarm"),
        ),
        "pick_threshold": (
            "--scores", "data/predictions/alarm/scores.csv", *windows, *labels, *threshold,
        ),
        "evaluate_alarm": (
            "--clips", clips, *windows, *labels, *truth, *threshold, *measures("alarm"),
        ),
    }  # fmt: skip


COMMANDS = {**WORDS, **LEARNT, **alarm_words()}
"""The command line of every stage."""

OUTPUTS = {
    "extract_frames": ("data/frames",),
    "interpolate_annotations": ("data/annotations",),
    "generate_samples": ("data/samples", "data/sample_report"),
    "import_detections": ("data/detection", "data/detection_report"),
    "split_classifier": ("data/splits/classifier", "metrics/split_classifier.json"),
    "split_detector": ("data/splits/detector", "metrics/split_detector.json"),
    "split_alarm": ("data/splits/alarm", "metrics/split_alarm.json"),
    "import_clips": ("data/clips",),
    "track_clips": ("data/clip_tracks",),
    "embed_clips": ("data/embeddings",),
    "gather_allowed": ("models/allowed",),
    "pick_score": ("models/detector_score.json",),
    "pick_threshold": ("models/threshold.json",),
    "train_dino": ("models/dino",),
    "attend": ("data/attention",),
    **{
        stage: tuple(f"models/{branch}{end}" for end in (".safetensors", ".json", "_curves"))
        for stage, branch in (
            ("train_classifier", "classifier"),
            ("train_detector", "detector"),
            ("fit_alarm", "alarm"),
        )
    },
    **{
        f"predict_{branch}": (f"data/predictions/{branch}",)
        for branch in ("classifier", "detector", "alarm")
    },
    **{
        f"evaluate_{branch}": (f"metrics/{branch}.json", f"metrics/plots/{branch}")
        for branch in ("classifier", "detector", "alarm")
    },
}


@dataclass(frozen=True)
class Outcome:
    """How a stage ended."""

    code: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Project:
    """A folder that stages run in: the scene in `scene/`, what they make in `data/`."""

    folder: Path

    @property
    def params(self) -> Json:
        return yaml.safe_load((self.folder / "params.yaml").read_text(encoding="utf-8"))

    def write_params(self, params: Any) -> None:
        text = params if isinstance(params, str) else yaml.safe_dump(params, sort_keys=False)
        (self.folder / "params.yaml").write_text(text, encoding="utf-8")

    def set_params(self, section: str, **values: Any) -> None:
        """Args: section: where the values stand, dots between the keys."""
        params = self.params
        reduce(getitem, section.split("."), params).update(values)
        self.write_params(params)

    def video(self, name: str) -> Path:
        return self.folder / "scene" / "videos" / name

    @property
    def export(self) -> Any:
        return json.loads((self.folder / "scene/annotations.json").read_text(encoding="utf-8"))

    def write_export(self, export: Any) -> None:
        text = export if isinstance(export, str) else json.dumps(export)
        (self.folder / "scene/annotations.json").write_text(text, encoding="utf-8")

    def outputs(self, stage: str) -> list[Path]:
        return [self.folder / output for output in OUTPUTS[stage]]

    def remove_outputs(self, stage: str) -> None:
        for output in self.outputs(stage):
            if output.is_dir():
                shutil.rmtree(output)
            else:
                output.unlink(missing_ok=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts files of the whole pipeline first: the longest, which would else end alone."""
    items.sort(key=lambda item: item.path.parent != Path(__file__).parent)


def scene_boxes(video: int, person: int) -> np.ndarray:
    """(NUM_FRAMES, 4) px: where a person walks, evenly from left to right or back."""
    steps = np.linspace(0, 1, NUM_FRAMES)[:, None]
    width, height = 12, 30
    start = np.array([2.0 + 4 * video, 4.0 + 34 * person])
    end = np.array([40.0 + 4 * video, 6.0 + 34 * person])
    if person:
        start, end = end, start
    corner = start + steps * (end - start)
    return np.concatenate([corner, corner + np.array([width, height])], axis=1)


def _scene_pictures(video: int) -> list[Picture]:
    width, height = SIZE_WH
    ramp = np.linspace(40, 120, width).astype(np.uint8)
    pictures = []
    for frame_index in range(NUM_FRAMES):
        picture = np.repeat(np.tile(ramp, (height, 1))[..., None], 3, axis=2)
        for person in range(2):
            x1, y1, x2, y2 = scene_boxes(video, person)[frame_index].round().astype(int)
            picture[y1:y2, x1:x2] = (30, 200 - 90 * person, 240)
        pictures.append(picture)
    return pictures


def _scene_export() -> list[Json]:
    per_cent = 100 / np.array([*SIZE_WH, *SIZE_WH])
    tasks = []
    for number, name in enumerate(VIDEOS):
        regions = []
        for person in range(2):
            boxes = scene_boxes(number, person)
            boxes[:, 2:] -= boxes[:, :2]
            first, last = ((boxes[at] * per_cent).tolist() for at in (0, -1))
            sequence = [keyframe(1, *first), keyframe(NUM_FRAMES, *last)]
            regions.append(region(f"v{number}-person_{person}", sequence))
        tasks.append({**task(f"/data/upload/1/0a1b2c3{number}-{name}", regions), "id": number + 1})
    return tasks


class TooLongError(BaseException):
    """No code takes it for an error of its own, as it does a TimeoutError."""


@contextmanager
def no_longer_than(seconds: int) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TooLongError(f"ran for more than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def files_of(folder: Path) -> dict[str, bytes]:
    """All but what vigil remembers for itself."""
    files = [file for file in folder.rglob("*") if file.is_file() and ".vigil" not in file.parts]
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def init_git(project: Project) -> None:
    """DVCLive looks for a commit."""
    git = ("git", "-C", str(project.folder), "-c", "user.name=t", "-c", "user.email=t@t")
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-qm", "start", "--allow-empty"], check=True)


HEAVY = ("torch", "torchvision", "lightning")
WATCHED = """
import runpy, sys
script = sys.argv.pop(1)
sys.argv[0] = script
try:
    runpy.run_path(script, run_name="__main__")
finally:
    print("loaded:", *(name for name in {heavy!r} if name in sys.modules), file=sys.stderr)
"""


def run_watched(project: Project, stage: str) -> subprocess.CompletedProcess[str]:
    """Runs a stage in a process of its own, whose last line says what heavy libraries it loaded."""
    script = str(REPOSITORY / "stages" / f"{stage}.py")
    return run_python(project, "-c", WATCHED.format(heavy=HEAVY), script, *COMMANDS[stage])


def run_python(project: Project, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        cwd=project.folder,
        capture_output=True,
        text=True,
        check=False,
        env={key: value for key, value in os.environ.items() if key != "VIGIL_STATE_DIR"},
    )


def write_drawn(project: Project) -> None:
    """The project's own split that gives nothing, `splits/drawn.csv`."""
    shutil.copytree(REPOSITORY / "splits", project.folder / "splits")


@pytest.fixture(scope="session")
def untouched_project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The scene and its parameters, before any stage ran. Copy it, do not change it."""
    project = Project(tmp_path_factory.mktemp("project"))
    (project.folder / "scene" / "videos").mkdir(parents=True)
    for number, name in enumerate(VIDEOS):
        write_video(project.video(name), _scene_pictures(number))
    project.write_export(_scene_export())
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text(encoding="utf-8"))
    params["dataset"].update(root="scene", videos=list(VIDEOS), annotations="annotations.json")
    params["generate_samples"]["background"].update(max_side_px=20)
    params["split"].update(val_fraction=0.5, test_fraction=0.34)
    project.write_params(params)
    write_drawn(project)
    return project


@pytest.fixture(scope="session")
def finished_project(
    untouched_project: Project, tmp_path_factory: pytest.TempPathFactory
) -> Project:
    """The scene after all light stages. Copy it, do not change it."""
    project = Project(tmp_path_factory.mktemp("finished") / "project")
    shutil.copytree(untouched_project.folder, project.folder)
    with pytest.MonkeyPatch.context() as patch:
        for stage in WORDS:
            assert run_here(project, stage, WORDS[stage], patch) == 0
    return project


@pytest.fixture
def project(untouched_project: Project, tmp_path: Path) -> Project:
    """The scene, one's own to change, before any stage ran."""
    shutil.copytree(untouched_project.folder, tmp_path / "project")
    return Project(tmp_path / "project")


@pytest.fixture
def project_before(finished_project: Project, tmp_path: Path) -> Callable[[str], Project]:
    """Gives the scene, one's own to change, with what the stages before the named one made."""

    def make(stage: str) -> Project:
        project = Project(tmp_path / "project")
        ignored = shutil.ignore_patterns(".vigil")
        shutil.copytree(finished_project.folder, project.folder, ignore=ignored)
        for later in list(WORDS)[list(WORDS).index(stage) :]:
            project.remove_outputs(later)
        return project

    return make


@pytest.fixture
def run_stage(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    """Runs a stage script in a project, in this process, as its command line does."""

    def run(project: Project, stage: str, *words: str) -> Outcome:
        capfd.readouterr()
        code = run_here(project, stage, words or COMMANDS[stage], monkeypatch)
        stdout, stderr = capfd.readouterr()
        return Outcome(code, stdout, stderr)

    return run


def run_here(
    project: Project, stage: str, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> int:
    """Runs a stage script in a project, in this process; returns its exit status."""
    script = str(REPOSITORY / "stages" / f"{stage}.py")
    monkeypatch.chdir(project.folder)
    monkeypatch.delenv("VIGIL_STATE_DIR", raising=False)
    monkeypatch.setattr(sys, "argv", [script, *words])
    with pytest.raises(SystemExit) as exit_info:
        runpy.run_path(script, run_name="__main__")
    assert isinstance(exit_info.value.code, int)
    return exit_info.value.code


def title_of(stage: str) -> str:
    """The name that a stage's script gives itself: `split_detector` is `split@detector`."""
    family, _, branch = stage.partition("_")
    return f"{family}@{branch}" if family in {"split", "predict", "evaluate"} else stage


@pytest.fixture
def assert_refused() -> Callable[[Outcome, Project, str], None]:
    """Holds a stage's failure to its form: one line that names it, code 1, nothing left behind."""

    def check(outcome: Outcome, project: Project, stage: str) -> None:
        assert outcome.code == 1
        assert outcome.stderr.count("\n") == 1, outcome.stderr
        assert outcome.stderr.startswith(f"{title_of(stage)}: ")
        assert "Traceback" not in outcome.stderr
        for output in project.outputs(stage):
            assert not output.exists()
            assert not list(output.parent.glob(".*"))

    return check
