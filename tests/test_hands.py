"""Odd names, moved projects and too little data: the tables of docs/hands.md."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import COMMANDS, WORDS, Outcome, alarm_words, write_drawn
from conftest import Project as Scene
from tiny_clips import write_clip
from tiny_detections import coco_of, write_coco, write_pictures
from tiny_project import VIDEOS, Project, stages_of, task_of, write_video

Run = Callable[..., Outcome]
TABLE = (Path(__file__).parents[1] / "docs/hands.md").read_text(encoding="utf-8")


def assert_in_table(*cells: str) -> None:
    assert f"| {' | '.join(cells)} |" in TABLE


# Names, in the real DVC with a real shell

ODD = '- it\'s "q"; $(touch ran) `touch ran` & | ~ # @ {x} ${x} %s \\ ! = , < видео e\u0301'
NAMES = {
    "all special characters of a shell": ODD,
    "a first `-`": "-x",
    "wildcards": "a*b?[x]",
    "a colon, as in a drive or an address": "a:b",
    "a space at its end": "data/x ",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    (folder := tmp_path_factory.mktemp("hands") / "project").mkdir()
    return Project(folder)


@pytest.mark.parametrize(
    "case",
    [case if number < 2 else pytest.param(case, marks=pytest.mark.slow)
     for number, case in enumerate(NAMES)],
)  # fmt: skip
def test_a_folder_of_any_name(project: Project, case: str) -> None:
    """In a dependency, in a command, and where DVC's `foreach` puts it into both."""
    assert_in_table(case, "works")
    place = project.folder / NAMES[case]
    place.parent.mkdir(exist_ok=True)
    known = project.folder / "data/scene"
    known.rename(place)
    name = NAMES[case]
    project.change("dataset", root=name, clips=f"{name}/clips")
    try:
        ran = project.repro("interpolate_annotations", "split@alarm")
    finally:
        place.rename(known)
        project.change("dataset", root="data/scene", clips="data/scene/clips")
    # The table of windows does not name the folder, so that the split of the case before holds.
    assert set(ran) - {"list_code", "split@alarm"} == {
        "extract_frames", "interpolate_annotations", "import_clips",
    }  # fmt: skip
    assert not (project.folder / "ran").exists()


@pytest.mark.slow
def test_files_of_any_name(project: Project) -> None:
    assert_in_table("file names with quotes, `;`, `$(…)`, `%` or a first `-`", "work")
    scene = project.folder / "data/scene"
    videos = ("-x; $(touch ran) `touch ran`.mp4", "it's 100% & #1 видео.mp4")
    for number, video in enumerate(videos):
        write_video(scene / "videos" / video, number)
    export = "$(touch ran) -e.json"
    tasks = [task_of(video, number) for number, video in enumerate(videos)]
    for task, video in zip(tasks, videos, strict=True):
        task["data"]["video"] = video
    (scene / export).write_text(json.dumps(tasks))
    project.change("dataset", videos=list(videos), annotations=export)
    try:
        project.repro("interpolate_annotations")
        assert {entry.name for entry in (project.folder / "data/annotations").iterdir()} == {
            *videos
        }
    finally:
        project.change("dataset", videos=list(VIDEOS), annotations="export.json")
        for video in videos:
            (scene / "videos" / video).unlink()
    assert not (project.folder / "ran").exists()


# Places


@pytest.mark.slow
def test_places(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    project = Project(tmp_path / "first")
    project.repro("extract_frames")
    project.run("git", "add", ".")
    project.run("git", "commit", "-qm", "ran")

    def repro(folder: Path) -> list[str]:
        env = {**project.env, "PYTHONPATH": str(folder / "src")}
        words = ["dvc", "repro", "extract_frames"]
        done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return stages_of(done.stdout)

    assert_in_table("a git worktree", "works; frames are extracted again")
    project.run("git", "worktree", "add", "-q", "../tree")
    shutil.copytree(project.folder / "data/scene", tmp_path / "tree/data/scene", dirs_exist_ok=True)
    assert repro(tmp_path / "tree") == ["list_code", "extract_frames"]
    assert_in_table("a project that was moved", "works, nothing runs again")
    moved = tmp_path / "a moved one"
    project.folder.rename(moved)
    assert repro(moved) == []
    assert_in_table("a data folder that is a link", "works, nothing runs again")
    (moved / "data/scene").rename(tmp_path / "disk")
    (moved / "data/scene").symlink_to(tmp_path / "disk")
    assert repro(moved) == []
    assert_in_table("a project opened through a link", "works, nothing runs again")
    (tmp_path / "link").symlink_to(moved)
    assert repro(tmp_path / "link") == []
    shutil.rmtree(moved / ".git")
    told = subprocess.run(
        ["dvc", "repro", "extract_frames"],
        cwd=moved,
        env=project.env,
        capture_output=True,
        text=True,
    )
    assert told.stderr == f"ERROR: {moved} is not a git repository\n"
    assert_in_table(
        "no git",
        "DVC: `… is not a git repository`; works after `dvc config core.no_scm true`",
    )
    subprocess.run(["dvc", "config", "core.no_scm", "true"], cwd=moved, env=project.env, check=True)
    assert repro(moved) == []


# Data sets that are too small or one-sided

CLASSIFIER = {
    "one video": "split@classifier: expected samples of each class in ",
    "no boxes at all": "generate_samples: data/annotations: expected a track of 'human' ",
    "boxes on one video alone": "split@classifier: expected samples of each class in ",
    "all videos for testing": (
        "split@classifier: params.yaml: split.test_videos: expected to leave a video "
    ),
    "an empty validation set": (
        "params.yaml: split.val_fraction: expected a number above 0 and below 1, got 0.0"
    ),
}


@pytest.mark.parametrize("case", CLASSIFIER)
def test_a_small_classifier(project_before: Callable, run_stage: Run, case: str) -> None:
    assert_in_table("classifier", case, f"`{CLASSIFIER[case].strip()} …`")
    scene: Scene = project_before("interpolate_annotations")
    export = scene.export
    if case == "one video":
        export = export[:1]
        scene.set_params("dataset", videos=scene.params["dataset"]["videos"][:1])
        shutil.rmtree(scene.folder / "data/frames")
    if case in {"no boxes at all", "boxes on one video alone"}:
        for task in export[0 if case == "no boxes at all" else 1 :]:
            task["annotations"][0]["result"] = []
    if case == "all videos for testing":
        scene.set_params("split", test_videos=scene.params["dataset"]["videos"])
    if case == "an empty validation set":
        scene.set_params("split", val_fraction=0.0)
    scene.write_export(export)
    assert_refused(scene, run_stage, CLASSIFIER[case], list(WORDS))


def assert_refused(scene: Scene, run_stage: Run, expected: str, stages: list[str]) -> None:
    """By the first of the stages that ends."""
    for stage in stages:
        if all(path.exists() for path in scene.outputs(stage)):
            continue
        outcome = run_stage(scene, stage)
        if outcome.code:
            assert outcome.stderr.count("\n") == 1
            assert expected in outcome.stderr
            return
    raise AssertionError("none ended")


BOX = ("a", 10.0, 10.0, 30.0, 38.0)
OTHER = ("b", 30.0, 5.0, 58.0, 30.0)
NINE = {f"{number}.png": [BOX] for number in range(9)}
DETECTOR = {
    "one class": (NINE, "works"),
    "one picture": ({"0.png": [BOX]}, "split@detector: expected "),
    "no boxes at all": (
        {name: [] for name in NINE},
        "import_detections: set/boxes.json: expected pictures with boxes, found none ",
    ),
    "one picture of nine has boxes": (
        {**{name: [] for name in NINE}, "0.png": [BOX]},
        "split@detector: expected objects in ",
    ),
    "a class on one picture alone": ({**NINE, "9.png": [OTHER]}, "works"),
}


@pytest.mark.parametrize("case", DETECTOR)
def test_a_small_detector(
    untouched_project: Scene, tmp_path: Path, run_stage: Run, case: str
) -> None:
    boxes, expected = DETECTOR[case]
    assert_in_table(
        "detector", case, expected if expected == "works" else f"`{expected.strip()} …`"
    )
    scene = Scene(tmp_path / "set")
    write_pictures(scene.folder / "set/images", list(boxes))
    write_coco(scene.folder / "set/boxes.json", coco_of(boxes))
    write_drawn(scene)
    scene.write_params(untouched_project.params)
    detection = {"root": "x", "images": "y", "format": "coco", "classes": []}
    scene.set_params("dataset", detection=detection)
    words = {
        "import_detections": (
            *("--annotations", "set/boxes.json", "--images", "set/images"),
            *("--detections", "data/detection", "--report", "data/detection_report"),
        ),
        "split_detector": COMMANDS["split_detector"],
    }
    told = ""
    for stage in words:
        outcome = run_stage(scene, stage, *words[stage])
        told += outcome.stderr
        if outcome.code:
            break
    if expected == "works":
        assert (outcome.code, told) == (0, "")
    else:
        assert told.count("\n") == 1
        assert told.startswith(expected)


ALARM: dict[str, tuple[dict[str, int], list[str], str]] = {
    "one allowed class and an anomalous one": ({"creep": 6, "dash": 2}, ["dash"], "works"),
    "a class of one clip": ({"creep": 6, "rise": 1, "dash": 2}, ["dash"], "works"),
    "no anomalous class": (
        {"creep": 6},
        [],
        "dataset.anomalous_classes: expected at least one class to raise the alarm, got none",
    ),
    "anomalous clips alone": (
        {"dash": 4},
        ["dash"],
        "dataset.anomalous_classes: expected to leave a class that is allowed, got all of dash",
    ),
    "one allowed clip": (
        {"creep": 1, "dash": 1},
        ["dash"],
        "expected allowed clips in train, val, test, found none for ",
    ),
    "an anomalous class without a folder": (
        {"creep": 6},
        ["climb"],
        "dataset.anomalous_classes: expected classes of creep, got climb",
    ),
}


@pytest.mark.parametrize("case", ALARM)
def test_a_small_alarm(untouched_project: Scene, tmp_path: Path, run_stage: Run, case: str) -> None:
    numbers, anomalous, expected = ALARM[case]
    assert_in_table("alarm", case, expected if expected == "works" else f"`{expected.strip()} …`")
    scene = Scene(tmp_path / "clips")
    for kind, number in numbers.items():
        for clip in range(number):
            write_clip(
                scene.folder / f"clips/{kind}/{kind}_{clip}.mp4", kind, 10 * len(kind) + clip
            )
    scene.write_params(untouched_project.params)
    scene.set_params("dataset", clips="clips", anomalous_classes=anomalous, clip_group_pattern="")
    write_drawn(scene)
    outcome = run_stage(scene, "import_clips", *alarm_words("clips")["import_clips"])
    if not outcome.code:
        outcome = run_stage(scene, "split_alarm", *alarm_words("clips")["split_alarm"])
    if expected == "works":
        assert (outcome.code, outcome.stderr) == (0, "")
    else:
        assert (outcome.code, outcome.stderr.count("\n")) == (1, 1)
        assert expected in outcome.stderr
