"""Logical shards: the same bytes for any number of processes; the gradient of a whole batch."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_settings import fitting
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from vigil.learn.networks.order import EpochSampler
from vigil.learn.training.loop import Fitted, Plan, fit
from vigil.learn.training.sharding import ShardedTraining, Shards, open_shards
from vigil.plumbing.errors import FieldError
from vigil.plumbing.ranks import Batches, Rank

SCRIPT = """
import os, sys
from pathlib import Path

sys.path[:0] = {tests!r}
import torch
from test_sharding import run

rank, kill_at = os.environ.get("RANK", "0"), tuple(map(int, sys.argv[2:]))
options = {{"kill_at": kill_at}} if rank == "1" else {{}}
fitted = run(Path(sys.argv[1]) / f"rank_{{rank}}", 4, **options)
state = b"".join(tensor.numpy().tobytes() for _, tensor in sorted(fitted.state.items()))
Path(sys.argv[1], f"state_{{rank}}").write_bytes(state + repr(fitted.values).encode())
"""
TESTS = [str(Path(__file__).parent), str(Path(__file__).parents[2])]


class Learner(ShardedTraining):
    """A small network; by choice with norms and random numbers."""

    def __init__(self, *, is_plain: bool = False, kill_at: tuple[int, ...] = ()) -> None:
        super().__init__()
        layers = [nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1)]
        if not is_plain:
            layers[1:1] = [nn.BatchNorm1d(8), nn.Dropout(0.3)]
        self.model = nn.Sequential(*layers)
        self.is_plain, self.kill_at = is_plain, kill_at
        self.gradients: list[Tensor] = []

    def compute_loss(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        if (self.current_epoch, batch_idx) == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        inputs, targets = batch
        noise = 0 if self.is_plain else torch.rand_like(inputs)
        loss = nn.functional.mse_loss(self.model(inputs + noise), targets)
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(inputs))
        return loss

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        self.gradients.append(torch.cat([one.grad.flatten() for one in self.model.parameters()]))

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        inputs, targets = batch
        self.log("val_loss", nn.functional.mse_loss(self.model(inputs), targets))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        if self.is_plain:  # Adam would turn a rounded zero into a step
            return torch.optim.SGD(self.model.parameters(), 0.01)
        return torch.optim.Adam(self.model.parameters(), 0.01)


def run(
    folder: Path,
    num_shards: int,
    learner: Learner | None = None,
    kill_at: tuple[int, ...] = (),
    precision: str = "32-true",
) -> Fitted:
    """Trains on 51 samples in batches of 16, so the last batch has 3: too few for 4 shards."""
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(51, 4, generator=generator)
    data = TensorDataset(inputs, inputs.sum(1, keepdim=True) + 0.1)
    torch.manual_seed(0)
    plan = Plan(
        learner or Learner(kill_at=kill_at),
        DataLoader(data, 16, sampler=EpochSampler(len(data), 5)),
        DataLoader(data, 16),
        fitting(
            max_epochs=4, patience_epochs=8, gradient_clip=1.0, batch_size=16, precision=precision
        ),
        monitor="val_loss",
        mode="min",
        seed=3,
        num_shards=num_shards,
    )
    return fit(plan, branch="learner", fingerprint="f", curves=folder / "curves")


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIGIL_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("VIGIL_DEVICE", "cpu")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@given(st.integers(1, 40), st.integers(1, 12))
def test_shards_hold_each_sample_once_in_order(num_samples: int, num: int):
    parts = Shards(num, 0, Rank()).cut(list(range(num_samples)))
    assert len(parts) == num
    assert [key for part in parts for key in part] == list(range(num_samples))
    filled = [len(part) for part in parts if part]
    assert [bool(part) for part in parts] == sorted((bool(part) for part in parts), reverse=True)
    assert max(filled) - min(filled) <= 1
    assert min(filled) >= min(2, num_samples)


@given(st.sampled_from([(4, 1), (4, 2), (4, 4), (6, 3)]))
def test_processes_share_the_shards(shape: tuple[int, int]):
    num, size = shape
    own = [Shards(num, 0, Rank("torchrun", at, size, at)).own for at in range(size)]
    assert [number for one in own for number in one] == list(range(num))
    assert len({len(one) for one in own}) == 1


def test_gradients_are_those_of_whole_batches(tmp_path: Path):
    """For a mean over samples, without norms: uneven parts count by their samples."""
    whole, cut = Learner(is_plain=True), Learner(is_plain=True)
    cut.load_state_dict(whole.state_dict())
    one = run(tmp_path / "whole", 1, whole)
    (tmp_path / "state").rename(tmp_path / "other state")
    other = run(tmp_path / "cut", 4, cut)
    assert len(cut.gradients) == len(whole.gradients) == 16
    torch.testing.assert_close(
        torch.stack(cut.gradients), torch.stack(whole.gradients), rtol=1e-4, atol=1e-5
    )
    assert other.values == pytest.approx(one.values, rel=1e-4)


def launch(folder: Path, size: int, *kill_at: int) -> subprocess.CompletedProcess[str]:
    folder.mkdir(exist_ok=True)
    (folder / "script.py").write_text(SCRIPT.format(tests=TESTS))
    words = [str(folder / "script.py"), str(folder), *map(str, kill_at)]
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(size)]
    return subprocess.run(
        [sys.executable, *(torchrun if size > 1 else []), *words],
        cwd=folder, capture_output=True, text=True, check=False,
        env={
            **os.environ,
            "VIGIL_STATE_DIR": str(folder / "state"),
            **({"VIGIL_LAUNCHED": "torchrun"} if size > 1 else {}),
        },
    )  # fmt: skip


def test_the_bytes_do_not_depend_on_the_number_of_processes(tmp_path: Path):
    """Also where one process is killed, and all start again."""
    states = {}
    for size in (1, 2, 4):
        done = launch(tmp_path / str(size), size)
        assert done.returncode == 0, done.stdout + done.stderr
        (checkpoints,) = (tmp_path / str(size) / "state" / "checkpoints").glob("learner/f/*")
        assert [path.name for path in checkpoints.iterdir()] == ["last.ckpt"], "of one process"
        for rank in range(size):
            states[size, rank] = (tmp_path / str(size) / f"state_{rank}").read_bytes()
    broken = launch(tmp_path / "broken", 2, 2, 1)
    assert broken.returncode != 0
    assert not (tmp_path / "broken" / "state_0").exists()
    done = launch(tmp_path / "broken", 2)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "training resumes after epoch 2 " in done.stdout
    states["broken"] = (tmp_path / "broken" / "state_0").read_bytes()
    assert len(states) == 8
    assert len(set(states.values())) == 1
    assert not list((tmp_path / "2").glob("rank_1/curves/*")), "one process writes"


@pytest.mark.parametrize(
    ("num_shards", "batch_size", "size", "told"),
    [
        (1, 16, 2, "expected a multiple of the 2 processes, got 1"),
        (6, 16, 4, "expected a multiple of the 4 processes, got 6"),
        (8, 12, 1, "expected at most 6, so that each part of a batch of 12 has 2 samples, got 8"),
    ],
)
def test_shards_that_do_not_fit_are_refused(
    num_shards: int, batch_size: int, size: int, told: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(
        "vigil.learn.training.sharding.this_rank", lambda: Rank("torchrun", 0, size, 0)
    )
    with pytest.raises(FieldError, match=told) as caught:
        open_shards(Batches(num_shards, batch_size, "auto"), 0)
    assert caught.value.field == "optimisation.num_shards"


def test_half_precision_needs_whole_batches(tmp_path: Path):
    with pytest.raises(FieldError, match="with num_shards 4, got 16-mixed") as caught:
        run(tmp_path, 4, precision="16-mixed")
    assert caught.value.field == "fitting.precision"


def test_one_shard_is_no_shard():
    assert open_shards(Batches(1, 1, "16-mixed"), 0) is None
