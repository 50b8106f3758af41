"""Stages that are told to end, by all that tells them so."""

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from vigil.plumbing.interruptions import interruptible

SCRIPT = '''
"""Writes a file and a folder, slowly."""
import os
import signal
import time
from pathlib import Path
from typing import ClassVar
from vigil.plumbing.memo import Memo
from vigil.plumbing.outputs import whole
from vigil.plumbing.params import Section
from vigil.plumbing.runner import run_stage

class Params(Section):
    section: ClassVar[str] = "write"
    seconds: float

def make(path: Path, seconds: float) -> None:
    path.mkdir()
    (path / "part").touch()
    print("begun", flush=True)
    try:
        time.sleep(seconds)
    finally:
        if os.environ.get("AGAIN"):  # as an impatient user, while it cleans up
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGHUP)

def main(*, file: Path, folder: Path, params: Params) -> None:
    with whole(file) as part, whole(folder) as parts:
        part.touch()
        parts.mkdir()
        Memo("write").fetch({}, lambda path: make(path, params.seconds), parts / "made")

if __name__ == "__main__":
    run_stage(main)
'''

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (".dvc", "stages", "data"):
        (tmp_path / name).mkdir()
    (tmp_path / "stages/write.py").write_text(SCRIPT)
    write_params(tmp_path, 60)
    return tmp_path


def write_params(folder: Path, seconds: float) -> None:
    (folder / "params.yaml").write_text(f"write: {{seconds: {seconds}}}\n")


def start(
    folder: Path, before: Callable[[], object] | None = None, **env: str
) -> "subprocess.Popen[str]":
    words = [sys.executable, "stages/write.py", "--file", "data/file", "--folder", "data/folder"]
    return subprocess.Popen(
        words,
        cwd=folder,
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=before,
    )


def left(folder: Path) -> list[str]:
    places = (folder / "data", folder / ".vigil/memo/write")
    return [entry.name for place in places if place.exists() for entry in place.iterdir()]


@pytest.mark.parametrize(
    ("number", "again"),
    [
        (signal.SIGINT, ""),
        (signal.SIGTERM, ""),
        (signal.SIGHUP, ""),
        (signal.SIGTERM, "thrice"),
        (signal.SIGHUP, "thrice"),
    ],
)
def test_it_cleans_up_and_ends_with_one_line(
    folder: Path, number: signal.Signals, again: str
) -> None:
    with start(folder, AGAIN=again) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(number)
        told = process.stderr.read()
    by = "" if number == signal.SIGINT else f" by {number.name}"
    assert told == f"write: interrupted{by}; run it again to resume\n"
    assert process.returncode == CODES[number]
    assert left(folder) == []


def test_what_nohup_keeps_from_ending_goes_on(folder: Path) -> None:
    write_params(folder, 0.5)
    with start(folder, lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGHUP)
    assert process.returncode == 0
    assert {"file", "folder"} < set(left(folder))
    assert (folder / "data/folder/made/part").exists()


def test_a_terminal_that_is_closed(folder: Path) -> None:
    """There is nobody to tell; nothing is left all the same."""
    words = ["stages/write.py", "--file", "data/file", "--folder", "data/folder"]
    child, terminal = pty.fork()
    if not child:
        os.chdir(folder)
        os.execv(sys.executable, [sys.executable, *words])
    assert os.read(terminal, 80).strip() == b"begun"
    os.close(terminal)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 129
    assert left(folder) == []


def test_processes_that_are_forked_end_on_the_spot() -> None:
    with interruptible():
        child = os.fork()
        if not child:
            try:
                os.kill(os.getpid(), signal.SIGTERM)
                signal.pause()
            finally:
                os._exit(3)
        _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGTERM


def test_what_was_set_before_is_set_again() -> None:
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    with interruptible():
        assert signal.getsignal(signal.SIGTERM) != signal.SIG_DFL
        assert signal.getsignal(signal.SIGINT) == signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
