"""Where vigil keeps what is neither input nor output, and which part of it a process may use."""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vigil.plumbing.errors import InputError, shorten

MOST_CLAIMS = 64  # of the same facts at a time
_claim: dict[str, int] = {}
"""This process's claim: the number of its `part`, the open file (`lock`) that holds it, and where
in that file (`start`) such claims begin."""


def fingerprint(facts: Mapping[str, Any]) -> str:
    """SHA-256 of plain values, whatever the order of their keys, in hexadecimal."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def project_state_folder() -> Path:
    """Where vigil keeps what is neither input nor output: `.vigil/` of the project, git-ignored.

    The project is the nearest folder that DVC knows. An experiment that DVC runs in a folder of its
    own (below `.dvc/tmp`) shares the project's. `VIGIL_STATE_DIR` names another one.

    Raises:
        InputError: `VIGIL_STATE_DIR` is relative: stages run in several folders.
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
    """Where this run keeps what no other may touch: the project's, or a part of it for itself."""
    part = _claim.get("part", 0)
    return project_state_folder() / f"beside-{part}" if part else project_state_folder()


def free_parts() -> Iterator[Path]:
    """This run's own part, then each other one while no run with the same claim is at it.

    A run beside another that is killed leaves something there, for the next one of its kind.
    """
    own, project = state_folder(), project_state_folder()
    yield own
    if "lock" not in _claim:
        return
    for part in range(MOST_CLAIMS):
        folder = project / f"beside-{part}" if part else project
        if folder == own or not folder.is_dir():
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
    """Makes `state_folder` this process's own among those that claim the same facts at a time.

    Queued experiments may train the very same network side by side; their checkpoints would have
    one name, and one run would remove what the other writes. The first gets the project's folder,
    so that a run which was killed goes on; one beside it gets a part of its own. Ends with the
    process, however that ends; a process has one claim at a time.
    """
    if "lock" in _claim:
        os.close(_claim["lock"])
        _claim.clear()
    folder = project_state_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / "claims", os.O_RDWR | os.O_CREAT, 0o666)
    except OSError:
        return  # nothing can be written there, so there is nothing to share
    # A byte of the file for each claim: such locks are not inherited by a loader's processes.
    start = int(fingerprint(facts)[:12], 16) * MOST_CLAIMS
    for part in range(MOST_CLAIMS):
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, start + part)
        except (BlockingIOError, PermissionError):  # either says that it is taken
            continue
        except OSError:
            break  # a file system that knows no locks
        _claim.update(part=part, lock=lock, start=start)
        return
    os.close(lock)
