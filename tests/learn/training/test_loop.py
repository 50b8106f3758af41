"""Killed and resumed, a training ends in the same bytes as an unbroken one."""

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from tiny_settings import fitting
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from vigil.learn.networks.order import EpochSampler
from vigil.learn.training import loop as training
from vigil.learn.training.loop import BestWeights, Fitted, Plan, fit
from vigil.plumbing.errors import FieldError, InputError
from vigil.plumbing.trainings import forget_checkpoints

LOSSES = {"scale", "lost_from", "lost"}
PLANNED = {"monitor", "mode", "seed", "first_epoch"}


class Killed(BaseException):
    pass


class Learner(LightningModule):
    """A small network with dropout, so that random numbers matter in each step."""

    def __init__(
        self,
        kill_at: tuple[int, int] | None = None,
        scale: float = 1.0,
        lost_from: int = 1000,
        lost: float = float("nan"),
    ) -> None:
        """Args: lost_from: the epoch, from 0, from which validation tells `lost`."""
        super().__init__()
        self.model = nn.Sequential(
            nn.Linear(4, 8), nn.ReLU(), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 1)
        )
        self.kill_at, self.scale = kill_at, scale
        self.lost_from, self.lost = lost_from, lost

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        if (self.current_epoch, batch_idx) == self.kill_at:
            raise Killed
        inputs, targets = batch
        loss = functional.mse_loss(self.model(inputs + torch.rand_like(inputs)), targets)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss * self.scale

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        inputs, targets = batch
        loss = functional.mse_loss(self.model(inputs), targets)
        self.log("val_loss", loss if self.current_epoch < self.lost_from else self.lost)

    def configure_optimizers(self):
        optimiser = torch.optim.Adam(self.model.parameters(), 0.05)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 40)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIGIL_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("VIGIL_DEVICE", "cpu")


def run(folder: Path, kill_at: tuple[int, int] | None = None, **changes: object) -> Fitted:
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(50, 4, generator=generator)
    data = TensorDataset(inputs, inputs.sum(1, keepdim=True) + 0.1)
    told = {"monitor": "val_loss", "mode": "min", "seed": 3}
    told |= {name: changes.pop(name) for name in PLANNED & changes.keys()}
    batch_size = int(changes.get("batch_size", 16))
    fingerprint = str(changes.pop("fingerprint", "f"))
    torch.manual_seed(0)
    plan = Plan(
        Learner(kill_at, **{name: changes.pop(name) for name in LOSSES & changes.keys()}),
        DataLoader(data, batch_size, sampler=EpochSampler(len(data), 5)),
        DataLoader(data, 16),
        fitting(**{"max_epochs": 8, "patience_epochs": 8, "gradient_clip": 1.0, **changes}),
        **told,
    )
    return fit(plan, branch="learner", fingerprint=fingerprint, curves=folder / "curves")


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def assert_same(one: Fitted, other: Fitted) -> None:
    assert one.values == other.values
    assert (one.best_epoch, one.num_epochs) == (other.best_epoch, other.num_epochs)
    assert one.state.keys() == other.state.keys()
    for name, tensor in one.state.items():
        assert torch.equal(tensor, other.state[name]), name


@pytest.mark.parametrize("kills", [[(1, 0)], [(0, 2), (3, 1), (7, 3)]])
def test_killed_runs_end_in_the_bytes_of_an_unbroken_one(tmp_path: Path, kills):
    unbroken = run(tmp_path / "a")
    forget_checkpoints("learner", "f")
    for kill in kills:
        with pytest.raises(Killed):
            run(tmp_path / "b", kill)
        assert not (tmp_path / "b" / "curves").exists()
    resumed = run(tmp_path / "b")
    assert_same(unbroken, resumed)
    assert bytes_of(tmp_path / "a" / "curves") == bytes_of(tmp_path / "b" / "curves")


def test_a_resumed_run_does_not_repeat_finished_epochs(tmp_path: Path, monkeypatch):
    with pytest.raises(Killed):
        run(tmp_path, (5, 0))
    started: list[int] = []
    original = training.SeedEachBatch.on_train_batch_start

    def record(self: Callback, trainer: Trainer, *rest: object) -> None:
        started.append(trainer.current_epoch)
        original(self, trainer, *rest)

    monkeypatch.setattr(training.SeedEachBatch, "on_train_batch_start", record)
    run(tmp_path)
    assert set(started) == {5, 6, 7}


@pytest.mark.parametrize("is_repository", [True, False])
def test_a_repository_without_a_commit_is_refused_before_the_first_epoch(
    is_repository: bool, tmp_path: Path, monkeypatch
):
    """DVCLive asks git for the commit only when it writes. Without git it asks nothing."""
    monkeypatch.chdir(tmp_path)
    if not is_repository:
        run(tmp_path)
        assert (tmp_path / "curves").is_dir()
        return
    subprocess.run(["git", "init", "--quiet"], check=True)
    started: list[int] = []
    monkeypatch.setattr(training, "build_trainer", lambda *_, **__: started.append(1))
    with pytest.raises(InputError, match="expected a git repository with a first commit, got: "):
        run(tmp_path)
    assert not started


def test_a_batch_that_a_norm_cannot_learn_from_is_told(tmp_path: Path):
    """50 samples in batches of 7 leave one."""
    with pytest.raises(FieldError, match=r"batch_size: expected batches .* more than one value"):
        run(tmp_path, batch_size=7)
    assert run(tmp_path, batch_size=8).num_epochs


def test_a_run_that_stopped_early_stays_stopped(tmp_path: Path, monkeypatch):
    """Killed after its last epoch, before its result was written."""
    first = run(tmp_path / "a", max_epochs=60, patience_epochs=3)
    assert first.num_epochs < 60
    again = run(tmp_path / "b", max_epochs=60, patience_epochs=3)
    assert_same(first, again)


@pytest.mark.parametrize(
    ("mode", "scores", "best"),
    [
        ("max", [0.0, 0.0, 0.0], 3),  # nothing is found yet, so the training says more
        ("max", [0.0, 0.2, 0.0], 2),
        ("max", [0.0, 0.2, 0.2], 2),
        ("max", [-0.1, -0.1], 1),
        ("min", [3.0, 2.0, 2.0], 2),
    ],
)
def test_of_epochs_with_one_score_the_first_is_the_best_but_for_zeros(
    mode: Any, scores: list[float], best: int
):
    kept = BestWeights("val_map", mode, 1)
    for epoch, score in enumerate(scores):
        weight = torch.nn.Linear(1, 1)
        trainer = SimpleNamespace(current_epoch=epoch, callback_metrics={"val_map": score})
        kept.on_validation_end(trainer, SimpleNamespace(model=weight))  # type: ignore[arg-type]
        if epoch + 1 == best:
            expected = weight.state_dict()
    assert kept.epoch == best
    assert torch.equal(kept.state["weight"], expected["weight"])


def test_the_best_epoch_is_kept_not_the_last(tmp_path: Path):
    fitted = run(tmp_path, max_epochs=60, patience_epochs=3)
    assert fitted.best_epoch == fitted.num_epochs - 3
    assert not torch.equal(fitted.state["0.weight"], Learner().model[0].weight)
    curve = (tmp_path / "curves" / "plots" / "metrics" / "val" / "loss.tsv").read_text()
    rows = [line.split("\t") for line in curve.splitlines()[1:]]
    assert len(rows) == fitted.num_epochs
    losses = [float(value) for _, value in rows]
    assert losses.index(min(losses)) + 1 == fitted.best_epoch


@pytest.mark.parametrize("changes", [{"fingerprint": "other"}, {"machine": {"device": "other"}}])
def test_another_run_or_machine_starts_afresh(tmp_path: Path, monkeypatch, capsys, changes):
    with pytest.raises(Killed):
        run(tmp_path / "a", (5, 0))
    if machine := changes.pop("machine", None):
        monkeypatch.setattr(training, "describe_machine", lambda: machine)
    run(tmp_path / "b", **changes)
    assert "resumes after" not in capsys.readouterr().out


@pytest.mark.parametrize("keep", [0, 100, 0.5])
def test_a_checkpoint_that_cannot_be_read_is_told_of_and_counts_as_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], keep: float
):
    unbroken = run(tmp_path / "a")
    forget_checkpoints("learner", "f")
    with pytest.raises(Killed):
        run(tmp_path / "b", (5, 0))
    (checkpoint,) = (tmp_path / "state").rglob("last.ckpt")
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content[: int(keep * len(content)) if keep < 1 else int(keep)])
    again = run(tmp_path / "b")
    assert f"{checkpoint}: cannot be read" in capsys.readouterr().out
    assert_same(unbroken, again)


def test_a_loss_that_is_no_number_names_the_batch(tmp_path: Path):
    with pytest.raises(InputError, match=r"epoch 1, batch 1: expected a finite loss, got nan"):
        run(tmp_path, scale=float("nan"))


@pytest.mark.parametrize("lost", [float("nan"), float("inf")])
@pytest.mark.parametrize("lost_from", [0, 3])
def test_a_validation_that_comes_to_no_number_is_no_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], lost_from: int, lost: float
):
    for _ in range(2):  # the second goes on where the first was lost
        with pytest.raises(
            InputError, match=rf"epoch {lost_from + 1}: expected a finite val_loss, got {lost}; a"
        ):
            run(tmp_path, lost_from=lost_from, lost=lost)
        assert not (tmp_path / "curves").exists()
    told = capsys.readouterr().out
    assert (f"resumes after epoch {lost_from} of" in told) == (lost_from > 0)


def test_a_precision_that_a_cpu_has_not_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match=r"^fitting\.precision: expected auto, 32-true or bf16-m"):
        run(tmp_path, precision="16-mixed")


def test_the_precision_that_was_used_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("vigil.learn.networks.machine.has_bfloat16", lambda _: False)
    assert run(tmp_path, precision="auto").facts()["precision"] == "32-true"


def test_a_seed_matters(tmp_path: Path):
    one = run(tmp_path / "a")
    forget_checkpoints("learner", "f")
    other = run(tmp_path / "b", seed=4)
    assert one.values != other.values


def test_only_epochs_from_the_first_that_counts_may_be_the_best(tmp_path: Path):
    fitted = run(tmp_path, mode="max", patience_epochs=2, max_epochs=20, first_epoch=6)
    assert fitted.best_epoch >= 6
    assert fitted.num_epochs >= 8  # patience does not run before
