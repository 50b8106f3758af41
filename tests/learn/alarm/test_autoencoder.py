"""An autoencoder of embeddings: errors, schedules, storing, and what it learns to tell."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_settings import fitting, optimisation
from torch import nn

from vigil.learn.alarm.network.scoring.autoencoder import Autoencoder
from vigil.learn.alarm.network.scoring.data import batches
from vigil.learn.alarm.network.scoring.stored import (
    StoredAlarm,
    channel_config,
    channel_state,
    load_alarm,
)
from vigil.learn.alarm.trained import TrainedAlarm
from vigil.learn.alarm.training.module import AutoencoderTraining
from vigil.learn.networks.weights import save_model
from vigil.learn.training.loop import Plan, fit
from vigil.plumbing.errors import InputError
from vigil.plumbing.records import write_json
from vigil.settings.embed_clips import APPEARANCE

COLUMN = "appearance.autoencoder"


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
    shape = {"width": 12, "hidden": [8, 3], "dropout": 0.2, "error": "sum"}
    config = channel_config(["autoencoder"], 12, shape, {}, {})
    stored = StoredAlarm({APPEARANCE: config})
    stored.channel(APPEARANCE).load_state_dict(channel_state(make().state_dict(), {}, {}))
    alarm = TrainedAlarm(stored, {APPEARANCE: {}}, {APPEARANCE: ["autoencoder"]}, {})
    alone = [alarm.score(APPEARANCE, vector[None])[COLUMN].item() for vector in vectors]
    np.testing.assert_allclose(alone, alarm.score(APPEARANCE, vectors)[COLUMN], rtol=1e-5)


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
    rates = optimisation(learning_rate=0.01, schedule="plateau", schedule_epochs=5)
    plan = Plan(
        AutoencoderTraining(model, rates),
        batches(vectors, np.arange(60), 16, shuffle_seed=0),
        batches(vectors, np.arange(60, 75), 16, shuffle_seed=None),
        fitting(max_epochs=40, patience_epochs=20),
        monitor="val_loss",
        mode="min",
        seed=0,
    )
    fitted = fit(plan, branch="alarm", fingerprint="f", curves=tmp_path / "curves")
    shape = {"width": 12, "hidden": [16, 6], "dropout": 0.0, "error": "sum"}
    files = tmp_path / "a.safetensors", tmp_path / "a.json"
    facts = {
        "architecture": "alarm",
        "config": {APPEARANCE: channel_config(["autoencoder"], 12, shape, {}, {})},
        "embeddings": {APPEARANCE: {"backbone": "slowfast_r50"}},
    }
    tensors = channel_state(fitted.state, {}, {})
    state = {f"channels.{APPEARANCE}.{name}": tensor for name, tensor in tensors.items()}
    save_model({**state, "widths": torch.tensor([12.0], dtype=torch.float64)}, facts, *files)
    loaded, card = load_alarm(*files)
    assert loaded.channel(APPEARANCE).tuned_state() == {}
    assert card.items() >= facts.items()
    alarm = TrainedAlarm.from_files(*files)
    assert not alarm.is_tuned
    errors = alarm.score(APPEARANCE, vectors[75:])[COLUMN]
    assert np.median(errors[15:]) > 3 * np.median(errors[:15])
    model.load_state_dict(fitted.state)
    with torch.inference_mode():
        own = model.eval().errors(torch.from_numpy(vectors[75:])).double().numpy()
    assert np.array_equal(errors, own)
    write_json({**facts, "config": {"a": 1}}, files[1])
    with pytest.raises(InputError, match=r"a\.json: config: expected the config of a network"):
        load_alarm(*files)
    files[1].write_text('{"architecture": "x", "config": {"a": 1}}')
    with pytest.raises(InputError, match=r"a\.json: expected the card of an alarm, got 'x'"):
        load_alarm(*files)
