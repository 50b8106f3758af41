from pathlib import Path

import pytest

from vigil.plumbing.outputs import whole


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "er" / "a.txt"
    with whole(target) as partial:
        partial.write_text("new")
        assert not target.exists()
        assert partial.parent == target.parent
    assert target.read_text() == "new"
    assert names(target.parent) == ["a.txt"]


def test_a_folder_appears_at_the_end(tmp_path: Path) -> None:
    with whole(tmp_path / "a") as partial:
        partial.mkdir()
        (partial / "x").write_text("x")
        assert not (tmp_path / "a").exists()
    assert names(tmp_path) == ["a"]
    assert names(tmp_path / "a") == ["x"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    def fail() -> None:
        with whole(tmp_path / "a") as partial:
            partial.mkdir()
            (partial / "x").write_text("x")
            raise error

    with pytest.raises(error):
        fail()
    assert names(tmp_path) == []


def test_a_failure_keeps_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")

    def fail() -> None:
        with whole(tmp_path / "a") as partial:
            partial.write_text("new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (tmp_path / "a").read_text() == "old"


@pytest.mark.parametrize("old", ["file", "folder", "link"])
@pytest.mark.parametrize("new", ["file", "folder"])
def test_what_was_there_is_replaced(tmp_path: Path, old: str, new: str) -> None:
    target, elsewhere = tmp_path / "a", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").write_text("kept")
    if old == "file":
        target.write_text("old")
    elif old == "folder":
        target.mkdir()
        (target / "stale").write_text("old")
    else:
        target.symlink_to(elsewhere)
    with whole(target) as partial:
        if new == "file":
            partial.write_text("new")
        else:
            partial.mkdir()
    assert not target.is_symlink()
    assert target.read_text() == "new" if new == "file" else names(target) == []
    assert names(elsewhere) == ["kept"]


def test_what_a_kill_left_is_removed(tmp_path: Path) -> None:
    with whole(tmp_path / "a") as partial:
        left = partial
        partial.mkdir()
    left.mkdir()
    (left / "half").write_text("half")
    with whole(tmp_path / "a") as partial:
        assert not partial.exists()
        partial.mkdir()
    assert names(tmp_path) == ["a"]
    assert names(tmp_path / "a") == []
