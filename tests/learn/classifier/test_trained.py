"""A trained classifier on arrays: no files but its own, no params, no folder of samples."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from changed_cards import told, without

from vigil.domain.samples.index import LABELS
from vigil.learn.classifier.network.crop_transformer import CropTransformer
from vigil.learn.classifier.trained import BATCH_SIZE, TrainedClassifier
from vigil.learn.networks.weights import save_model
from vigil.plumbing.errors import InputError

CONFIG = {
    "num_frames": 3,
    "size_px": 10,
    "patch_px": 5,
    "width": 8,
    "depth": 1,
    "num_heads": 2,
    "mlp_width": 16,
    "dropout": 0.5,
}
CARD = {"architecture": "crop_transformer", "config": CONFIG, "classes": list(LABELS)}


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    torch.manual_seed(0)
    files = tmp_path / "c.safetensors", tmp_path / "c.json"
    save_model(CropTransformer(**CONFIG).state_dict(), CARD, *files)
    return files


def crops(num: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (num, 3, 10, 10), np.uint8)


@pytest.mark.parametrize("num", [1, 7, BATCH_SIZE + 3])
def test_a_batch_equals_its_samples_one_by_one(files: tuple[Path, Path], num: int):
    trained = TrainedClassifier.from_files(*files)
    own = crops(num)
    before = own.copy()
    together = trained(own)
    assert together.shape == (num,)
    assert together.dtype == np.float64
    assert ((together > 0) & (together < 1)).all()
    alone = np.concatenate([trained(one[None]) for one in own])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    assert np.array_equal(own, before)
    assert np.array_equal(trained(own), together)  # no dropout


def test_it_gives_the_probability_of_the_last_class(files: tuple[Path, Path]):
    trained = TrainedClassifier.from_files(*files)
    assert trained.classes == LABELS
    assert trained.input_shape == (3, 10, 10)
    with torch.no_grad():
        trained.model.head[2].bias.fill_(50.0)
    assert (trained(crops(2)) > 0.99).all()


def test_no_samples_have_no_probabilities(files: tuple[Path, Path]):
    found = TrainedClassifier.from_files(*files)(crops(0))
    assert found.shape == (0,)
    assert found.dtype == np.float64


@pytest.mark.parametrize(
    "wrong",
    [
        crops(2).astype(np.float32),
        crops(2)[:, :2],
        crops(2)[..., :9],
        crops(2)[0],
        np.zeros((2, 3, 10, 10, 3), np.uint8),
    ],
)
def test_other_arrays_are_refused_in_one_line(files: tuple[Path, Path], wrong: np.ndarray):
    with pytest.raises(InputError, match=r"expected crops \(N, 3, 10, 10\) uint8, got") as error:
        TrainedClassifier.from_files(*files)(wrong)
    assert str(wrong.shape) in str(error.value)
    assert str(wrong.dtype) in str(error.value)
    assert "\n" not in str(error.value)


DAMAGE: dict[str, tuple[Callable[[Path, Path], object], str]] = {
    "no weights": (lambda weights, _: weights.unlink(), "c.safetensors: .*found no such file"),
    "no card": (lambda _, card: card.unlink(), "c.json: expected"),
    "cut weights": (
        lambda weights, _: weights.write_bytes(weights.read_bytes()[:200]),
        "c.safetensors: expected safetensors",
    ),
    "a cut card": (lambda _, card: card.write_text(card.read_text()[:40]), "c.json: expected"),
    "another kind of card": (lambda _, card: card.write_text("[1]"), "expected a model's card"),
    "weights of another width": (
        told(config=CONFIG | {"width": 16}),
        r"c.safetensors: .*expected the shape",
    ),
    "another architecture": (told(architecture="grid"), "expected one of crop_transformer"),
    "a config of something else": (told(config={"num_classes": 2}), "c.json: config: "),
    "a config that is none": (told(config=[1]), "c.json: "),
    "a config of texts": (told(config=CONFIG | {"size_px": "ten"}), "c.json: "),
    "no classes": (without("classes"), "c.json: expected a classifier's card"),
    "classes that are none": (told(classes=3), "c.json: expected a classifier's card"),
}


@pytest.mark.parametrize("change", DAMAGE)
def test_files_that_are_damaged_or_do_not_fit_are_refused_in_one_line(
    files: tuple[Path, Path], change: str
):
    damage, expected = DAMAGE[change]
    damage(*files)
    with pytest.raises(InputError, match=expected) as error:
        TrainedClassifier.from_files(*files)
    assert "\n" not in str(error.value)
