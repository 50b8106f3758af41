"""Restores lock files that a kill cut while DVC wrote them: `vigil put-back`.

DVC writes its lock files in place, so a kill can leave an incomplete file. DVC stops at most of
these, at some without a reason. If the file was cut at the end of a line, DVC takes it as complete
and never adds the rest. DVC's list of its running processes (`rwlock`) names a killed run by its
process number, which another process may have by now.
"""

import json
import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
from dvc.exceptions import DvcException
from dvc.lock import make_lock
from dvc.repo import Repo
from dvc.rwlock import RWLOCK_FILE, RWLOCK_LOCK
from dvc.rwlock import SCHEMA as RWLOCK_SCHEMA
from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from dvc.utils.serialize import parse_yaml
from voluptuous import Invalid

from vigil.plumbing.errors import InputError
from vigil.plumbing.outputs import whole

LOCK_FILES = ("demo/dvc.lock", "dvc.lock")
RUNNING = f".dvc/tmp/{RWLOCK_FILE}"
YAML_ERRORS = (DvcException, ValueError, TypeError, NotImplementedError, RecursionError)
"""Errors of DVC's YAML reader; all except the first come from invalid dates, keys and tags."""
CONFLICT = b"<<<<<<< "
CLOCK_S = 2.0  # largest difference between the clocks of processes and of files


def put_back(root: Path) -> list[str]:
    """Restores each lock file that was cut, and removes a list of runs that have ended.

    A cut lock file is replaced by the version in Git's index if that is complete. Otherwise it is
    removed, and DVC takes finished outputs from its cache. The cut file is kept elsewhere. A file
    with the conflict markers of a merge is not changed.

    Args:
        root: the project's folder, which has `.dvc`.

    Returns:
        A line for each file that was restored or removed.

    Raises:
        DvcException: DVC cannot open the project, or is at work in it (`LockError`).
        OSError: a file cannot be written; none is lost.
    """
    if not _find(root):
        return []
    with ExitStack() as stack:  # DVC's locks: without them, a file that DVC writes now looks cut
        repo = stack.enter_context(Repo(str(root)))
        stack.enter_context(repo.lock)
        folder, hardlink = str(repo.tmp_dir), repo.config["core"].get("hardlink_lock", False)
        guard = str(Path(folder) / RWLOCK_LOCK)
        stack.enter_context(make_lock(guard, tmp_dir=folder, hardlink_lock=hardlink))
        return [_restore(root, name) for name in _find(root)]


def _find(root: Path) -> list[str]:
    """The names of lock files that were cut, and of the list of runs if these have ended."""
    names = [name for name in LOCK_FILES if (root / name).is_file() and not _is_valid(root / name)]
    return [*names, RUNNING] if _is_stale(root / RUNNING) else names


def _is_valid(lock: Path) -> bool:
    content = lock.read_bytes()
    return CONFLICT in content or _is_whole(content)


def _is_whole(content: bytes) -> bool:
    """Whether DVC can read a lock file, and each entry in it is complete."""
    try:
        parsed: dict[str, Any] = parse_yaml(content.decode(), "dvc.lock")
        COMPILED_LOCKFILE_SCHEMA(parsed)
    except (*YAML_ERRORS, Invalid):
        return False
    stages = parsed.get("stages", {}).values()
    files = [file for stage in stages for kind in ("deps", "outs") for file in stage.get(kind, [])]
    return content.endswith(b"\n") and all(
        "size" in file and ("nfiles" in file or not str(file.get("md5")).endswith(".dir"))
        for file in files
    )


def _is_stale(running: Path) -> bool:
    """Whether `rwlock` is cut, or all its runs have ended and other processes have their numbers.

    DVC would wait for these processes.
    """
    try:
        parsed = RWLOCK_SCHEMA(json.loads(running.read_bytes()))
        written_s = running.stat().st_mtime
    except FileNotFoundError:
        return False
    except (ValueError, Invalid, RecursionError):
        return True
    infos = [
        *parsed["write"].values(),
        *(info for readers in parsed["read"].values() for info in readers),
    ]
    alive_s = []
    for pid in {info["pid"] for info in infos}:
        try:
            alive_s.append(psutil.Process(pid).create_time())
        except (psutil.Error, ValueError, OverflowError):
            continue  # no such process, which DVC notices by itself
    return bool(alive_s) and min(alive_s) > written_s + CLOCK_S


def _restore(root: Path, name: str) -> str:
    file = root / name
    if name == RUNNING:
        file.unlink()
        return f"{name}: expected runs of DVC that still run, found one that was killed; removed"
    part = root / ".dvc" / "tmp" / f"cut-{name.replace('/', '-')}"
    shutil.copyfile(file, part)
    git = subprocess.run(["git", "-C", str(root), "show", f":./{name}"], capture_output=True)
    if git.returncode == 0 and _is_whole(git.stdout):
        with whole(file) as new:
            new.write_bytes(git.stdout)
        action = "restored from Git"
    else:
        file.unlink()
        action = "removed"
    line = f"{name}: expected a complete file, found one that a kill cut; {action}"
    return f"{line}; the cut file is kept as {part.relative_to(root)}"


def restore_lock_files(root: Path) -> None:
    """Restores files as `put_back` does, and prints a line for each.

    Raises:
        InputError: a file cannot be written.
    """
    try:
        for line in put_back(root):
            print(line)
    except DvcException:
        pass  # DVC reports it when it is started
    except OSError as error:
        raise InputError(
            f"{error.filename or 'dvc.lock'}: expected to restore it, got: {error.strerror}"
        ) from None
