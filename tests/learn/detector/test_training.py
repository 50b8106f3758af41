"""A detector's training: killed and resumed, averaged, validated by what it finds."""

from pathlib import Path

import pytest
import torch
from tiny_detectors import SIZE_WH, build, write_scene
from tiny_settings import GRID, shipped

from vigil.domain.measures.detector import measure_detections
from vigil.domain.pictures.annotated import AnnotatedPictures
from vigil.learn.detector.network.data import PictureDataset, batches
from vigil.learn.detector.training.augmentation import BoxAugmentation
from vigil.learn.detector.training.module import DetectorTraining
from vigil.learn.pictures.averaging import move_towards
from vigil.learn.training.loop import Fitted, Plan, fit
from vigil.settings.train_detector import TrainDetector


class Killed(BaseException):
    pass


class Killable(DetectorTraining):
    kill_at: tuple[int, int] | None = None

    def training_step(self, batch, batch_idx):
        if (self.current_epoch, batch_idx) == self.kill_at:
            raise Killed
        return super().training_step(batch, batch_idx)


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIGIL_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("VIGIL_DEVICE", "cpu")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, AnnotatedPictures]:
    """Six pictures of coloured rectangles in a folder, and what is on them."""
    folder = tmp_path_factory.mktemp("images")
    return folder, write_scene(folder)


def train(
    scene: tuple[Path, AnnotatedPictures],
    curves: Path,
    kill_at: tuple[int, int] | None = None,
    ema_decay: float = 0.9,
    num_epochs: int = 3,
) -> tuple[Killable, Fitted]:
    folder, known = scene
    settings = shipped(
        TrainDetector,
        **{key: GRID[key] for key in ("architecture", "input_size_wh", "features.strides")},
        ema_decay=ema_decay,
        fitting={
            "max_epochs": num_epochs,
            "patience_epochs": num_epochs,
            "batch_size": 2,
            "precision": "32-true",
        },
        optimisation={"learning_rate": 1e-3},
        augmentation={
            "max_scale": 1.2,
            "brightness": 0.2,
            "contrast": 0.2,
            "mosaic_probability": 0.3,
            "mosaic_min_scale": 0.6,
            "mixup_probability": 0.3,
            "alone_epochs": 1,
        },
    )
    train_set = PictureDataset(
        folder,
        known,
        input_size_wh=SIZE_WH,
        augmentation=BoxAugmentation(settings.augmentation, num_epochs),
        seed=1,
    )
    val_set = PictureDataset(folder, known, input_size_wh=SIZE_WH)
    module = Killable(
        build("grid"),
        settings,
        val_set=val_set,
        measure=lambda found: measure_detections(known, found)["map"],
    )
    module.kill_at = kill_at
    plan = Plan(
        module,
        batches(train_set, 2, shuffle_seed=1),
        batches(val_set, 4, shuffle_seed=None),
        settings.fitting.chosen,
        settings.monitor,
        settings.mode,
        seed=0,
    )
    return module, fit(plan, branch="detector", fingerprint="one", curves=curves)


def test_a_killed_training_ends_in_the_same_bytes(
    scene: tuple[Path, AnnotatedPictures], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    _, unbroken = train(scene, tmp_path / "a")
    monkeypatch.setenv("VIGIL_STATE_DIR", str(tmp_path / "other"))
    for kill_at in ((1, 1), (2, 0)):
        with pytest.raises(Killed):
            train(scene, tmp_path / "b", kill_at)
    _, resumed = train(scene, tmp_path / "b")
    assert resumed.values == unbroken.values
    assert resumed.best_epoch == unbroken.best_epoch
    assert resumed.state.keys() == unbroken.state.keys()
    for name, tensor in unbroken.state.items():
        assert torch.equal(tensor, resumed.state[name]), name
    for file in (tmp_path / "a").rglob("*.tsv"):
        assert file.read_bytes() == (tmp_path / "b" / file.relative_to(tmp_path / "a")).read_bytes()


def test_the_average_is_kept_and_follows_the_weights(
    scene: tuple[Path, AnnotatedPictures], tmp_path: Path
):
    module, fitted = train(scene, tmp_path / "curves", num_epochs=1)
    assert module.average is not None
    kept = module.average.state_dict()
    trained = module.network.state_dict()
    weight = "heads.0.weight"
    assert torch.equal(fitted.state[weight], kept[weight])
    assert not torch.equal(kept[weight], trained[weight])
    start = build("grid").state_dict()[weight]
    towards = (kept[weight] - start).flatten() @ (trained[weight] - start).flatten()
    assert towards > 0


def test_without_an_average_the_weights_themselves_are_kept(
    scene: tuple[Path, AnnotatedPictures], tmp_path: Path
):
    module, fitted = train(scene, tmp_path / "curves", ema_decay=0.0, num_epochs=1)
    assert module.average is None
    assert torch.equal(
        fitted.state["heads.0.weight"], module.network.state_dict()["heads.0.weight"]
    )


def test_an_average_moves_a_weight_of_two_names_once():
    network, average = (torch.nn.Module() for _ in range(2))
    for module, value in ((network, 1.0), (average, 0.0)):
        module.one = torch.nn.Linear(2, 2)
        module.two = module.one
        module.register_buffer("count", torch.tensor(int(value)))
        torch.nn.init.constant_(module.one.weight, value)
        torch.nn.init.constant_(module.one.bias, value)
    move_towards(average, network, 0.25)
    assert (average.one.weight == 0.25).all()
    assert (average.two.bias == 0.25).all()
    assert int(average.count) == 1
