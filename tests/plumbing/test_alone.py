"""Two people in one project: a stage sees what another user's is at."""

import os
import runpy
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import vigil.plumbing.runner  # noqa: F401  # before a user comes who may not read it

SCRIPT = '''
"""Waits, or not."""
import time
from pathlib import Path
from typing import ClassVar
from vigil.plumbing.params import Section
from vigil.plumbing.runner import run_stage

class Params(Section):
    section: ClassVar[str] = "wait"

def main(*, begun: Path, go_on: Path, settings: Params) -> None:
    begun.write_text("x")
    while not go_on.exists():
        time.sleep(0.02)

if __name__ == "__main__":
    run_stage(main)
'''
NOBODY = 65534
AS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="root alone may become another user")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A project that any user may write to."""
    folder = Path(tempfile.mkdtemp(prefix="vigil-"))
    for name in (".dvc", "stages", "data"):
        (folder / name).mkdir()
    for place in (folder, folder / "data"):
        place.chmod(0o777)
    (folder / "stages/wait.py").write_text(SCRIPT)
    (folder / "params.yaml").write_text("wait: {}\n")
    yield folder
    shutil.rmtree(folder)


def start(folder: Path, name: str, user: int) -> int:
    """Starts the stage as a user, in a process of its own, and gives its number.

    It says to `<name>.txt` what it has to say, and goes on until `data/go_on` is there.
    """
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.chdir(folder)
        for stream in (1, 2):
            os.dup2(os.open(f"{name}.txt", os.O_WRONLY | os.O_CREAT), stream)
        os.umask(0o022)
        os.environ.pop("VIGIL_STATE_DIR", None)
        if user != os.getuid():
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)
        sys.stderr = open(2, "w")  # noqa: SIM115
        sys.argv = ["stages/wait.py", "--begun", f"data/{name}", "--go-on", "data/go_on"]
        runpy.run_path("stages/wait.py", run_name="__main__")
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        sys.stderr.flush()
        os._exit(code)


def code_of(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def wait_for(file: Path) -> None:
    deadline = time.monotonic() + 30
    while not file.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@AS_ROOT
def test_another_user_does_not_run_beside_it(folder: Path) -> None:
    first = start(folder, "first", os.getuid())
    wait_for(folder / "data/first")
    assert code_of(start(folder, "second", NOBODY)) == 1
    told = (folder / "second.txt").read_text()
    assert told.startswith(f"wait: expected to run alone, but process {first} (wait) still runs ")
    assert told.count("\n") == 1
    assert not (folder / "data/second").exists()
    (folder / "data/go_on").touch()
    assert code_of(first) == 0
    assert code_of(start(folder, "second", NOBODY)) == 0
    assert (folder / "data/second").read_text() == "x"


@AS_ROOT
def test_the_first_user_does_not_run_beside_another(folder: Path) -> None:
    other = start(folder, "other", NOBODY)
    wait_for(folder / "data/other")
    assert code_of(start(folder, "own", os.getuid())) == 1
    assert f"but process {other} (wait) still runs" in (folder / "own.txt").read_text()
    (folder / "data/go_on").touch()
    assert code_of(other) == 0


@AS_ROOT
def test_who_cannot_know_is_told_and_goes_on(folder: Path) -> None:
    (folder / ".vigil").mkdir()
    (folder / "data/go_on").touch()
    assert code_of(start(folder, "other", NOBODY)) == 0
    told = (folder / "other.txt").read_text()
    expected = "wait: continues without checking that it runs alone: "
    assert told.startswith(f"{expected}{folder}/.vigil/running/")
    assert told.endswith(": Permission denied\n")
    assert told.count("\n") == 1
