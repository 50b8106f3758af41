"""A walkway in little: folders of numbered grey pictures, labels by frame, masks, the defaults."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from conftest import REPOSITORY, Outcome, Project, alarm_words, init_git, write_drawn

from vigil.domain.clips.found import add_ratios, read_found
from vigil.domain.clips.scores import read_thresholds
from vigil.domain.clips.truth import read_frames, read_regions
from vigil.domain.clips.windows import MIXED, read_labels
from vigil.evaluation.frames import windows_of
from vigil.learn.alarm.trained import TrainedAlarm

Run = Callable[..., Outcome]
STAGES = list(alarm_words())
WIDTH, HEIGHT, NUM_FRAMES = 180, 120, 50
FAST = range(20, 40)
TESTS = ("Test/Test001", "Test/Test002")


def walk(folder: Path, seed: int, *, is_fast: bool) -> None:
    """Two bodies that walk; by choice, a third one that rides past, and its masks."""
    rng = np.random.default_rng(seed)
    ground = (
        rng.integers(60, 90, (HEIGHT // 4, WIDTH // 4), dtype=np.uint8).repeat(4, 0).repeat(4, 1)
    )
    bodies = [rng.integers(120, 250, (20, 10), dtype=np.uint8) for _ in range(3)]
    masks = folder.with_name(f"{folder.name}_gt")
    for place in (folder, masks) if is_fast else (folder,):
        place.mkdir(parents=True)
    for at in range(NUM_FRAMES):
        frame, mask = ground.copy(), np.zeros_like(ground)
        for number, (row, step) in enumerate(((20, 1), (50, -1))):
            x = (30 + 60 * number + seed % 7 + step * at) % (WIDTH - 10)
            frame[row : row + 20, x : x + 10] = bodies[number]
        if is_fast and at in FAST:
            x = 10 + 7 * (at - FAST.start)
            frame[85:105, x : x + 10] = bodies[2]
            mask[85:105, x : x + 10] = 255
        cv2.imwrite(str(folder / f"{at + 1:03d}.png"), frame)
        if is_fast:
            cv2.imwrite(str(masks / f"{at + 1:03d}.bmp"), mask)


@pytest.fixture(scope="module")
def untouched_walkway(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("walkway") / "project"
    videos = folder / "scene/clips"
    for number in range(8):
        walk(videos / f"Train/Train{number:03d}", number, is_fast=False)
    for number, name in enumerate(TESTS):
        walk(videos / name, 100 + number, is_fast=True)
    rows = [f"{name},{FAST.start},{FAST.stop}" for name in TESTS]
    (videos / "anomalies.csv").write_text("\n".join(["video,start_frame,stop_frame", *rows, ""]))
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text(encoding="utf-8"))
    params["dataset"].update(
        root="scene", clips="scene/clips", clip_labels="anomalies.csv", anomalous_classes=[],
        clip_group_pattern="", picture_fps=10.0,
    )  # fmt: skip
    params["evaluate"]["alarm"].update(num_bootstrap=20, num_pictures=2)
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    write_drawn(Project(folder))
    return folder


@pytest.fixture
def walkway(untouched_walkway: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    shutil.copytree(untouched_walkway, tmp_path / "project")
    monkeypatch.setenv("VIGIL_DEVICE", "cpu")
    return Project(tmp_path / "project")


def given(project: Project) -> None:
    rows = [f"{name},test" for name in (*TESTS, "Train/Train007")]
    (project.folder / "splits/drawn.csv").write_text("\n".join(["name,side", *rows, ""]))


def metrics_of(project: Project) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((project.folder / "metrics/alarm.json").read_text())
    return content


def test_the_defaults_find_who_rides_and_where(walkway: Project, run_stage: Run) -> None:
    init_git(walkway)
    given(walkway)
    for stage in STAGES:
        outcome = run_stage(walkway, stage)
        assert outcome.code == 0, outcome.stderr
    folder = walkway.folder / "data"
    frames = read_frames(folder / "clips/frames.csv")
    assert len(frames) == 10 * NUM_FRAMES
    own = frames[frames["video"] == TESTS[0]]
    assert np.flatnonzero(own["is_anomalous"]).tolist() == list(FAST)
    assert own["time_s"].tolist() == pytest.approx([at / 10 for at in range(NUM_FRAMES)])
    regions = read_regions(folder / "clips/regions.csv")
    assert set(regions["video"]) == set(TESTS)
    first = regions[regions["video"] == TESTS[0]]
    assert first["frame"].tolist() == list(FAST)
    assert first["track"].nunique() >= 1
    assert first[["x1", "y1", "x2", "y2"]].iloc[0].tolist() == [10, 85, 20, 105]
    metrics = metrics_of(walkway)
    # Windows that a ride only touches are none of the alarm's faults, and do not count.
    assert metrics["auroc"] >= 0.95
    windows = read_labels(folder / "clips/labels.csv")
    is_test = windows["video"].isin([*TESTS, "Train/Train007"])
    num_mixed = int((windows["class"] == MIXED).sum())
    assert metrics["num_mixed"] == num_mixed > 0
    assert metrics["num_allowed"] + metrics["num_anomalous"] + num_mixed == is_test.sum()
    assert metrics["frame_auroc"] == metrics["frames"]["auroc_micro"] >= 0.9
    told = metrics["frames"]
    assert told["num_frames"] == 3 * NUM_FRAMES
    assert told["num_anomalous"] == 2 * len(FAST)
    assert told["videos_of_one_kind"] == ["Train/Train007"]
    assert 0 < told["num_waiting"] <= 3 * 12
    assert [row["channel"] for row in told["by_channel"]] == [
        *("local_disorder", "local_speed", "motion_cells")
    ]
    # Walkers have boxes too, which are false regions once a threshold is below them.
    assert 0.1 < told["rbdc"] <= 1
    assert 0.1 < told["tbdc"] <= 1
    events = told["events"]
    assert (events["num_events"], events["event_recall"]) == (2, 1.0)
    assert events["watched_s"] == 3 * NUM_FRAMES / 10
    assert events["false_alarms_per_hour"]["seen"] == pytest.approx(
        events["num_false_alarms"] / events["watched_s"] * 3600, abs=1e-3
    )
    assert 0 < events["delay_s"] <= 2
    for name in ("auroc_micro", "average_precision_macro", "rbdc", "tbdc"):
        low, high = told["intervals_95"][name]
        assert low <= told[name] <= high
    assert told["intervals_95"]["event_recall"] == [1.0, 1.0]
    found = read_found(folder / "predictions/alarm/found.csv")
    assert set(found["video"]) == {*TESTS, "Train/Train007"}
    speed = found[(found["channel"] == "local_speed") & (found["video"] == TESTS[0])]
    best = speed.loc[speed["score"].idxmax()]
    assert FAST.start / 10 <= best["time_s"] <= FAST.stop / 10 + 0.1
    assert 60 < best["y1"] < 110
    pictures = {path.name for path in (walkway.folder / "metrics/plots/alarm/pictures").iterdir()}
    assert "alarms.jpg" in pictures
    check_windows_of_events(walkway)


def check_windows_of_events(project: Project) -> None:
    """The windows of the metrics of events are those that a stream gives, as in `vigil watch`."""
    files = [project.folder / "models" / f"{name}.json" for name in ("alarm", "threshold")]
    alarm = TrainedAlarm.from_files(files[0].with_suffix(".safetensors"), *files)
    found = read_found(project.folder / "data/predictions/alarm/found.csv")
    found = add_ratios(found[found["video"] == TESTS[0]], read_thresholds(files[1]))
    times = np.arange(NUM_FRAMES) / 10
    for window_s, stride_s in ((2.0, 0.5), (2.5, 0.4)):
        stream, streamed = alarm.stream(window_s, stride_s), []
        pictures = sorted((project.folder / "scene/clips" / TESTS[0]).iterdir())
        for path, time_s in zip(pictures, times.tolist(), strict=True):
            streamed += stream.push(cv2.imread(str(path)), time_s)
        streamed += stream.end(NUM_FRAMES / 10)
        windows = windows_of(times, NUM_FRAMES / 10, found, window_s, stride_s)
        expected = [(one.start_s, one.verdict.ratio) for one in streamed]
        assert np.array([(one.start_s, one.score) for one in windows]) == pytest.approx(
            np.array(expected), rel=1e-4
        )


def masks_of(project: Project) -> Path:
    return project.folder / "scene/clips/Test/Test001_gt"


BAD: dict[str, tuple[Callable[[Project], object], str]] = {
    "a mask too few": (
        lambda p: (masks_of(p) / "050.bmp").unlink(),
        "Test001_gt: expected a mask for each of the 50 frames of Test/Test001, got 49",
    ),
    "masks of another size": (
        lambda p: [
            cv2.imwrite(str(path), np.zeros((60, 90), np.uint8)) for path in masks_of(p).iterdir()
        ],
        "Test001_gt: expected masks of 180x120 px as the frames of Test/Test001, got 90x60",
    ),
    "masks that lost their values": (
        lambda p: [
            (
                cv2.imwrite(str(path.with_suffix(".jpg")), cv2.imread(str(path))),
                path.unlink(),
            )
            for path in sorted(masks_of(p).iterdir())
        ],
        "Test001_gt: expected masks in a format that keeps values, got 001.jpg",
    ),
    "a text among the masks": (
        lambda p: (masks_of(p) / "note.txt").write_text("x"),
        "Test001_gt: expected",
    ),
}


@pytest.mark.parametrize("change", BAD)
def test_masks_that_do_not_fit_are_one_line(
    change: str, walkway: Project, run_stage: Run, assert_refused: Callable[..., None]
) -> None:
    edit, expected = BAD[change]
    edit(walkway)
    outcome = run_stage(walkway, "import_clips")
    assert_refused(outcome, walkway, "import_clips")
    assert expected in outcome.stderr
