"""The stages `train_dino` and `attend`: idle by default, and what they make if asked."""

import numpy as np
import pytest
from conftest import VIDEOS, Project, files_of, init_git, run_watched
from tiny_transformers import use_small_sizes

SMALL = {
    "frames": {"step_s": 0.0, "short_side_px": 72, "val_fraction": 0.2, "regions": 1},
    "network": {"size_px": 16, "patch_px": 8, "width": 16, "depth": 1, "num_heads": 2},
    "fitting": {"max_epochs": 1, "batch_size": 8, "precision": "32-true"},
}


def ask_for_training(project: Project, *videos: str) -> None:
    init_git(project)
    for block, values in SMALL.items():
        project.set_params(f"train_dino.{block}", **values)
    project.set_params("train_dino.views", small_px=8, num_small=1)
    project.set_params("train_dino.distillation", prototypes=8, hidden_width=16, bottleneck_width=8)
    project.set_params("train_dino", videos=list(videos))


def ask_for_attention(project: Project, *sources: str, weights: str = "none") -> None:
    project.set_params("attend", sources=list(sources), short_side_px=16, step_s=0.5)
    project.set_params("attend.network", weights=weights)


@pytest.mark.parametrize("stage", ["train_dino", "attend"])
def test_by_default_nothing_is_done_and_no_network_is_loaded(project: Project, stage: str):
    done = run_watched(project, stage)
    assert (done.returncode, done.stderr) == (0, "loaded:\n")
    assert done.stdout.startswith("no ")
    (output,) = project.outputs(stage)
    assert output.is_dir()
    assert not list(output.iterdir())


def test_a_trained_network_shows_its_attention(project: Project, run_stage):
    ask_for_training(project, VIDEOS[0])
    outcome = run_stage(project, "train_dino")
    assert outcome.code == 0, outcome.stderr
    names = {file.name for file in (project.folder / "models/dino").iterdir()}
    assert names == {"dino.safetensors", "dino.json", "curves"}
    project.set_params("attend.network", architecture="trained")
    ask_for_attention(project, VIDEOS[1], weights="models/dino/dino.safetensors")
    outcome = run_stage(project, "attend")
    assert outcome.code == 0, outcome.stderr
    folder = project.folder / "data/attention"
    assert (folder / VIDEOS[1] / "attention.mp4").exists()
    assert np.load(folder / VIDEOS[1] / "attention.npy").shape[1:] == (2, 2, 2)
    first = files_of(folder)
    assert run_stage(project, "attend").code == 0
    assert files_of(folder) == first


BAD = {
    "a video that is not there": (
        "train_dino", lambda p: ask_for_training(p, "none.mp4"),
        "scene/videos: expected the listed videos, found no none.mp4",
    ),
    "patches that do not tile a view": (
        "train_dino", lambda p: p.set_params("train_dino.views", small_px=30),
        "params.yaml: train_dino: expected network.patch_px to divide small_px 30, got 8",
    ),
    "heads that do not divide the width": (
        "train_dino", lambda p: p.set_params("train_dino.network", num_heads=5),
        "params.yaml: train_dino: expected network.num_heads to divide the width 192, got 5",
    ),
    "regions the wrong way round": (
        "train_dino", lambda p: p.set_params("train_dino.views", min_region=0.9),
        "train_dino.views: expected min_region <= max_region, got 0.9 and 0.6",
    ),
    "a source that is not there": (
        "attend", lambda p: ask_for_attention(p, "none.mp4"),
        "expected a picture, a video or a folder of them, found none",
    ),
    "a network without attention": (
        "attend", lambda p: p.set_params("attend.network", architecture="resnet50"),
        "params.yaml: attend.network.architecture: expected 'dinov2_reg_small', ",
    ),
    "weights that are not there": (
        "attend", lambda p: ask_for_attention(p, VIDEOS[0], weights="nowhere"),
        "params.yaml: attend.network.weights: expected published, none, a file or a folder, "
        "got 'nowhere'",
    ),
    "a trained network without its file": (
        "attend",
        lambda p: (
            p.set_params("attend.network", architecture="trained"),
            ask_for_attention(p, VIDEOS[0], weights="published"),
        ),
        "params.yaml: attend.network.weights: expected the file that train_dino wrote, as "
        "models/dino/dino.safetensors, for the architecture trained, got 'published'",
    ),
    "weights of another kind": (
        "attend",
        lambda p: (
            (p.folder / "w.pth").write_text("x"),
            ask_for_attention(p, VIDEOS[0], weights="w.pth"),
        ),
        "w.pth: expected safetensors or a state dict, got",
    ),
    "a damaged video": (
        "attend",
        lambda p: (p.video(VIDEOS[0]).write_bytes(b"x"), ask_for_attention(p, VIDEOS[0])),
        "expected a video, got",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_told_in_one_line(
    project: Project, run_stage, assert_refused, monkeypatch, case: str
):
    use_small_sizes(monkeypatch)
    stage, damage, expected = BAD[case]
    damage(project)
    outcome = run_stage(project, stage)
    assert_refused(outcome, project, stage)
    assert expected in outcome.stderr
