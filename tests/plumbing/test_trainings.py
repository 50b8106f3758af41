import errno
import multiprocessing
import os
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from vigil.plumbing.state import claim_state, fingerprint
from vigil.plumbing.trainings import (
    ABANDONED_AFTER_S,
    checkpoint_folder,
    forget_checkpoints,
    train_once,
)


class Killed(BaseException):
    pass


class Training:
    """Counts how often it was asked, and tells of the run it was asked for."""

    def __init__(self, killed: bool = False) -> None:
        self.runs: list[str] = []
        self.killed = killed

    def __call__(self, run: str, results: Mapping[str, Path]) -> None:
        self.runs.append(run)
        results["weights"].write_text("weights")
        folder = checkpoint_folder("learner", run, {"device": "cpu"})
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "last.ckpt").write_text("state")
        if self.killed:
            raise Killed
        results["curves"].mkdir()
        (results["curves"] / "loss.tsv").write_text("0")


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VIGIL_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.delenv("VIGIL_MEMO_GB", raising=False)
    monkeypatch.setattr("vigil.plumbing.state._claim", {})
    return tmp_path / "state"


def results(folder: Path) -> dict[str, Path]:
    return {"weights": folder / "a.safetensors", "curves": folder / "a_curves"}


def files(folder: Path) -> list[str]:
    found = (file.relative_to(folder) for file in folder.rglob("*") if file.is_file())
    return sorted(map(str, found))


def test_a_training_is_done_once_and_each_change_of_what_it_depends_on_trains_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    training = Training()
    for name, facts, num_runs in (("a", {"x": 1}, 1), ("b", {"x": 1}, 1), ("c", {"x": 2}, 2)):
        train_once("learner", facts, training, results(tmp_path / name))
        assert len(training.runs) == num_runs
        assert files(tmp_path / name) == ["a.safetensors", "a_curves/loss.tsv"]
        told = "nothing that this training depends on" in capsys.readouterr().out
        assert told == (name == "b")
    assert len(set(training.runs)) == 2


def test_a_stage_does_not_take_the_training_of_another(tmp_path: Path) -> None:
    training = Training()
    train_once("learner", {"x": 1}, training, results(tmp_path / "a"))
    train_once("other", {"x": 1}, training, results(tmp_path / "b"))
    assert len(training.runs) == 2


def test_checkpoints_stay_until_the_results_are_there(tmp_path: Path, state: Path) -> None:
    with pytest.raises(Killed):
        train_once("learner", {"x": 1}, Training(killed=True), results(tmp_path / "a"))
    assert files(tmp_path / "a") == []
    assert len(files(state / "checkpoints")) == 1
    train_once("learner", {"x": 1}, Training(), results(tmp_path / "a"))
    assert files(state / "checkpoints") == []


@pytest.mark.parametrize("error", [Killed(), OSError(errno.ENOSPC, "No space left on device")])
def test_a_run_that_ends_while_its_results_are_put_in_place_trains_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    training = Training()

    def fail(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copytree", fail)  # of the curves, after the weights
        with pytest.raises(type(error)):
            train_once("learner", {"x": 1}, training, results(tmp_path / "a"))
    assert files(tmp_path / "a") == ["a.safetensors"]
    train_once("learner", {"x": 1}, training, results(tmp_path / "a"))
    assert len(training.runs) == 1
    assert files(tmp_path / "a") == ["a.safetensors", "a_curves/loss.tsv"]


def test_no_room_for_the_results_leaves_the_checkpoint_alone(tmp_path: Path, state: Path) -> None:
    training = Training()

    def train(run: str, made: Mapping[str, Path]) -> None:
        training(run, made)
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        train_once("learner", {"x": 1}, train, results(tmp_path / "a"))
    assert files(tmp_path / "a") == []
    assert [Path(name).name for name in files(state)] == ["last.ckpt"]


@pytest.mark.parametrize("damage", ["emptied", "changed", "gone", "no stamps"])
def test_what_is_remembered_and_damaged_is_made_again(
    tmp_path: Path, state: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    training = Training()
    train_once("learner", {"x": 1}, training, results(tmp_path / "a"))
    (weights,) = state.rglob("memo/learner_training/*/result/weights")
    if damage == "emptied":
        weights.write_bytes(b"")
    elif damage == "changed":
        weights.write_text("WEIGHTS")
    elif damage == "gone":
        weights.unlink()
    else:
        (weights.parents[1] / "stamps.json").unlink()
    train_once("learner", {"x": 1}, training, results(tmp_path / "b"))
    assert len(training.runs) == 2
    assert "has changed since it was made, so it is made again" in capsys.readouterr().out
    assert (tmp_path / "b" / "a.safetensors").read_text() == "weights"
    train_once("learner", {"x": 1}, training, results(tmp_path / "c"))
    assert len(training.runs) == 2


def test_writing_over_a_result_does_not_change_what_is_remembered(tmp_path: Path) -> None:
    training = Training()
    train_once("learner", {"x": 1}, training, results(tmp_path / "a"))
    with (tmp_path / "a/a.safetensors").open("r+") as file:
        file.write("other")
    train_once("learner", {"x": 1}, training, results(tmp_path / "b"))
    assert (tmp_path / "b/a.safetensors").read_text() == "weights"
    assert len(training.runs) == 1


def test_a_checkpoint_is_of_one_kind_of_machine() -> None:
    one = checkpoint_folder("learner", "run", {"device": "cpu", "num_threads": 2})
    other = checkpoint_folder("learner", "run", {"device": "cpu", "num_threads": 4})
    assert one != other
    assert one.parent == other.parent  # so that both go with the run


def _train_and_die(facts: dict[str, int], told: Connection, folder: Path) -> None:
    claim_state(facts)
    told.send(None)
    told.recv()
    with suppress(Killed):
        train_once("learner", facts, Training(killed=True), results(folder))


def test_a_run_that_was_killed_beside_another_is_gone_on_with(tmp_path: Path, state: Path) -> None:
    facts = {"x": 1}
    context = multiprocessing.get_context("fork")
    runs = []
    for name in ("first", "beside"):
        here, there = context.Pipe()
        run = context.Process(target=_train_and_die, args=(facts, there, tmp_path / name))
        run.start()
        here.recv()  # it has its claim
        runs.append((here, run))
    (_, first), (beside, killed) = runs
    beside.send(None)
    killed.join()
    assert [path.parts[0] for path in map(Path, files(state)) if path.name == "last.ckpt"] == [
        "beside-1"
    ]
    first.kill()  # before it began
    first.join()
    claim_state(facts)
    resumed: list[bool] = []

    def train(run: str, made: Mapping[str, Path]) -> None:
        resumed.append(
            (checkpoint_folder("learner", run, {"device": "cpu"}) / "last.ckpt").exists()
        )
        Training()(run, made)

    train_once("learner", facts, train, results(tmp_path / "again"))
    assert resumed == [True]
    assert not any(name.endswith("last.ckpt") for name in files(state))


def test_checkpoints_of_a_run_that_is_under_way_are_left_to_it(tmp_path: Path, state: Path) -> None:
    facts = {"x": 1}
    here, there = multiprocessing.get_context("fork").Pipe()
    run = multiprocessing.get_context("fork").Process(
        target=_train_and_die, args=(facts, there, tmp_path / "a")
    )
    run.start()
    here.recv()
    own = state / "checkpoints" / "learner" / fingerprint(facts) / "machine"
    own.mkdir(parents=True)
    claim_state(facts)
    assert not checkpoint_folder("learner", fingerprint(facts), {}).parent.exists()
    forget_checkpoints("learner", fingerprint(facts))
    assert own.exists()
    run.kill()
    run.join()


def test_what_nobody_goes_on_with_is_forgotten_after_a_month(tmp_path: Path, state: Path) -> None:
    kept, old, beside = (
        part / "checkpoints" / "learner" / run
        for part, run in ((state, "kept"), (state, "old"), (state / "beside-1", "old"))
    )
    for run in (kept, old, beside):
        (run / "machine").mkdir(parents=True)
        (run / "machine" / "last.ckpt").write_text("state")
        if run != kept:
            long_ago = time.time() - ABANDONED_AFTER_S - 60
            for path in (run / "machine" / "last.ckpt", run / "machine", run):
                os.utime(path, (long_ago, long_ago))
    train_once("learner", {"x": 1}, Training(), results(tmp_path))
    assert kept.exists()
    assert not old.exists()
    assert not beside.exists()


def test_forgetting_a_run_leaves_the_others(state: Path) -> None:
    for run in ("one", "two"):
        checkpoint_folder("learner", run, {}).mkdir(parents=True)
    forget_checkpoints("learner", "one")
    assert [run.name for run in (state / "checkpoints" / "learner").iterdir()] == ["two"]
