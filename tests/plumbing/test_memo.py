import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from vigil.plumbing.errors import InputError
from vigil.plumbing.memo import LINKED_FROM_BYTES, STAMPS, Memo, file_digest


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VIGIL_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.delenv("VIGIL_MEMO_GB", raising=False)
    return tmp_path / "state"


def entries(state: Path) -> list[str]:
    return sorted(path.name for path in (state / "memo" / "stage").iterdir())


class Maker:
    """Counts how often it was asked."""

    def __init__(self, content: str = "made") -> None:
        self.content = content
        self.num_calls = 0

    def file(self, path: Path) -> None:
        self.num_calls += 1
        path.write_text(self.content)

    def folder(self, path: Path) -> None:
        self.num_calls += 1
        (path / "deep").mkdir(parents=True)
        (path / "deep" / "a").write_text(self.content)


def test_a_file_is_made_once(tmp_path: Path) -> None:
    maker, memo = Maker(), Memo("stage")
    assert memo.fetch({"a": 1}, maker.file, tmp_path / "one") is False
    assert memo.fetch({"a": 1}, maker.file, tmp_path / "two") is True
    assert (tmp_path / "one").read_text() == (tmp_path / "two").read_text() == "made"
    assert maker.num_calls == 1


def test_a_folder_is_made_once(tmp_path: Path) -> None:
    maker, memo = Maker(), Memo("stage")
    memo.fetch({"a": 1}, maker.folder, tmp_path / "one")
    memo.fetch({"a": 1}, maker.folder, tmp_path / "two")
    assert (tmp_path / "two" / "deep" / "a").read_text() == "made"
    assert maker.num_calls == 1


def test_what_was_written_over_through_a_link_is_made_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    maker, memo = Maker("x" * LINKED_FROM_BYTES), Memo("stage")
    memo.fetch({"a": 1}, maker.file, tmp_path / "one")
    os.utime(tmp_path / "one")  # touched, and the same
    assert memo.fetch({"a": 1}, maker.file, tmp_path / "two") is True
    assert (tmp_path / "one").stat().st_ino == (tmp_path / "two").stat().st_ino
    with (tmp_path / "one").open("r+") as file:
        file.write("damage")
    assert memo.fetch({"a": 1}, maker.file, tmp_path / "three") is False
    assert "has changed since it was made, so it is made again" in capsys.readouterr().out
    assert (tmp_path / "three").read_text() == maker.content
    assert memo.fetch({"a": 1}, maker.file, tmp_path / "four") is True


def test_a_copy_without_its_times_is_read_through_once_and_damage_is_still_seen(
    tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maker, memo = Maker(), Memo("stage")
    result = memo.recall({"a": 1}, maker.folder) / "deep" / "a"
    os.utime(result, ns=(1, 1))  # as a restored backup has it
    digests = []
    monkeypatch.setattr(
        "vigil.plumbing.memo.file_digest", lambda file: digests.append(file) or file_digest(file)
    )
    for _ in range(3):
        assert memo.holds({"a": 1})
    assert digests == [result]
    result.write_text("maid")
    os.utime(result, ns=(2, 2))
    assert not memo.holds({"a": 1})
    assert maker.num_calls == 1


@pytest.mark.parametrize(
    "stamps", ["", "[]", "7", "null", "{", "{}", '{"result": 7}', '{"result": []}', "[" * 100_000]
)
def test_an_entry_with_damaged_stamps_is_made_again(
    tmp_path: Path, state: Path, stamps: str
) -> None:
    Memo("stage").fetch({"a": 1}, Maker().file, tmp_path / "one")
    next(state.rglob(STAMPS)).write_text(stamps)
    assert Memo("stage").fetch({"a": 1}, Maker("anew").file, tmp_path / "two") is False
    assert (tmp_path / "two").read_text() == "anew"
    assert Memo("stage").fetch({"a": 1}, Maker().file, tmp_path / "three") is True


def test_it_is_remembered_between_runs_and_after_the_target_is_gone(tmp_path: Path) -> None:
    maker = Maker()
    Memo("stage").fetch({"a": 1}, maker.file, tmp_path / "one")
    (tmp_path / "one").unlink()
    assert Memo("stage").fetch({"a": 1}, maker.file, tmp_path / "one") is True
    assert (tmp_path / "one").read_text() == "made"


def test_other_facts_and_other_stages_are_made_anew(tmp_path: Path) -> None:
    maker = Maker()
    Memo("stage").fetch({"a": 1}, maker.file, tmp_path / "one")
    assert Memo("stage").fetch({"a": 2}, maker.file, tmp_path / "two") is False
    assert Memo("other").fetch({"a": 1}, maker.file, tmp_path / "three") is False
    assert maker.num_calls == 3


def test_a_file_is_known_by_its_bytes(tmp_path: Path) -> None:
    for name, content in (("one", "x"), ("two", "x"), ("three", "y")):
        (tmp_path / name).write_text(content)
    digests = [file_digest(tmp_path / name) for name in ("one", "two", "three")]
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize("error", [RuntimeError, OSError, KeyboardInterrupt])
def test_a_failure_is_not_remembered(
    tmp_path: Path, state: Path, error: type[BaseException]
) -> None:
    def fail(path: Path) -> None:
        path.write_text("half")
        raise error

    with pytest.raises(error):
        Memo("stage").fetch({"a": 1}, fail, tmp_path / "one")
    assert not (tmp_path / "one").exists()
    assert entries(state) == []
    assert Memo("stage").fetch({"a": 1}, Maker().file, tmp_path / "one") is False


def write_half_and_die(path: Path) -> None:
    path.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_kill_in_the_middle_is_not_remembered(tmp_path: Path) -> None:
    process = multiprocessing.get_context("fork").Process(
        target=_fetch, args=(tmp_path / "one", write_half_and_die)
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not (tmp_path / "one").exists()
    assert Memo("stage").fetch({"a": 1}, Maker("whole").file, tmp_path / "one") is False
    assert (tmp_path / "one").read_text() == "whole"


def _fetch(target: Path, make: object) -> None:
    Memo("stage").fetch({"a": 1}, make, target)  # type: ignore[arg-type]


def test_of_two_makers_at_once_both_get_their_result(tmp_path: Path, state: Path) -> None:
    """The second begins and ends while the first is at it."""
    memo = Memo("stage")

    def make_while_another_does(path: Path) -> None:
        (path / "deep").mkdir(parents=True)
        (path / "deep" / "a").write_text("same")
        assert memo.fetch({"a": 1}, Maker("same").folder, tmp_path / "second") is False

    memo.fetch({"a": 1}, make_while_another_does, tmp_path / "first")
    for target in ("first", "second"):
        assert (tmp_path / target / "deep" / "a").read_text() == "same"
    assert len(entries(state)) == 1


def age(state: Path, seconds: float) -> None:
    for path in (state / "memo" / "stage").rglob("*"):
        stamp = path.stat().st_mtime - seconds
        os.utime(path, (stamp, stamp))


def test_what_was_used_longest_ago_is_forgotten_first(
    tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memo, maker = Memo("stage"), Maker("x" * 1000)
    for number in range(4):
        age(state, 100) if number else None
        memo.fetch({"a": number}, maker.file, tmp_path / f"made {number}")
    age(state, 100)
    memo.fetch({"a": 0}, maker.file, tmp_path / "used again")
    monkeypatch.setenv("VIGIL_MEMO_GB", "0.0000025")  # two entries of 1,000 bytes
    Memo("stage").prune()
    monkeypatch.delenv("VIGIL_MEMO_GB")
    kept = [memo.fetch({"a": n}, maker.file, tmp_path / f"again {n}") for n in (0, 3, 1, 2)]
    assert kept == [True, True, False, False]
    assert (tmp_path / "made 1").read_text() == "x" * 1000  # results outlive their entries


def test_with_room_nothing_is_forgotten(tmp_path: Path, state: Path) -> None:
    memo = Memo("stage")
    for number in range(3):
        memo.fetch({"a": number}, Maker().file, tmp_path / f"made {number}")
    memo.prune()
    assert len(entries(state)) == 3


def test_what_a_kill_left_is_forgotten_after_a_day_not_before(state: Path) -> None:
    left = state / "memo" / "stage" / "partial-abc"
    left.mkdir(parents=True)
    (left / "result").write_text("half")
    Memo("stage").prune()
    assert left.exists()
    age(state, 25 * 3600)
    Memo("stage").prune()
    assert not left.exists()


def test_what_is_still_written_to_is_no_leftover_however_long_ago_it_began(state: Path) -> None:
    left = state / "memo" / "stage" / "partial-abc"
    (left / "result").mkdir(parents=True)
    age(state, 25 * 3600)
    (left / "result" / "weights").write_text("half")
    Memo("stage").prune()
    assert (left / "result" / "weights").exists()


@pytest.mark.parametrize("gb", ["0", "0.000001"])
def test_what_another_run_is_at_stays_however_little_the_room(
    tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch, gb: str
) -> None:
    def make_while_another_prunes(path: Path) -> None:
        path.write_text("x" * 5000)
        Memo("stage").prune()
        assert path.read_text() == "x" * 5000

    monkeypatch.setenv("VIGIL_MEMO_GB", gb)
    Memo("stage").fetch({"a": 1}, make_while_another_prunes, tmp_path / "made")
    assert (tmp_path / "made").read_text() == "x" * 5000
    Memo("stage").prune()
    assert entries(state) == []


@pytest.mark.parametrize("seconds", [0, 25 * 3600])
def test_what_is_unfinished_takes_no_room_of_the_rest(
    tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    Memo("stage").fetch({"a": 1}, Maker("x" * 1000).file, tmp_path / "made")
    left = state / "memo" / "stage" / "partial-abc"
    left.mkdir()
    (left / "result").write_text("x" * 9000)
    age(state, seconds)
    os.utime(left.parent / entries(state)[0], (0, 0))  # used before the other was begun
    monkeypatch.setenv("VIGIL_MEMO_GB", "0.000005")
    Memo("stage").prune()
    assert left.exists() == (seconds == 0)
    assert len(entries(state)) == (2 if seconds == 0 else 1)


def test_what_another_run_took_away_meanwhile_is_no_error(tmp_path: Path, state: Path) -> None:
    Memo("stage").fetch({"a": 1}, Maker().file, tmp_path / "made")
    (state / "memo" / "stage" / "partial-gone").symlink_to(tmp_path / "nowhere")
    Memo("stage").prune()
    assert len(entries(state)) == 2


@pytest.mark.parametrize("told", ["lots", "", "nan", "-1", "-inf", "-1e-9"])
def test_room_that_is_no_number_or_negative_is_refused(
    monkeypatch: pytest.MonkeyPatch, told: str
) -> None:
    monkeypatch.setenv("VIGIL_MEMO_GB", told)
    with pytest.raises(InputError, match=rf"VIGIL_MEMO_GB: expected a number.*'{told}'$"):
        Memo("stage")


def test_room_may_be_without_limit(
    tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIGIL_MEMO_GB", "inf")
    memo = Memo("stage")
    memo.fetch({"a": 1}, Maker().file, tmp_path / "made")
    memo.prune()
    assert len(entries(state)) == 1


def test_a_kill_while_forgetting_leaves_no_half_entry(
    tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(path: Path, **_: object) -> None:
        if "partial-" not in path.name or (path / "result").exists():
            next(file for file in path.rglob("*") if file.is_file()).unlink()
            raise KeyboardInterrupt

    def three(folder: Path) -> None:
        folder.mkdir()
        for name in "abc":
            (folder / name).write_text(name)

    Memo("stage").fetch({"a": 1}, three, tmp_path / "one")
    monkeypatch.setenv("VIGIL_MEMO_GB", "0")
    with monkeypatch.context() as patched:
        patched.setattr("vigil.plumbing.memo.shutil.rmtree", stopped)
        with pytest.raises(KeyboardInterrupt):
            Memo("stage").prune()
    assert Memo("stage").fetch({"a": 1}, three, tmp_path / "two") is False
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == ["a", "b", "c"]


def test_damage_is_made_again_whatever_an_earlier_process_left(
    tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maker, memo = Maker(), Memo("stage")
    result = memo.recall({"a": 1}, maker.file)
    left = state / "memo/stage" / f"partial-{result.parent.name}-{os.getpid()}"
    left.mkdir()  # by a process that had this one's number, as in another container
    (left / "file").touch()
    result.write_text("damage")
    assert memo.recall({"a": 1}, maker.file).read_text() == "made"
    result.write_text("damage")
    monkeypatch.setattr("vigil.plumbing.memo._forget", lambda _: None)  # no rights to
    with pytest.raises(OSError, match="not empty"):
        memo.recall({"a": 1}, maker.file)


def test_an_edit_of_what_was_given_is_not_remembered(tmp_path: Path) -> None:
    memo = Memo("stage")
    memo.fetch({"a": 1}, Maker().folder, tmp_path / "one")
    with (tmp_path / "one" / "deep" / "a").open("a") as file:
        file.write(" by hand")
    memo.fetch({"a": 1}, Maker().folder, tmp_path / "two")
    assert (tmp_path / "two" / "deep" / "a").read_text() == "made"


def test_there_may_be_nothing_to_prune() -> None:
    Memo("stage").prune()
