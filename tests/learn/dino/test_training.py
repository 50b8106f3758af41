"""The whole training on tiny videos: the teacher, a resume after a kill, and what it learns."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Project, init_git
from tiny_settings import shipped
from tiny_videos import write_video

from vigil.learn.dino.training.assembly import plan_training, train_dino
from vigil.learn.dino.training.frames import FrameDataset, batches, read_frames
from vigil.learn.dino.training.module import DinoTraining
from vigil.learn.training import loop
from vigil.learn.training.loop import fit
from vigil.learn.vision_transformers.opening import open_transformer
from vigil.plumbing.errors import InputError
from vigil.settings.train_dino import TrainDino
from vigil.settings.vision_transformer import VisionTransformer

FPS = Fraction(25)
SMALL = {
    "frames": {"step_s": 0.0, "short_side_px": 40, "val_fraction": 0.25, "regions": 2},
    "network": {"size_px": 16, "patch_px": 8, "width": 16, "depth": 1, "num_heads": 2},
    "views": {"small_px": 8, "num_small": 1, "min_region": 0.4, "max_region": 0.8},
    "distillation": {"prototypes": 8, "hidden_width": 16, "bottleneck_width": 8},
    "fitting": {"max_epochs": 2, "batch_size": 8, "precision": "32-true"},
}


def settings_of(**changes: object) -> TrainDino:
    return shipped(TrainDino, **SMALL, **changes)


def frames_of(num: int, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [
        np.kron(rng.integers(0, 256, (5, 7, 3)), np.ones((8, 8, 1))).astype(np.uint8)
        for _ in range(num)
    ]


def dataset_of(num: int, seed: int = 0) -> FrameDataset:
    return FrameDataset(frames_of(num, seed), [str(at) for at in range(num)])


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    init_git(Project(tmp_path))
    monkeypatch.setenv("VIGIL_STATE_DIR", str(tmp_path / "state"))
    return tmp_path


@pytest.fixture
def videos(place: Path) -> list[Path]:
    for number in range(2):
        write_video(place / f"{number}.mp4", frames_of(12, number))
    return [place / f"{number}.mp4" for number in range(2)]


def test_the_last_part_of_each_video_validates(videos: list[Path]):
    train, val = read_frames(videos, settings_of().frames, FPS)
    assert [train.name(at) for at in (0, 8, 9)] == ["0.mp4/0", "0.mp4/8", "1.mp4/0"]
    assert [val.name(at) for at in range(6)] == [
        *("0.mp4/9", "0.mp4/10", "0.mp4/11", "1.mp4/9", "1.mp4/10", "1.mp4/11")
    ]
    batch = train.__getitems__([0, 9])
    assert batch.pictures.shape == (2, 40, 56, 3)
    red = frames_of(12, 1)[0][..., ::-1][4, 4]
    assert np.abs(batch.pictures[1, 4, 4].numpy().astype(int) - red).max() < 40, "as RGB"


def test_frames_of_several_sizes_share_a_canvas():
    frames = [np.full((20, 30, 3), 9, np.uint8), np.full((40, 10, 3), 9, np.uint8)]
    batch = FrameDataset(frames, ["a", "b"]).__getitems__([0, 1])
    assert batch.pictures.shape == (2, 40, 30, 3)
    assert batch.sizes_wh.tolist() == [[30, 20], [10, 40]]


def test_an_epoch_has_each_frame_once_for_each_region():
    loader = batches(dataset_of(5), settings_of(), shuffle=True)
    assert sorted(loader.sampler) == sorted([*range(5)] * 2)


def test_a_video_of_one_frame_is_told(place: Path):
    write_video(place / "s.mp4", frames_of(1))
    with pytest.raises(InputError, match=r"s\.mp4: expected at least 2 frames at a step of 0 s"):
        read_frames([place / "s.mp4"], settings_of().frames, FPS)


def step_of(module: DinoTraining, monkeypatch: pytest.MonkeyPatch, progress: float = 0.0) -> None:
    monkeypatch.setattr(DinoTraining, "_progress", lambda self: progress)
    monkeypatch.setattr(DinoTraining, "log", lambda *given, **named: None)


def test_the_teacher_follows_by_its_momentum_and_has_no_gradient(monkeypatch):
    settings = settings_of(**{"distillation.momentum": 0.9})
    module = plan_training(dataset_of(8), dataset_of(4), settings).module
    step_of(module, monkeypatch)
    before = {key: value.clone() for key, value in module.model.state_dict().items()}
    for weight in module.student.parameters():
        weight.data.add_(1.0)
    module.on_train_batch_end(None, None, 0)
    for key, value in module.model.state_dict().items():
        torch.testing.assert_close(value, before[key] + 0.1)
    loss = module.training_step(dataset_of(8).__getitems__(range(8)), 0)
    loss.backward()
    assert all(weight.grad is None for weight in module.model.parameters())
    learnt = [weight for name, weight in module.student.named_parameters()]
    assert sum(weight.grad is not None for weight in learnt) == len(learnt)


def test_the_centre_follows_the_teachers_mean(monkeypatch):
    settings = settings_of(**{"distillation.centre_momentum": 0.75})
    module = plan_training(dataset_of(8), dataset_of(4), settings).module
    step_of(module, monkeypatch)
    batch = dataset_of(8).__getitems__(range(8))
    torch.manual_seed(1)
    large, _ = module._cut(batch)
    mean = module.head(module.model(module._normalise(large))).mean(dim=0)
    torch.manual_seed(1)
    module.training_step(batch, 0)
    torch.testing.assert_close(module.centre, 0.25 * mean)


def test_equal_pictures_have_no_spread_and_others_do(monkeypatch):
    module = plan_training(dataset_of(8), dataset_of(4), settings_of()).module
    step_of(module, monkeypatch)
    told: dict[str, torch.Tensor] = {}
    monkeypatch.setattr(DinoTraining, "log_dict", lambda self, values: told.update(values))
    blank = FrameDataset([np.full((40, 56, 3), 90, np.uint8)] * 4, list("abcd"))
    plain = shipped(TrainDino, **SMALL, **{"views.brightness": 0.0})
    for dataset, is_spread in ((blank, False), (dataset_of(4), True)):
        module = plan_training(dataset, dataset, plain).module
        with torch.no_grad():
            for at in range(4):
                module.validation_step(dataset.__getitems__([at]), at)
            module.on_validation_epoch_end()
        assert (told["val_spread"] > 1e-3).item() is is_spread


def test_regions_are_matched_over_all_batches_not_within_one(monkeypatch):
    module = plan_training(dataset_of(4), dataset_of(4), settings_of()).module
    told: dict[str, torch.Tensor] = {}
    monkeypatch.setattr(DinoTraining, "log_dict", lambda self, values: told.update(values))
    axes = torch.eye(4)
    # The second view of each region is that of the next one, but for the last two.
    for own, other in ((0, 1), (1, 0), (2, 2), (3, 3)):
        module._tokens.append(torch.stack([axes[own], axes[other]])[:, None])
    module.on_validation_epoch_end()
    assert told["val_matched"] == 0.5
    assert not module._tokens


def test_what_was_killed_goes_on_to_the_same_bytes(videos: list[Path], place: Path, monkeypatch):
    """A stop after the first of two epochs, then the same command again."""
    settings = settings_of()
    whole = place / "whole"
    whole.mkdir()
    train_dino(videos, settings, FPS, whole)
    monkeypatch.setenv("VIGIL_STATE_DIR", str(place / "state 2"))
    saved = loop.EpochCheckpoint._save_checkpoint

    def save_and_stop(self, trainer, path) -> None:
        saved(self, trainer, path)
        raise RuntimeError("killed")

    resumed = place / "resumed"
    resumed.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(loop.EpochCheckpoint, "_save_checkpoint", save_and_stop)
        with pytest.raises(RuntimeError, match="killed"):
            train_dino(videos, settings, FPS, resumed)
    assert not list(resumed.iterdir())
    train_dino(videos, settings, FPS, resumed)
    files = sorted(file.relative_to(whole) for file in whole.rglob("*") if file.is_file())
    assert {"dino.safetensors", "dino.json"} <= {file.name for file in files}
    for file in files:
        assert (whole / file).read_bytes() == (resumed / file).read_bytes(), file


def test_the_same_training_is_done_once_and_its_network_can_be_opened(
    videos: list[Path], place: Path, monkeypatch
):
    (place / "a").mkdir()
    (place / "b").mkdir()
    train_dino(videos, settings_of(), FPS, place / "a")
    trained: list[Callable] = []
    monkeypatch.setattr("vigil.learn.dino.training.assembly.fit", trained.append)
    train_dino(videos, settings_of(), FPS, place / "b")
    assert not trained
    weights = place / "b" / "dino.safetensors"
    opened = open_transformer(VisionTransformer(architecture="trained", weights=str(weights)))
    assert (opened.width, opened.patch_px, opened.size_px) == (16, 8, 16)


@pytest.mark.slow
def test_it_learns_to_tell_places_apart(place: Path):
    """Views of one region become more alike than those of other regions."""
    settings = settings_of(
        **{
            "fitting.max_epochs": 30,
            "frames.regions": 16,
            "optimisation.learning_rate": 1e-3,
            "network.width": 32,
            "distillation.prototypes": 64,
        }
    )
    train, val = dataset_of(24), dataset_of(16, seed=9)
    fitted = fit(
        plan_training(train, val, settings), branch="dino", fingerprint="x", curves=place / "c"
    )
    rows = np.genfromtxt(place / "c/plots/metrics/val/matched.tsv", names=True)
    assert fitted.values["val_matched"] > max(2 / 16, rows["matched"][0])
    assert fitted.values["val_spread"] > 0.1
