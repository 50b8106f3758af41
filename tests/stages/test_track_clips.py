"""Tracks in clips, and the alarm on what tracked people do, stage by stage."""

import json
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import (
    COMMANDS,
    REPOSITORY,
    Outcome,
    Project,
    alarm_words,
    init_git,
    run_watched,
    write_drawn,
)
from tiny_watch import SIZE_WH, SeesBright

from vigil.domain.clips.evidence.embeddings import read_embeddings
from vigil.domain.clips.found import read_found
from vigil.domain.clips.scores import read_scores
from vigil.domain.clips.verdicts import NO_EVIDENCE
from vigil.learn.detector import clip_tracks
from vigil.pixels.channels.moments import read_moments
from vigil.pixels.video_writing import write_video

Run = Callable[..., Outcome]
FPS, NUM_FRAMES, NUM_SOURCES = 10, 24, 6
STAGES = list(alarm_words())
DETECTOR = "models/door"
WORDS = tuple(word.replace("splits/no_detector", DETECTOR) for word in COMMANDS["track_clips"])


def clip_frames(kind: str, seed: int) -> list[np.ndarray]:
    """A person in white who walks (1 height a second) or runs (2.5), or nobody."""
    height, speed = 12, {"walk": 1.0, "run": 2.5, "nobody": 0.0}[kind] + 0.05 * (seed % 4)
    frames = []
    for index in range(NUM_FRAMES):
        picture = np.full((SIZE_WH[1], SIZE_WH[0], 3), 60, np.uint8)
        picture[:6, : 4 + 2 * seed] = 120  # so that no two clips are the same
        x = round(3 + speed * height * index / FPS)
        if kind != "nobody":
            picture[40 + seed : 40 + seed + height, x : x + 6] = 250
        frames.append(picture)
    return frames


@pytest.fixture(scope="session")
def untouched_walks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("walks") / "project"
    for kind in ("walk", "nobody", "run"):
        for source in range(NUM_SOURCES):
            path = folder / "scene/clips" / kind / f"{kind}_g{source}_c1.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            frames = iter(clip_frames(kind, source))
            write_video(path, frames, codec="h264", fps=Fraction(FPS), size_wh=SIZE_WH)
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text(encoding="utf-8"))
    params["dataset"].update(
        root="scene", clips="scene/clips", anomalous_classes=["run"],
        clip_group_pattern=r"(\w+_g\d+)_",
    )  # fmt: skip
    params["track_clips"]["detector"] = DETECTOR
    params["embed_clips"]["channels"] = ["objects"]
    params["embed_clips"]["objects"].update(features=["speed", "place"], edge=0.0)
    params["evaluate"]["alarm"].update(num_bootstrap=20, num_pictures=2)
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    (folder / "models").mkdir()
    (folder / f"{DETECTOR}.safetensors").write_bytes(b"weights")
    (folder / f"{DETECTOR}.json").write_text("{}")
    (folder / f"{DETECTOR}_score.json").write_text(json.dumps({"best_f1_score": 0.5}))
    write_drawn(Project(folder))
    return folder


@pytest.fixture
def project(untouched_walks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    shutil.copytree(untouched_walks, tmp_path / "project")
    monkeypatch.setenv("VIGIL_DEVICE", "cpu")
    monkeypatch.setenv("VIGIL_WORKERS", "0")
    return Project(tmp_path / "project")


@pytest.fixture
def detector(monkeypatch: pytest.MonkeyPatch) -> SeesBright:
    """A detector of bright areas in the place of the trained one."""
    sees = SeesBright()
    monkeypatch.setattr(clip_tracks, "_load", lambda *_: sees)
    return sees


def run_until(project: Project, run_stage: Run, last: str) -> Outcome:
    for stage in STAGES:
        outcome = run_stage(project, stage, *(WORDS if stage == "track_clips" else ()))
        if stage == last:
            return outcome
        assert outcome.code == 0, outcome.stderr
    raise AssertionError(last)


def test_without_a_detector_an_empty_table_is_written_without_torch(project: Project) -> None:
    project.set_params("track_clips", detector="splits/no_detector")
    project.set_params("embed_clips", channels=["motion_histogram"])
    for file in (project.folder / "models").iterdir():
        file.unlink()
    for stage in ("import_clips", "track_clips", "embed_clips"):
        done = run_watched(project, stage)
        assert (done.returncode, done.stderr) == (0, "loaded:\n"), done.stderr
    assert read_moments(project.folder / "data/clip_tracks") == ({}, {})


def test_from_clips_to_an_alarm_that_names_the_feature(
    project: Project, run_stage: Run, detector: SeesBright
) -> None:
    init_git(project)
    outcome = run_until(project, run_stage, "evaluate_alarm")
    assert (outcome.code, outcome.stderr) == (0, "")
    moments, facts = read_moments(project.folder / "data/clip_tracks")
    assert len(moments) == 3 * NUM_SOURCES
    assert facts["score"] == 0.5
    assert all(len(one.track_ids) == 0 for one in moments["nobody/nobody_g0_c1.mp4"])
    own = read_embeddings(project.folder / "data/embeddings")["objects"]
    is_nobody = own.index["video"].str.startswith("nobody").to_numpy()
    assert ((own.index["num_pieces"] == 0) == is_nobody).all()
    scores = read_scores(project.folder / "data/predictions/alarm/scores.csv")
    assert ((scores["objects.gaussian_mixture"] == NO_EVIDENCE) == is_nobody).all()
    found = read_found(project.folder / "data/predictions/alarm/found.csv")
    running = found[found["video"].str.startswith("run")]
    best = running.loc[running.groupby("video")["score"].idxmax()]
    assert (best["feature"] == "speed").all()
    verdicts = pd.read_csv(project.folder / "metrics/plots/alarm/verdicts.csv")
    of_run = verdicts["class"] == "run"
    assert verdicts.loc[of_run, "alarm"].all()
    nobody = verdicts[verdicts["class"] == "nobody"]
    assert (nobody["ratio"] == NO_EVIDENCE).all()
    assert not nobody["alarm"].any()
    metrics = json.loads((project.folder / "metrics/alarm.json").read_text())
    assert metrics["auroc"] == 1.0
    card = json.loads((project.folder / "models/alarm.json").read_text())
    assert card["embeddings"]["objects"]["tracked"] == facts


def test_each_clip_is_tracked_once_and_the_bytes_are_the_same(
    project: Project, run_stage: Run, detector: SeesBright
) -> None:
    assert run_until(project, run_stage, "track_clips").code == 0
    folder = project.folder / "data/clip_tracks"
    first = {file.name: file.read_bytes() for file in folder.iterdir()}
    num = len(detector.batches)
    assert set(detector.batches) == {8}  # the last one of each video is filled up
    shutil.rmtree(folder)
    assert run_stage(project, "track_clips", *WORDS).code == 0
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == first
    assert len(detector.batches) == num
    project.set_params("track_clips", detect_every_s=0.3)
    project.set_params("watch", detect_every_s=0.3)
    assert run_stage(project, "track_clips", *WORDS).code == 0
    assert len(detector.batches) > num
    moments, _ = read_moments(folder)
    assert len(moments["walk/walk_g0_c1.mp4"]) == 8


def set_of(section: str, **values: Any) -> Callable[[Project], None]:
    return lambda project: project.set_params(section, **values)


BAD: dict[str, tuple[str, Callable[[Project], Any], str]] = {
    "objects without a detector": (
        "import_clips", set_of("track_clips", detector="splits/no_detector"),
        "import_clips: params.yaml: embed_clips.channels: expected track_clips.detector to name a "
        "detector where objects is a channel, as models/detector, got splits/no_detector",
    ),
    "tracks unlike those of watch": (
        "import_clips", set_of("track_clips", detect_every_s=0.5),
        "params.yaml: track_clips.detect_every_s: expected that of watch.detect_every_s where",
    ),
    "a scorer of whole vectors": (
        "import_clips", set_of("fit_alarm.scorers", objects=["mahalanobis"]),
        "expected nearest_neighbours or gaussian_mixture for objects, got mahalanobis",
    ),
    "a feature twice": (
        "import_clips", set_of("embed_clips.objects", features=["speed", "speed"]),
        "embed_clips.objects.features: expected each feature once, got speed, speed",
    ),
    "an unknown feature": (
        "import_clips", set_of("embed_clips.objects", features=["smell"]),
        "embed_clips.objects.features",
    ),
    "another class": (
        "track_clips", set_of("track_clips", classes=["car"]),
        "params.yaml: track_clips.classes: expected classes of the detector (human), got car",
    ),
    "no detector file": (
        "track_clips", lambda p: (p.folder / f"{DETECTOR}.safetensors").unlink(),
        f"{DETECTOR}.safetensors: expected a file, found none",
    ),
    "no score": (
        "track_clips", lambda p: (p.folder / f"{DETECTOR}_score.json").write_text("{}"),
        f"{DETECTOR}_score.json: expected best_f1_score, above 0 and at most 1",
    ),
    "a damaged clip": (
        "track_clips", lambda p: (p.folder / "scene/clips/run/run_g0_c1.mp4").write_bytes(b""),
        "run_g0_c1.mp4",
    ),
    "no tracks": (
        "embed_clips", lambda p: shutil.rmtree(p.folder / "data/clip_tracks"),
        "data/clip_tracks/moments.csv: expected a table, found no such file",
    ),
    "an empty table of tracks": (
        "embed_clips", lambda p: (p.folder / "data/clip_tracks/facts.json").write_text("{}"),
        "data/clip_tracks: expected tracks for objects, found none; they are made if a detector",
    ),
    "windows shorter than the past": (
        "embed_clips", lambda p: (p.set_params("embed_clips", short_clips="error"),
                                  p.set_params("embed_clips.objects", past_s=5.0)),
        "params.yaml: embed_clips.short_clips: expected windows of at least 5 s for objects",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line(
    project: Project, run_stage: Run, detector: SeesBright, name: str
) -> None:
    failing, change, told = BAD[name]
    before = STAGES[: STAGES.index(failing)]
    for stage in before:
        words = WORDS if stage == "track_clips" else ()
        assert run_stage(project, stage, *words).code == 0
    change(project)
    outcome = run_stage(project, failing, *(WORDS if failing == "track_clips" else ()))
    assert outcome.code == 1
    assert outcome.stderr.count("\n") == 1
    assert told in outcome.stderr


def test_nobody_in_any_allowed_clip_is_one_line(
    project: Project, run_stage: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    class SeesNothing(SeesBright):
        def _detect(self, picture):
            return super()._detect(np.zeros_like(picture))

    monkeypatch.setattr(clip_tracks, "_load", lambda *_: SeesNothing())
    init_git(project)
    outcome = run_until(project, run_stage, "fit_alarm")
    assert outcome.code == 1
    assert outcome.stderr.count("\n") == 1
    assert "expected objects in allowed training videos of at least 2 sources" in outcome.stderr
