"""How several processes start, what they share, and which of them writes."""

import os
import sys
from pathlib import Path

import pytest
import torch

from vigil.plumbing import launching
from vigil.plumbing.errors import FieldError, InputError
from vigil.plumbing.launching import launch
from vigil.plumbing.ranks import Batches, Rank, outputs_of_rank, this_rank


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The command lines that this process became; the environment is put back."""
    lines: list[list[str]] = []
    names: tuple[str, ...] = ("VIGIL_LAUNCH", "VIGIL_LAUNCHED", "VIGIL_DEVICES", "VIGIL_DEVICE")
    names += ("VIGIL_ARITHMETIC", "OMP_NUM_THREADS")
    monkeypatch.setattr(os, "environ", {k: v for k, v in os.environ.items() if k not in names})
    monkeypatch.setattr(os, "execvp", lambda _, words: lines.append(words))
    return lines


def test_without_a_launcher_this_process_is_alone(started: list[list[str]]):
    launch(["stage.py"])
    assert not started
    assert this_rank() == Rank("", 0, 1, 0)
    # as in the script of a batch job, where Slurm says how many tasks the job may have
    os.environ.update(SLURM_PROCID="0", SLURM_NTASKS="8", SLURM_LOCALID="0")
    assert this_rank().size == 1


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"VIGIL_LAUNCH": "torchrun --nproc-per-node 2"}, ["torchrun", "--nproc-per-node", "2"]),
        ({"VIGIL_LAUNCH": "srun --ntasks=4"}, ["srun", "--ntasks=4", sys.executable]),
        (
            {"VIGIL_DEVICES": "2"},
            [
                *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
                *("--nproc-per-node", "2"),
            ],
        ),
    ],
)
def test_a_launcher_runs_the_stage(
    environment: dict[str, str], expected: list[str], started: list[list[str]]
):
    os.environ.update(environment)
    launch(["stage.py", "--out", "x"])
    assert started == [[*expected, "stage.py", "--out", "x"]]
    launch(["stage.py", "--out", "x"])  # now one of the launcher's
    assert len(started) == 1
    assert int(os.environ["OMP_NUM_THREADS"]) >= 1, "or torchrun sets one thread"


@pytest.mark.parametrize(
    ("command", "num"),
    [
        ("torchrun --nproc-per-node 2", 2),
        ("torchrun --nnodes=2 --nproc_per_node=3 --rdzv-backend c10d", 6),
        ("srun --ntasks=4 --nodes 2", 4),
        ("srun -n 3", 3),
    ],
)
def test_processes_that_cannot_share_a_batch_are_told_before_they_start(
    command: str, num: int, started: list[list[str]]
):
    os.environ["VIGIL_LAUNCH"] = command
    with pytest.raises(FieldError, match=f"expected a multiple of the {num} processes, got 7"):
        launch(["stage.py"], Batches(7, 64, "auto"))
    assert not started
    launch(["stage.py"], Batches(2 * num, 64, "auto"))
    assert started


@pytest.mark.parametrize(
    ("launcher", "names"),
    [
        ("torchrun", ("RANK", "WORLD_SIZE", "LOCAL_RANK")),
        ("srun", ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID")),
    ],
)
def test_the_launcher_says_the_rank(
    launcher: str, names: tuple[str, ...], started: list[list[str]]
):
    os.environ["VIGIL_LAUNCHED"] = launcher
    with pytest.raises(InputError, match="expected a launcher that sets"):
        this_rank()
    os.environ.update(dict(zip(names, "352", strict=True)))
    assert this_rank() == Rank(launcher, 3, 5, 2)


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"VIGIL_DEVICES": "two"}, "VIGIL_DEVICES: expected a number of at least 1"),
        ({"VIGIL_DEVICES": "0"}, "VIGIL_DEVICES: expected a number of at least 1"),
        ({"VIGIL_LAUNCH": "mpirun -n 2"}, "VIGIL_LAUNCH: expected torchrun or srun, got 'mpirun'"),
        ({"VIGIL_LAUNCH": "torchrun 'x"}, 'expected a command line, got "torchrun \'x": No clos'),
        ({"VIGIL_LAUNCH": "torchrun", "VIGIL_DEVICES": "2"}, "expected no value beside"),
    ],
)
def test_a_wrong_launcher_is_refused(
    environment: dict[str, str], told: str, started: list[list[str]]
):
    os.environ.update(environment)
    with pytest.raises(InputError, match=told):
        launch(["stage.py"])
    assert not started


@pytest.mark.parametrize(
    ("batches", "told"),
    [
        (Batches(2, 64, "auto"), "num_shards: expected a multiple of the 3 processes, got 2"),
        (
            Batches(6, 8, "auto"),
            "num_shards: expected at most 4, so that each part of a batch of 8",
        ),
        (Batches(6, 64, "16-mixed"), "fitting.precision: expected auto, 32-true or bf16-mixed"),
    ],
)
def test_processes_that_cannot_share_the_parts_of_a_batch_do_not_start(
    batches: Batches, told: str, started: list[list[str]]
):
    os.environ["VIGIL_DEVICES"] = "3"
    with pytest.raises(FieldError, match=told):
        launch(["stage.py"], batches)
    assert not started
    launch(["stage.py"], Batches(6, 12, "bf16-mixed"))
    assert started


@pytest.mark.parametrize(
    ("environment", "num_gpus", "told"),
    [
        ({"VIGIL_DEVICES": "3"}, 3, None),
        ({"VIGIL_DEVICES": "3"}, 0, None),  # on the CPU
        ({"VIGIL_DEVICES": "3"}, 2, r"VIGIL_DEVICES: expected as many .* \(2\) at most, got 3"),
        ({"VIGIL_DEVICES": "3", "VIGIL_DEVICE": "cuda"}, 0, r"GPUs \(0\) at most, got 3"),
        ({"VIGIL_DEVICES": "3", "VIGIL_DEVICE": "cpu"}, 2, None),
        ({"VIGIL_DEVICES": "3", "VIGIL_ARITHMETIC": "portable"}, 2, None),
        ({"VIGIL_DEVICES": "3", "VIGIL_DEVICE": "cuda:1"}, 3, "VIGIL_DEVICE: expected cuda, as"),
        ({"VIGIL_LAUNCH": "torchrun --nproc-per-node=3"}, 2, "VIGIL_LAUNCH: expected as many"),
        ({"VIGIL_LAUNCH": "torchrun --nproc-per-node=2 --nnodes 2"}, 2, None),
        ({"VIGIL_LAUNCH": "srun --ntasks=4"}, 2, None),  # the tasks may run elsewhere
    ],
)
def test_each_process_needs_a_gpu_of_its_own(
    environment: dict[str, str],
    num_gpus: int,
    told: str | None,
    started: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(launching, "_count_gpus", lambda: num_gpus)
    os.environ.update(environment)
    if told:
        with pytest.raises(InputError, match=told):
            launch(["stage.py"])
    else:
        launch(["stage.py"])
    assert bool(started) == (told is None)


def test_gpus_are_counted_as_torch_counts_them():
    assert launching._count_gpus() == torch.cuda.device_count()


def test_a_launcher_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(os, "environ", {**os.environ, "VIGIL_LAUNCH": "/nowhere/srun"})
    with pytest.raises(InputError, match="expected an installed program, found no /nowhere/srun"):
        launch(["stage.py"])


def test_only_the_first_rank_writes_outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "input").mkdir()
    paths = {"samples": tmp_path / "input", "card": tmp_path / "models" / "card.json"}
    with outputs_of_rank(paths) as same:
        assert same == paths
    monkeypatch.setattr("vigil.plumbing.ranks.this_rank", lambda: Rank("torchrun", 1, 2, 1))
    with outputs_of_rank(paths) as own:
        assert own["samples"] == paths["samples"]
        assert own["card"].name == "card.json"
        assert tmp_path not in own["card"].parents
