"""A failure of the system is one line that names the file."""

import errno
import shutil
import sqlite3
from pathlib import Path

import pytest

from vigil.plumbing.failures import explain_failure


def test_a_full_disk_while_a_folder_is_copied_names_the_first_file(tmp_path: Path):
    """`shutil.copytree` raises an error of its own, without a number."""
    (tmp_path / "from").mkdir()
    for name in ("a", "b"):
        (tmp_path / "from" / name).write_text("content")

    def fail(_: str, target: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", target)

    with pytest.raises(shutil.Error) as error:
        shutil.copytree(tmp_path / "from", tmp_path / "to", copy_function=fail)
    line = explain_failure(error.value)
    assert line in {
        f"{tmp_path}/to/{name}: expected to write, got: No space left on device" for name in "ab"
    }


@pytest.mark.parametrize("content", ["text", [("a", "b", "no number")], [], [("a",)]])
def test_an_error_of_copying_that_says_no_reason_is_not_explained(content: object):
    assert explain_failure(shutil.Error(content)) is None


def test_a_path_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nothing")
    for path, told in (("file/below", "a folder where the path goes on"), ("link", "no other fil")):
        with pytest.raises(OSError, match=path) as caught:
            (tmp_path / path).mkdir()
        assert f"expected {told}" in (explain_failure(caught.value) or "")


def test_a_database_that_cannot_grow_is_told(tmp_path: Path) -> None:
    """SQLite has errors of its own; this is what DVC's are on a full disk."""
    database = sqlite3.connect(tmp_path / "cache.db")
    database.execute("create table t (x)")
    database.execute("pragma max_page_count = 2")
    with pytest.raises(sqlite3.OperationalError) as caught:
        database.executemany("insert into t values (?)", [("x" * 1000,)] * 100)
    assert explain_failure(caught.value) == (
        "a database of DVC: expected to write, got: database or disk is full"
    )
    with pytest.raises(sqlite3.OperationalError) as caught:
        database.execute("select y from t")
    assert explain_failure(caught.value) is None
