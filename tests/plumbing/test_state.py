import multiprocessing
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from vigil.plumbing.errors import InputError
from vigil.plumbing.memo import Memo
from vigil.plumbing.state import claim_state, fingerprint, state_folder


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VIGIL_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


def test_facts_are_told_apart_by_name_value_and_type_not_by_order() -> None:
    assert fingerprint({"a": 1, "b": {"c": 2, "d": 3}}) == fingerprint(
        {"b": {"d": 3, "c": 2}, "a": 1}
    )
    facts = [
        {"a": 1},
        {"a": "1"},
        {"a": True},
        {"b": 1},
        {"a": [1]},
        {"a": {"1": 1}},
        {},
        {"a": 1.5},
    ]
    assert len({fingerprint(fact) for fact in facts}) == len(facts)


def test_where_it_is_kept(tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert state_folder() == state
    monkeypatch.delenv("VIGIL_STATE_DIR")
    monkeypatch.chdir(tmp_path)
    assert state_folder() == tmp_path / ".vigil"
    experiment = tmp_path / ".dvc" / "tmp" / "exps" / "tmp1"
    (experiment / ".dvc").mkdir(parents=True)
    (tmp_path / "demo").mkdir()
    (experiment / "demo").mkdir()
    for folder in (tmp_path / "demo", experiment, experiment / "demo"):
        monkeypatch.chdir(folder)
        assert state_folder() == tmp_path / ".vigil"


def test_it_is_one_place_for_all_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIGIL_STATE_DIR", "state")
    with pytest.raises(InputError, match=r"^VIGIL_STATE_DIR: expected an absolute path, got 'st"):
        state_folder()


def _claim_and_hold(facts: dict[str, int], told: Connection) -> None:
    claim_state(facts)
    told.send(state_folder())
    told.recv()


@pytest.fixture
def claim() -> Iterator[Callable[[dict[str, int]], tuple[BaseProcess, Path]]]:
    """Claims the state folder in a process of its own, which holds it until it ends."""
    context = multiprocessing.get_context("fork")
    held = []

    def start(facts: dict[str, int]) -> tuple[BaseProcess, Path]:
        here, there = context.Pipe()
        process = context.Process(target=_claim_and_hold, args=(facts, there))
        process.start()
        held.append((process, here, there))
        return process, here.recv()

    yield start
    for process, *ends in held:
        process.kill()
        process.join()
        process.close()
        for end in ends:
            end.close()


def test_runs_of_the_same_at_a_time_keep_apart(state: Path, claim) -> None:
    first, folder = claim({"seed": 0})
    assert folder == state
    assert claim({"seed": 1})[1] == state
    assert claim({"seed": 0})[1] == state / "beside-1"
    assert claim({"seed": 0})[1] == state / "beside-2"
    first.kill()
    first.join()
    assert claim({"seed": 0})[1] == state  # where a run that was killed goes on


def test_remembered_work_is_shared_with_runs_beside(tmp_path: Path, state: Path, claim) -> None:
    claim({"seed": 0})
    claim_state({"seed": 0})
    assert state_folder() == state / "beside-1"
    Memo("stage").fetch({"a": 1}, lambda path: path.write_text("made"), tmp_path / "one")
    assert len(list((state / "memo" / "stage").iterdir())) == 1
    claim_state({"seed": 1})
    assert state_folder() == state


def test_recall_gives_the_result_where_it_is_remembered(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("VIGIL_STATE_DIR", str(tmp_path))
    memo, facts = Memo("clips"), {"clip": "a"}
    assert not memo.holds(facts)
    made = memo.recall(facts, lambda path: path.write_text("once"))
    assert memo.holds(facts)
    assert memo.recall(facts, lambda path: path.write_text("twice")) == made
    assert made.read_text() == "once"
    assert memo.fetch(facts, lambda path: path.write_text("thrice"), tmp_path / "target")
    assert (tmp_path / "target").read_text() == "once"
