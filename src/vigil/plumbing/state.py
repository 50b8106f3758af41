"""The state folder, for caches and checkpoints, and the part of it that a process may use."""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vigil.plumbing.errors import InputError, shorten

MOST_CLAIMS = 64  # processes that claim the same facts at a time
_claim: dict[str, int] = {}
"""The claim of this process: the number of its `part`, the open lock file (`lock`), and the offset
in that file (`start`) of the first claim for the same facts."""


def fingerprint(facts: Mapping[str, Any]) -> str:
    """SHA-256 of plain values, in hexadecimal; the order of keys does not matter."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def project_state_folder() -> Path:
    """The folder for files that are neither input nor output: `.vigil/` of the project.

    git ignores it. The project is the nearest folder around with a `.dvc`. An experiment that DVC
    runs in a separate folder (below `.dvc/tmp`) shares the state folder of the project.
    `VIGIL_STATE_DIR` names another folder.

    Raises:
        InputError: `VIGIL_STATE_DIR` is relative, though stages run in several folders.
    """
    if named := os.environ.get("VIGIL_STATE_DIR"):
        if not Path(named).is_absolute():
            raise InputError(f"VIGIL_STATE_DIR: expected an absolute path, got {shorten(named)}")
        return Path(named)
    here = Path.cwd()
    projects = [folder.parent for folder in here.parents if folder.name == ".dvc"]
    projects += [folder for folder in (here, *here.parents) if (folder / ".dvc").is_dir()]
    return (projects or [here])[0] / ".vigil"


def state_folder() -> Path:
    """The folder for this run alone: the state folder of the project, or a part of it."""
    part = _claim.get("part", 0)
    return project_state_folder() / f"beside-{part}" if part else project_state_folder()


def free_parts() -> Iterator[Path]:
    """The part of this run, then each other part that no run with the same claim uses.

    A killed run leaves files in its part, which the next run with the same claim can use.
    """
    first, project = state_folder(), project_state_folder()
    yield first
    if "lock" not in _claim:
        return
    for part in range(MOST_CLAIMS):
        folder = project / f"beside-{part}" if part else project
        if folder == first or not folder.is_dir():
            continue
        place = _claim["start"] + part
        try:
            fcntl.lockf(_claim["lock"], fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except OSError:
            continue
        try:
            yield folder
        finally:
            fcntl.lockf(_claim["lock"], fcntl.LOCK_UN, 1, place)


def claim_state(facts: Mapping[str, Any]) -> None:
    """Reserves a `state_folder` for this process among all processes that claim the same facts.

    Queued experiments may train exactly the same network at the same time. Their checkpoints would
    have the same names, and one run would remove the files of the other. The first run gets the
    folder of the project, so that a killed run can resume. Each further run gets a separate part.
    The claim ends when the process ends in any way. A process has one claim at a time.
    """
    if "lock" in _claim:
        os.close(_claim["lock"])
        _claim.clear()
    folder = project_state_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / "claims", os.O_RDWR | os.O_CREAT, 0o666)
    except OSError:
        return  # the folder is not writable, so there is nothing to share
    # Each claim locks one byte of the file. A loader's processes do not inherit such locks.
    start = int(fingerprint(facts)[:12], 16) * MOST_CLAIMS
    for part in range(MOST_CLAIMS):
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, start + part)
        except (BlockingIOError, PermissionError):  # both mean that another process has the lock
            continue
        except OSError:
            break  # a file system without locks
        _claim.update(part=part, lock=lock, start=start)
        return
    os.close(lock)
