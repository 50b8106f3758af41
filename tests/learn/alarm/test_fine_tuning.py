"""Tuning the last weights of a backbone: when, which, and that a collapse is caught."""

from pathlib import Path

import pytest
import torch
from tiny_settings import fitting, optimisation
from torch import Tensor, nn

from vigil.learn.alarm.network.embedding.backbone import Backbone, InputFacts
from vigil.learn.alarm.network.scoring.autoencoder import Autoencoder
from vigil.learn.alarm.network.scoring.data import batches
from vigil.learn.alarm.network.scoring.tuned import TunedAutoencoder, put_into
from vigil.learn.alarm.training.fine_tuning import FineTuningTraining
from vigil.learn.training.loop import Fitted, Plan, fit
from vigil.pixels.fitting import FrameSize
from vigil.plumbing.errors import InputError
from vigil.plumbing.trainings import forget_checkpoints
from vigil.settings.fit_alarm import FineTuning

NUM, SIDE_PX = 24, 4
INPUTS = InputFacts(2, FrameSize(SIDE_PX, SIDE_PX), (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


class Killed(BaseException):
    pass


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIGIL_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("VIGIL_DEVICE", "cpu")


def make_backbone() -> Backbone:
    torch.manual_seed(3)
    network = nn.Sequential(
        nn.Flatten(), nn.Linear(3 * 2 * SIDE_PX**2, 12), nn.BatchNorm1d(12), nn.ReLU(),
        nn.Linear(12, 8),
    )  # fmt: skip
    return Backbone(network, INPUTS).eval()


def clips() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    shape = (NUM, 2, SIDE_PX, SIDE_PX, 3)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def run(
    folder: Path,
    *,
    num_tensors: int = 2,
    kill_at: int | None = None,
    epochs: int = 6,
    patience: int = 99,
    **changes,
) -> tuple[Fitted, TunedAutoencoder, Backbone]:
    frames, backbone = clips(), make_backbone()
    with torch.inference_mode():
        vectors = backbone(frames).numpy().copy()
    asked: list[int] = []

    def read(rows: Tensor) -> Tensor:
        asked.append(len(rows))
        if kill_at is not None and len(asked) > kill_at:
            raise Killed
        return frames[rows]

    told = {
        "from_epoch": 3, "learning_rate": 1e-3, "target": "detached", "momentum": 0.9,
        "min_variance_fraction": 0.01, "num_tensors": num_tensors, **changes,
    }  # fmt: skip
    torch.manual_seed(0)
    autoencoder = Autoencoder(width=8, hidden=[6], dropout=0.0, error="sum")
    model = TunedAutoencoder(autoencoder, backbone, num_tensors)
    rows = torch.arange(NUM).numpy()
    rates = optimisation(learning_rate=3e-3, schedule="step", schedule_epochs=4)
    plan = Plan(
        FineTuningTraining(model, read, FineTuning(**told), rates),
        batches(vectors, rows[:18], 6, shuffle_seed=0),
        batches(vectors, rows[18:], 6, shuffle_seed=None),
        fitting(max_epochs=epochs, patience_epochs=patience),
        monitor="val_loss",
        mode="min",
        seed=0,
        first_epoch=told["from_epoch"],
    )
    fitted = fit(plan, branch="tuning", fingerprint="f", curves=folder / "curves")
    return fitted, model, backbone


@pytest.mark.parametrize("target", ["detached", "momentum"])
def test_only_the_last_weights_change_and_not_before_their_epoch(tmp_path: Path, target) -> None:
    before = {name: t.clone() for name, t in make_backbone().state_dict().items()}
    _, model, backbone = run(tmp_path / "a", epochs=2, target=target)
    forget_checkpoints("tuning", "f")
    for name, tensor in backbone.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    fitted, model, backbone = run(tmp_path / "b", target=target)
    changed = {
        name
        for name, tensor in backbone.state_dict().items()
        if not torch.equal(tensor, before[name])
    }
    assert changed == {"network.4.weight", "network.4.bias"} == model.tuned_state().keys()
    assert {name.split(".")[0] for name in fitted.state} == {"autoencoder", "tuned"}


def test_the_variance_is_logged_from_the_first_epoch(tmp_path: Path) -> None:
    run(tmp_path)
    curve = tmp_path / "curves/plots/metrics/train/variance.tsv"
    rows = [float(line.split("\t")[1]) for line in curve.read_text().splitlines()[1:]]
    assert len(rows) == 6
    assert rows[:2] == pytest.approx([1.0, 1.0], abs=1e-5)
    assert rows[2] != pytest.approx(1.0, abs=1e-5)


def test_a_collapse_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backbone made to give one vector for all clips."""
    original = TunedAutoencoder.embed
    monkeypatch.setattr(
        TunedAutoencoder,
        "embed",
        lambda self, frames, weights=None: original(self, frames, weights) * 0 + 1,
    )
    with pytest.raises(
        InputError, match=r"epoch 3: expected the embeddings to stay apart.*collapses"
    ):
        run(tmp_path)


def test_vectors_alike_in_every_batch_are_a_collapse_though_batches_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, calls = TunedAutoencoder.embed, iter(range(1000))
    monkeypatch.setattr(
        TunedAutoencoder,
        "embed",
        lambda self, frames, weights=None: original(self, frames, weights) * 0 + next(calls),
    )
    with pytest.raises(InputError, match="epoch 3: expected the embeddings to stay apart"):
        run(tmp_path)


def test_the_best_epoch_is_one_that_tunes(tmp_path: Path, monkeypatch) -> None:
    """However good the reconstruction of stored vectors was; nor does patience end with them."""
    original = TunedAutoencoder.embed
    monkeypatch.setattr(
        TunedAutoencoder,
        "embed",
        lambda self, frames, weights=None: original(self, frames, weights) * 9,
    )
    fitted, _, _ = run(tmp_path, from_epoch=4, epochs=8, patience=2)
    curve = tmp_path / "curves/plots/metrics/val/error.tsv"
    errors = [float(line.split("\t")[1]) for line in curve.read_text().splitlines()[1:]]
    assert min(errors[3:]) > max(errors[:3])
    assert 4 <= fitted.best_epoch <= fitted.num_epochs
    assert fitted.num_epochs >= 6


def test_the_validation_loss_is_told_in_terms_of_the_variance_left(tmp_path: Path) -> None:
    fitted, _, _ = run(tmp_path)
    values = fitted.values
    assert values["train_variance"] != 1
    assert values["val_loss"] == pytest.approx(
        values["val_error"] / values["train_variance"], rel=1e-4
    )


def test_stored_vectors_that_are_all_alike(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(Backbone, "forward", lambda self, frames: torch.ones(len(frames), 8))
    with pytest.raises(InputError, match="vectors of training clips that differ"):
        run(tmp_path)


def test_a_target_that_followed_the_gradient_would_collapse(tmp_path: Path, monkeypatch) -> None:
    """What the detached target is for: without it the variance falls, with it much less."""
    told = {"num_tensors": 4, "epochs": 80, "learning_rate": 1e-2, "min_variance_fraction": 0.0}
    run(tmp_path / "a", **told)
    forget_checkpoints("tuning", "f")
    monkeypatch.setattr(
        FineTuningTraining,
        "_vectors_of",
        lambda self, batch: (online := self.model.embed(self._frames(batch[1])), online),
    )
    run(tmp_path / "b", **told)

    def last(folder: Path) -> float:
        curve = folder / "curves/plots/metrics/train/variance.tsv"
        return float(curve.read_text().splitlines()[-1].split("\t")[1])

    assert last(tmp_path / "b") < 0.6
    assert last(tmp_path / "a") > 1.5 * last(tmp_path / "b"), (
        last(tmp_path / "a"),
        last(tmp_path / "b"),
    )


def test_killed_and_resumed_it_ends_in_the_same_weights(tmp_path: Path) -> None:
    for target in ("detached", "momentum"):
        unbroken, _, _ = run(tmp_path / target / "a", target=target)
        forget_checkpoints("tuning", "f")
        with pytest.raises(Killed):
            run(tmp_path / target / "b", kill_at=9, target=target)
        resumed, _, _ = run(tmp_path / target / "b", target=target)
        forget_checkpoints("tuning", "f")
        assert unbroken.values == resumed.values
        for name, tensor in unbroken.state.items():
            assert torch.equal(tensor, resumed.state[name]), name


def test_tuned_weights_put_into_a_fresh_backbone_embed_the_same(tmp_path: Path) -> None:
    fitted, model, backbone = run(tmp_path)
    model.load_state_dict(fitted.state)
    fresh = make_backbone()
    put_into(fresh, model.tuned_state())
    with torch.inference_mode():
        assert torch.equal(fresh(clips()), backbone(clips()))
        assert not torch.equal(fresh(clips()), make_backbone()(clips()))
    with pytest.raises(InputError, match="expected a tuned weight"):
        put_into(fresh, {"network.4.bias": torch.zeros(3)})


def test_more_tensors_than_there_are(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"^fine_tuning\.num_tensors: expected at most the backbone's 6, got 7"
    ):
        run(tmp_path, num_tensors=7)
