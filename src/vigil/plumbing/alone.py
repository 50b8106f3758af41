"""Locks: only one stage runs at a time in a project, and one process writes into a folder."""

import errno
import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vigil.plumbing.errors import InputError, printable
from vigil.plumbing.state import fingerprint, project_state_folder

FOLDER_LOCK = ".lock"


@contextmanager
def alone(title: str) -> Iterator[None]:
    """Refuses to run while another stage of the same project or experiment runs.

    DVC starts one stage at a time. But if only DVC is killed, the stage that it started continues,
    and could replace an output while another stage reads it. The lock ends with the process. It
    works for all users of the project, since the lock file is writable for everyone.

    Raises:
        InputError: another stage still runs.
    """
    here = Path.cwd()
    project = next((folder for folder in (here, *here.parents) if (folder / ".dvc").is_dir()), here)
    name = fingerprint({"folder": str(project)})[:16]
    file = project_state_folder() / "running" / name
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        if error.errno != errno.EROFS:  # on a read-only disk no other stage can write either
            line = (
                f"{title}: continues without checking that it runs alone: {file}: {error.strerror}"
            )
            print(printable(line), file=sys.stderr)
        yield
        return
    with suppress(OSError):  # the file belongs to another user
        os.fchmod(lock, 0o666)
    try:
        _lock(lock, title)
        yield
    finally:
        os.close(lock)


@contextmanager
def alone_in(folder: Path, title: str) -> Iterator[None]:
    """Refuses an existing folder that another process writes into, for as long as it is used.

    Raises:
        InputError: another process has the folder.
        OSError: the folder cannot be written.
    """
    lock = os.open(folder / FOLDER_LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _lock(lock, title, f"{folder}: expected a folder that nobody else writes into, but ", "")
        yield
    finally:
        os.close(lock)


def _lock(
    file: int,
    title: str,
    expected: str = "expected to run alone, but ",
    left: str = ", left by a run that was stopped",
) -> None:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # both mean that another process has the lock
        other = os.read(file, 80).decode(errors="replace")
        raise InputError(
            f"{expected}{other} still runs here{left}; wait for it, or end it"
        ) from None
    except OSError:
        return  # a file system without locks
    with suppress(OSError):  # a full disk, which the stage itself will report
        os.ftruncate(file, 0)
        os.write(file, f"process {os.getpid()} ({title})".encode())
