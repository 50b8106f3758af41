"""A detector's training: killed and resumed, averaged, validated by what it finds."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from tiny_detectors import SIZE_WH, build, config_of, draw

from vigil.domain.measures.detector import measure_detections
from vigil.domain.pictures.annotated import DetectionSet
from vigil.learn.detector.network.augmentation import BoxAugmentation
from vigil.learn.detector.network.data import DetectionDataset, batches
from vigil.learn.detector.network.registry import build_detector
from vigil.learn.detector.network.trained import TrainedDetector
from vigil.learn.detector.training.module import DetectorTraining
from vigil.learn.networks import machine as runtime
from vigil.learn.networks.weights import save_model
from vigil.learn.training.loop import Fitted, Fitting, fit
from vigil.learn.training.optimisation import Optimisation


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
def scene(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DetectionSet]:
    """Six pictures of coloured rectangles in a folder, and what is on them."""
    folder = tmp_path_factory.mktemp("images")
    pictures, objects = draw(6)
    names = [f"{number}.png" for number in range(6)]
    rows = []
    for name, picture, own in zip(names, pictures, objects, strict=True):
        rgb = np.ascontiguousarray(picture.numpy().transpose(1, 2, 0))
        cv2.imwrite(str(folder / name), rgb[..., ::-1])
        rows += [
            (name, str(int(label)), *box.tolist(), False, False)
            for box, label in zip(own.boxes, own.labels, strict=True)
        ]
    images = pd.DataFrame(
        {
            "file_name": names,
            "width": SIZE_WH[0],
            "height": SIZE_WH[1],
            "video": "",
            "frame_index": -1,
            "sha256": "",
        }
    )
    columns = ["image", "label", "x1", "y1", "x2", "y2", "is_crowd", "is_difficult"]
    return folder, DetectionSet.of(images, pd.DataFrame(rows, columns=columns), ("0", "1"))


def train(
    scene: tuple[Path, DetectionSet],
    curves: Path,
    kill_at: tuple[int, int] | None = None,
    ema_decay: float = 0.9,
    num_epochs: int = 3,
) -> tuple[Killable, Fitted]:
    folder, known = scene
    augmentation = BoxAugmentation(0.5, 1.2, 0.1, 0.2, 0.2, 0.2, 0.0, 0.3, 0.3)
    train_set = DetectionDataset(
        folder, known, input_size_wh=SIZE_WH, augmentation=augmentation, seed=1
    )
    val_set = DetectionDataset(folder, known, input_size_wh=SIZE_WH)
    module = Killable(
        build("grid"),
        Optimisation("adamw", 1e-3, 0.05, "cosine", 0.1),
        ema_decay=ema_decay,
        monitor="val_map",
        val_set=val_set,
        measure=lambda found: measure_detections(known, found)["map"],
        with_val_loss=True,
        precision="32-true",
    )
    module.kill_at = kill_at
    fitted = fit(
        module,
        batches(train_set, 2, shuffle_seed=1),
        batches(val_set, 4, shuffle_seed=None),
        Fitting(num_epochs, num_epochs, "val_map", "max", 0.0, 10.0, "32-true", 0),
        stage="train_detector",
        fingerprint="one",
        curves=curves,
    )
    return module, fitted


def test_a_killed_training_ends_in_the_same_bytes(
    scene: tuple[Path, DetectionSet], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
    scene: tuple[Path, DetectionSet], tmp_path: Path
):
    module, fitted = train(scene, tmp_path / "curves", num_epochs=1)
    assert module.average is not None
    kept = module.average.state_dict()
    trained = module.network.state_dict()
    weight = "head.weight"
    assert torch.equal(fitted.state[weight], kept[weight])
    assert not torch.equal(kept[weight], trained[weight])
    start = build("grid").state_dict()[weight]
    towards = (kept[weight] - start).flatten() @ (trained[weight] - start).flatten()
    assert towards > 0


def test_without_an_average_the_weights_themselves_are_kept(
    scene: tuple[Path, DetectionSet], tmp_path: Path
):
    module, fitted = train(scene, tmp_path / "curves", ema_decay=0.0, num_epochs=1)
    assert module.average is None
    assert torch.equal(fitted.state["head.weight"], module.network.state_dict()["head.weight"])


def trained(folder: Path, precision: str) -> TrainedDetector:
    config = config_of("grid")
    torch.manual_seed(0)
    model = build_detector("grid", config)
    torch.nn.init.constant_(model.head.bias[4:], 5.0)  # sure of everything
    card = {
        "architecture": "grid",
        "config": config,
        "classes": ["0", "1"],
        "input_size_wh": list(SIZE_WH),
        "precision": precision,
    }
    save_model(model.state_dict(), card, folder / "w.safetensors", folder / "c.json")
    return TrainedDetector(folder / "w.safetensors", folder / "c.json")


@pytest.mark.parametrize("has_units", [False, True])
def test_a_trained_detector_computes_in_what_the_machine_is_good_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_units: bool
):
    monkeypatch.setattr(runtime, "has_bfloat16", lambda _: has_units)
    picture = np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8)
    named = trained(tmp_path, "bf16-mixed" if has_units else "32-true")(picture)
    pd.testing.assert_frame_equal(trained(tmp_path, "auto")(picture), named)
    other = trained(tmp_path, "32-true" if has_units else "bf16-mixed")(picture)
    assert not other.equals(named)


def test_a_trained_detector_is_used_on_pictures_of_any_size(
    scene: tuple[Path, DetectionSet], tmp_path: Path
):
    detector = trained(tmp_path, "32-true")
    folder, known = scene
    for size in ((64, 96, 3), (200, 50, 3), (33, 333, 3)):
        table = detector(np.zeros(size, np.uint8))
        assert list(table.columns) == ["label", "score", "x1", "y1", "x2", "y2"]
        assert len(table)
        assert (table[["x1", "y1"]].to_numpy() >= 0).all()
        assert (table["x2"] <= size[1]).all()
        assert (table["y2"] <= size[0]).all()
        assert table["score"].is_monotonic_decreasing
    dataset = DetectionDataset(folder, known, input_size_wh=SIZE_WH)
    from vigil.learn.detector.network.suppression import Suppression

    every = detector.detect_all(dataset, batches(dataset, 4, shuffle_seed=None), Suppression())
    picture = cv2.imread(str(folder / "3.png"))[..., ::-1]
    own = every[every["image"] == "3.png"].drop(columns="image").reset_index(drop=True)
    alone = detector(picture)
    assert np.allclose(own.drop(columns="label"), alone.drop(columns="label"), atol=1e-3)
