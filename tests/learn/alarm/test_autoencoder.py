"""An autoencoder of embeddings: errors, schedules, storing, and what it learns to tell."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from vigil.learn.alarm.scoring.autoencoder import Autoencoder
from vigil.learn.alarm.scoring.data import batches
from vigil.learn.alarm.scoring.errors import reconstruction_errors
from vigil.learn.alarm.scoring.stored import load_autoencoder
from vigil.learn.alarm.training.module import AutoencoderTraining
from vigil.learn.networks.weights import save_model
from vigil.learn.training.loop import Fitting, fit
from vigil.learn.training.optimisation import Optimisation
from vigil.plumbing.errors import InputError

CPU = torch.device("cpu")


def make(**changes) -> Autoencoder:
    torch.manual_seed(0)
    return Autoencoder(**{"width": 12, "hidden": [8, 3], "dropout": 0.2, "error": "sum", **changes})


def test_its_layers_go_down_and_back() -> None:
    linear = [layer for layer in make(hidden=[8, 5, 3]).layers if isinstance(layer, nn.Linear)]
    assert [(one.in_features, one.out_features) for one in linear] == [
        (12, 8), (8, 5), (5, 3), (3, 5), (5, 8), (8, 12),
    ]  # fmt: skip
    assert isinstance(make().layers[-1], nn.Linear)
    assert [type(layer) for layer in make(hidden=[4]).layers] == [
        nn.Linear, nn.ReLU, nn.Dropout, nn.Linear,
    ]  # fmt: skip


def test_errors_are_summed_or_averaged() -> None:
    vectors = torch.randn(5, 12)
    model = make().eval()
    expected = ((model(vectors) - vectors) ** 2).sum(dim=1)
    torch.testing.assert_close(model.errors(vectors), expected)
    torch.testing.assert_close(make(error="mean").eval().errors(vectors), expected / 12)
    target = torch.randn(5, 12)
    torch.testing.assert_close(
        model.errors(vectors, target), ((model(vectors) - target) ** 2).sum(dim=1)
    )


def test_another_width_is_refused() -> None:
    with pytest.raises(ValueError, match=r"vectors must have the shape \(B, 12\)"):
        make()(torch.zeros(2, 11))


def test_a_batch_equals_its_vectors_one_by_one() -> None:
    vectors = np.random.default_rng(0).normal(size=(7, 12)).astype(np.float32)
    rows = np.arange(7)
    one = reconstruction_errors(make(), batches(vectors, rows, 1, shuffle_seed=None), CPU)
    all_ = reconstruction_errors(make(), batches(vectors, rows, 9, shuffle_seed=None), CPU)
    np.testing.assert_allclose(one, all_, rtol=1e-5)


def test_no_batch_of_one_vector_meets_batch_norm() -> None:
    vectors = np.zeros((9, 2), np.float32)
    sizes = [len(v) for v, _ in batches(vectors, np.arange(9), 4, shuffle_seed=0)]
    assert sizes == [4, 4]
    assert [len(v) for v, _ in batches(vectors, np.arange(9), 4, shuffle_seed=None)] == [4, 4, 1]
    (own, rows), *_ = batches(
        np.arange(9.0, dtype=np.float32)[:, None], np.array([7, 2]), 4, shuffle_seed=None
    )
    assert own.flatten().tolist() == rows.tolist() == [7, 2]


def test_what_it_has_not_seen_has_larger_errors_and_files_keep_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIGIL_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("VIGIL_DEVICE", "cpu")
    rng = np.random.default_rng(0)
    allowed = (rng.normal(size=(90, 3)) @ rng.normal(size=(3, 12))).astype(np.float32)
    other = (rng.normal(size=(20, 3)) @ rng.normal(size=(3, 12))).astype(np.float32)
    vectors = np.concatenate([allowed, other])
    model = make(dropout=0.0, hidden=[16, 6])
    fitted = fit(
        AutoencoderTraining(model, Optimisation("adam", 0.01, 0.0, "plateau", 0.0, 5, 0.5)),
        batches(vectors, np.arange(60), 16, shuffle_seed=0),
        batches(vectors, np.arange(60, 75), 16, shuffle_seed=None),
        Fitting(
            max_epochs=40,
            patience_epochs=20,
            monitor="val_loss",
            mode="min",
            min_delta=0.0,
            gradient_clip=0.0,
            precision="32-true",
            seed=0,
        ),
        stage="fit_autoencoder",
        fingerprint="f",
        curves=tmp_path / "curves",
    )
    config = {"width": 12, "hidden": [16, 6], "dropout": 0.0, "error": "sum"}
    files = tmp_path / "a.safetensors", tmp_path / "a.json"
    card = {"architecture": "autoencoder", "config": config, "clip_score": "max"}
    save_model(fitted.state, card, *files)
    loaded, tuned, _ = load_autoencoder(*files)
    assert tuned == {}
    rows = batches(vectors, np.arange(75, 110), 64, shuffle_seed=None)
    errors = reconstruction_errors(loaded, rows, CPU)
    assert np.median(errors[15:]) > 3 * np.median(errors[:15])
    model.load_state_dict(fitted.state)
    assert np.array_equal(errors, reconstruction_errors(model, rows, CPU))
    files[1].write_text('{"architecture": "x", "config": {"a": 1}}')
    with pytest.raises(InputError, match=r"a\.json: expected the card of an autoencoder, got "):
        load_autoencoder(*files)
