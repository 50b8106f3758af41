"""From clips to the alarm's metrics, stage by stage, bad input included."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import REPOSITORY, Outcome, Project
from tiny_clips import write_clip, write_clips
from tiny_videos import cut_off, write_coded_video

from vigil.domain.clips.embeddings import read_embeddings

Run = Callable[..., Outcome]
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
EMBED = (
    *("--clips", "scene/clips", "--splits", "data/splits/anomaly"),
    *("--embeddings", "data/embeddings"),
)
SPLIT = (
    *("anomaly", "--clips", "scene/clips", "--splits", "data/splits/anomaly"),
    *("--metrics", "metrics/split_anomaly.json"),
)
FIT = (
    *("--clips", "scene/clips", "--embeddings", "data/embeddings"),
    *("--weights", "models/autoencoder.safetensors", "--card", "models/autoencoder.json"),
    *("--curves", "models/autoencoder_curves", "--errors", "models/autoencoder_errors.csv"),
)
PICK = ("--errors", "models/autoencoder_errors.csv", "--threshold", "models/threshold.json")
EVALUATE = (
    *("anomaly", "--clips", "scene/clips", "--embeddings", "data/embeddings"),
    *("--threshold", "models/threshold.json", "--weights", "models/autoencoder.safetensors"),
    *("--card", "models/autoencoder.json"),
    *("--metrics", "metrics/anomaly.json", "--plots", "metrics/plots/anomaly"),
    *("--predictions", "data/predictions/anomaly"),
)
STAGES = {
    "split": SPLIT, "embed_clips": EMBED, "fit_autoencoder": FIT, "pick_threshold": PICK,
    "evaluate": EVALUATE,
}  # fmt: skip


@pytest.fixture(scope="session")
def untouched_clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips") / "project"
    write_clips(folder / "scene" / "clips", num_sources=6)
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text(encoding="utf-8"))
    params["dataset"].update(
        root="scene",
        clips="scene/clips",
        anomalous_classes=["dash"],
        clip_group_pattern=r"(\w+_g\d+)_",
    )
    params["embed_clips"]["flow_histogram"].update(num_pairs=8, short_side_px=72)
    params["fit_autoencoder"].update(max_epochs=6, hidden=[16, 4], batch_size=8)
    params["evaluate"]["anomaly"].update(num_bootstrap=20, num_pictures=2)
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    return folder


@pytest.fixture
def project(untouched_clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    shutil.copytree(untouched_clips, tmp_path / "project")
    monkeypatch.setenv("VIGIL_DEVICE", "cpu")
    return Project(tmp_path / "project")


def set_nested(project: Project, section: str, **values: Any) -> None:
    params = project.params
    place = params
    for name in section.split("."):
        place = place[name]
    place.update(values)
    project.write_params(params)


def run_until(project: Project, run_stage: Run, last: str) -> Outcome:
    for stage, words in STAGES.items():
        outcome = run_stage(project, stage, *words)
        if stage == last:
            return outcome
        assert outcome.code == 0, outcome.stderr
    raise AssertionError(last)


def init_git(project: Project) -> None:
    """DVCLive looks for a commit."""
    git = ("git", "-C", str(project.folder), "-c", "user.name=t", "-c", "user.email=t@t")
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-qm", "start", "--allow-empty"], check=True)


def content_of(folder: Path) -> dict[str, bytes]:
    made = [folder / name for name in ("data", "models", "metrics")]
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for place in made
        for file in sorted(place.rglob("*"))
        if file.is_file()
    }


def test_from_clips_to_metrics_twice_the_same(project: Project, run_stage: Run) -> None:
    init_git(project)
    outcome = run_until(project, run_stage, "evaluate")
    assert (outcome.code, outcome.stderr) == (0, "")
    metrics = json.loads((project.folder / "metrics/anomaly.json").read_text())
    assert metrics.keys() >= {
        "auroc", "average_precision", "threshold", "anomaly_recall", "false_alarm_rate",
        "accuracy", "accuracy_by_class", "intervals_95", "baselines",
    }  # fmt: skip
    assert metrics["accuracy"].keys() == {"train", "val", "test", "anomaly"}
    scorers = [row["scorer"] for row in metrics["baselines"]]
    assert scorers == ["mahalanobis", "nearest_neighbours"]
    assert metrics["auroc"] >= 0.9
    threshold = json.loads((project.folder / "models/threshold.json").read_text())
    assert metrics["threshold"] == pytest.approx(threshold["value"], rel=5e-3)
    assert threshold["picked_on"] == {
        "allowed_validation_clips": 3, "anomalous_validation_clips": 0,
    }  # fmt: skip
    errors = pd.read_csv(project.folder / "data/predictions/anomaly/errors.csv")
    assert len(errors) == 24
    assert set(errors.loc[errors["class"] == "dash", "split"]) == {"test"}
    fitted = pd.read_csv(project.folder / "models/autoencoder_errors.csv")
    assert set(fitted["split"]) == {"train", "val"}
    same = errors.merge(fitted, on="clip", suffixes=("", "_fitted"))
    np.testing.assert_allclose(same["error"], same["error_fitted"], rtol=1e-4, atol=1e-5)
    first = content_of(project.folder)
    assert run_until(project, run_stage, "evaluate").code == 0
    assert content_of(project.folder) == first


def test_one_more_clip_costs_one_clip(project: Project, run_stage: Run) -> None:
    assert run_until(project, run_stage, "embed_clips").code == 0
    memo = project.folder / ".vigil/memo/embed_clips"
    before = {entry.name for entry in memo.iterdir()}
    index, vectors, _ = read_embeddings(project.folder / "data/embeddings")
    write_clip(project.folder / "scene/clips/creep/creep_g99_c1.avi", "creep", 999)
    assert run_until(project, run_stage, "embed_clips").code == 0
    assert len({entry.name for entry in memo.iterdir()} - before) == 1
    more, other, _ = read_embeddings(project.folder / "data/embeddings")
    kept = (more["clip"] != "creep/creep_g99_c1.avi").to_numpy()
    assert list(more.loc[kept, "clip"]) == list(index["clip"])
    assert np.array_equal(other[kept], vectors)


def test_windows_become_rows(project: Project, run_stage: Run) -> None:
    set_nested(project, "embed_clips", num_windows=2)
    assert run_until(project, run_stage, "embed_clips").code == 0
    index, vectors, facts = read_embeddings(project.folder / "data/embeddings")
    assert list(index["window"][:4]) == [0, 1, 0, 1]
    assert len(vectors) == 48
    assert facts["num_windows"] == 2


@pytest.mark.parametrize("method", ["quantile", "best_f1", "youden"])
def test_another_rule_needs_the_errors_alone(project: Project, run_stage: Run, method) -> None:
    init_git(project)
    set_nested(project, "split", anomalous_val_fraction=0.34)
    set_nested(project, "pick_threshold", method=method)
    assert run_until(project, run_stage, "evaluate").code == 0
    told = json.loads((project.folder / "models/threshold.json").read_text())
    assert told["picked_on"]["anomalous_validation_clips"] == (0 if method == "quantile" else 2)
    assert told["rule"]["method"] == method
    metrics = json.loads((project.folder / "metrics/anomaly.json").read_text())
    assert "val_anomaly" in metrics["accuracy"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # pytorchvideo's, within torch
def test_a_network_is_tuned_and_used(project: Project, run_stage: Run) -> None:
    init_git(project)
    for kind in ("creep", "stroll", "rise", "dash"):  # few, since a network takes its time
        for path in sorted((project.folder / "scene/clips" / kind).iterdir())[3:]:
            path.unlink()
    set_nested(project, "embed_clips", backbone="x3d_xs", precision="32-true")
    set_nested(project, "fit_autoencoder", max_epochs=2, batch_size=4)
    set_nested(project, "fit_autoencoder.fine_tuning", from_epoch=2, learning_rate=0.01)
    outcome = run_until(project, run_stage, "evaluate")
    assert (outcome.code, outcome.stderr) == (0, "")
    card = json.loads((project.folder / "models/autoencoder.json").read_text())
    assert len(card["tuned_shapes"]) == 12
    assert len(card["embeddings"]["weights_sha256"]) == 64
    fitted = pd.read_csv(project.folder / "models/autoencoder_errors.csv")
    errors = pd.read_csv(project.folder / "data/predictions/anomaly/errors.csv")
    same = errors.merge(fitted, on="clip", suffixes=("", "_fitted"))
    np.testing.assert_allclose(same["error"], same["error_fitted"], rtol=1e-3)


def test_describing_flow_and_picking_need_no_torch(project: Project, run_stage: Run) -> None:
    init_git(project)
    assert run_until(project, run_stage, "pick_threshold").code == 0
    for stage in ("split", "embed_clips", "pick_threshold"):
        script = str(REPOSITORY / "stages" / f"{stage}.py")
        command = [sys.executable, "-c", WATCHED.format(heavy=HEAVY), script, *STAGES[stage]]
        done = subprocess.run(
            command, cwd=project.folder, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "loaded:\n"), stage


def test_clips_alone_need_no_root_of_their_own(project: Project, run_stage: Run) -> None:
    """As the README says: the root stays the demo's, which has clips too."""
    shutil.copytree(project.folder / "scene/clips", project.folder / "data/demo/clips")
    project.set_params("dataset", root="data/demo", clips="scene/clips")
    assert run_stage(project, "split", *SPLIT).code == 0


UCF101 = REPOSITORY.parent / "shared" / "real" / "ucf101"


@pytest.mark.skipif(not UCF101.is_dir(), reason="needs ../shared/real/ucf101")
def test_real_clips_with_params_alone(project: Project, run_stage: Run) -> None:
    init_git(project)
    shutil.rmtree(project.folder / "scene/clips")
    shutil.copytree(UCF101, project.folder / "scene/clips")
    project.set_params("dataset", anomalous_classes=["Diving"], clip_group_pattern="")
    assert run_until(project, run_stage, "evaluate").code == 0
    metrics = json.loads((project.folder / "metrics/anomaly.json").read_text())
    assert (metrics["num_allowed"], metrics["num_anomalous"]) == (2, 5)
    assert metrics["auroc"] >= 0.9


def clip_of(project: Project, kind: str = "creep") -> Path:
    return sorted((project.folder / "scene/clips" / kind).iterdir())[0]


def empty(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()


def leave_one(project: Project) -> None:
    for kind in ("creep", "stroll", "rise"):
        for path in sorted((project.folder / "scene/clips" / kind).iterdir())[1:]:
            path.unlink()
    shutil.rmtree(project.folder / "scene/clips/rise")
    shutil.rmtree(project.folder / "scene/clips/stroll")


BAD: dict[str, tuple[str, Callable[[Project], object], str]] = {
    "no clips": ("split", lambda p: shutil.rmtree(p.folder / "scene/clips"), "scene/clips"),
    "an empty class": ("split", lambda p: empty(p.folder / "scene/clips/rise"), "clips/rise"),
    "one clip only": ("split", leave_one, "there are 1 allowed clips of 1 sources"),
    "no such class": (
        "split",
        lambda p: p.set_params("dataset", anomalous_classes=["fly"]),
        "dataset.anomalous_classes: expected classes of creep, dash, rise, stroll, got fly",
    ),
    "all classes": (
        "split",
        lambda p: p.set_params("dataset", anomalous_classes=["creep", "dash", "rise", "stroll"]),
        "expected to leave a class that is allowed",
    ),
    "clips of another dataset": (
        "split",
        lambda p: p.set_params("dataset", clips="data/demo/clips"),
        "params.yaml: dataset.clips: expected scene/clips, as dataset.root holds clips of its own, "
        "got those of the demo",
    ),
    "no class": ("split", lambda p: p.set_params("dataset", anomalous_classes=[]), "at least one"),
    "the same clip twice": (
        "split",
        lambda p: shutil.copy(clip_of(p), clip_of(p).with_name("creep_g77_c1.mp4")),
        "creep/creep_g77_c1.mp4: expected different clips",
    ),
    "a pattern that fits no clip": (
        "split",
        lambda p: p.set_params("dataset", clip_group_pattern="x(y)z"),
        "dataset.clip_group_pattern 'x(y)z'",
    ),
    "a truncated clip": ("embed_clips", lambda p: cut_off(clip_of(p), 0.4), "creep_g00_c1.mp4"),
    "a text file": (
        "embed_clips",
        lambda p: clip_of(p).write_text("hello"),
        "creep_g00_c1.mp4: expected a video",
    ),
    "an empty file": ("embed_clips", lambda p: clip_of(p).write_bytes(b""), "empty file"),
    "a clip of one frame": (
        "embed_clips",
        lambda p: write_coded_video(clip_of(p), 1),
        "creep_g00_c1.mp4: expected a clip of at least 2 frames, got 1",
    ),
    "a short clip where that is an error": (
        "embed_clips",
        lambda p: (
            write_coded_video(clip_of(p), 5),
            set_nested(p, "embed_clips", short_clips="error"),
        ),
        "creep_g00_c1.mp4: expected at least 9 frames",
    ),
    "an unknown backbone": (
        "split",
        lambda p: set_nested(p, "embed_clips", backbone="c3d"),
        "params.yaml: embed_clips.backbone: expected 'flow_histogram', 'r2plus1d_18'",
    ),
    "weights for what has none": (
        "embed_clips",
        lambda p: set_nested(p, "embed_clips", weights="kinetics400"),
        "embed_clips.weights: expected none",
    ),
    "a clip gone": ("embed_clips", lambda p: None, "clips/creep/creep_g00_c1.mp4"),
    "a backbone without weights to tune": (
        "split",
        lambda p: set_nested(p, "fit_autoencoder.fine_tuning", from_epoch=1),
        "expected 0 with embed_clips.backbone: flow_histogram, which cannot learn",
    ),
    "tuning that never begins": (
        "split",
        lambda p: set_nested(p, "fit_autoencoder.fine_tuning", from_epoch=7),
        "fine_tuning.from_epoch: expected at most max_epochs (6), got 7",
    ),
    "weights that are not there": (
        "split",
        lambda p: set_nested(p, "embed_clips", backbone="x3d_xs", weights="none.pth"),
        "params.yaml: embed_clips.weights: expected none, kinetics400 or a file, got 'none.pth'",
    ),
    "no anomalous validation clips": (
        "pick_threshold",
        lambda p: set_nested(p, "pick_threshold", method="youden"),
        "expected anomalous clips in validation for youden",
    ),
    "too few validation clips": (
        "pick_threshold",
        lambda p: set_nested(p, "pick_threshold", method="conformal"),
        "expected at least 9 allowed clips in validation for a rate of 0.1, got 3",
    ),
}


@pytest.mark.parametrize("change", BAD)
def test_bad_input_is_one_line(change: str, project: Project, run_stage: Run) -> None:
    stage, edit, expected = BAD[change]
    init_git(project)
    edit(project)
    if change == "a clip gone":
        assert run_until(project, run_stage, "split").code == 0
        clip_of(project).unlink()
        outcome = run_stage(project, "embed_clips", *EMBED)
    else:
        outcome = run_until(project, run_stage, stage)
    assert outcome.code == 1
    assert outcome.stderr.count("\n") == 1, outcome.stderr
    assert outcome.stderr.startswith(f"{stage}@anomaly: " if stage == "split" else f"{stage}: ")
    assert expected in outcome.stderr
    made = {"split": "data/splits", "embed_clips": "data/embeddings"}.get(stage)
    if made:
        assert not (project.folder / made).exists() or not list((project.folder / made).iterdir())
    assert not list(project.folder.rglob("*.partial"))
