"""Puts back what a kill left of the files that DVC writes in place: `vigil put-back`.

Of a lock file that is cut while it is written, a part is left. At most parts DVC stops, at some
without saying why; one that ends with a line it takes for whole, and never completes. What it keeps
of who is at work names a killed run by the number of its process, which another may have since.
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
"""What DVC's reader of YAML ends with: but for the first, dates, keys and tags that cannot be."""
CONFLICT = b"<<<<<<< "
CLOCK_S = 2.0  # by which the clocks of processes and of files may differ


def put_back(root: Path) -> list[str]:
    """Puts back each lock file of which a part is left, and removes what names ended runs.

    A lock file becomes what Git's index has, where that is whole; else it is removed, and DVC takes
    from its cache what is done. The part is kept. A file with both sides of a merge is left alone.

    Args:
        root: the project's folder, which has `.dvc`.

    Returns:
        A line for each file that was not right: which, and what became of it.

    Raises:
        DvcException: DVC cannot open the project, or is at work in it (`LockError`).
        OSError: a file cannot be written; none is lost.
    """
    if not _find(root):
        return []
    with ExitStack() as stack:  # else what DVC is writing now would look cut
        repo = stack.enter_context(Repo(str(root)))
        stack.enter_context(repo.lock)
        folder, hardlink = str(repo.tmp_dir), repo.config["core"].get("hardlink_lock", False)
        guard = str(Path(folder) / RWLOCK_LOCK)
        stack.enter_context(make_lock(guard, tmp_dir=folder, hardlink_lock=hardlink))
        return [_restore(root, name) for name in _find(root)]


def _find(root: Path) -> list[str]:
    found = [name for name in LOCK_FILES if (root / name).is_file() and not _is_right(root / name)]
    return [*found, RUNNING] if _is_left(root / RUNNING) else found


def _is_right(lock: Path) -> bool:
    content = lock.read_bytes()
    return CONFLICT in content or _is_whole(content)


def _is_whole(content: bytes) -> bool:
    """Whether DVC can read a lock file, and finds all of each entry in it."""
    try:
        told: dict[str, Any] = parse_yaml(content.decode(), "dvc.lock")
        COMPILED_LOCKFILE_SCHEMA(told)
    except (*YAML_ERRORS, Invalid):
        return False
    stages = told.get("stages", {}).values()
    files = [file for stage in stages for kind in ("deps", "outs") for file in stage.get(kind, [])]
    return content.endswith(b"\n") and all(
        "size" in file and ("nfiles" in file or not str(file.get("md5")).endswith(".dir"))
        for file in files
    )


def _is_left(running: Path) -> bool:
    """Whether all that `rwlock` names has ended though DVC would wait for it, or it is cut."""
    try:
        told = RWLOCK_SCHEMA(json.loads(running.read_bytes()))
        written_s = running.stat().st_mtime
    except FileNotFoundError:
        return False
    except (ValueError, Invalid, RecursionError):
        return True
    infos = [*told["write"].values(), *(info for held in told["read"].values() for info in held)]
    alive_s = []
    for pid in {info["pid"] for info in infos}:
        try:
            alive_s.append(psutil.Process(pid).create_time())
        except (psutil.Error, ValueError, OverflowError):
            continue  # DVC sees by itself that it has ended
    return bool(alive_s) and min(alive_s) > written_s + CLOCK_S


def _restore(root: Path, name: str) -> str:
    file = root / name
    if name == RUNNING:
        file.unlink()
        return f"{name}: expected runs of DVC that go on, found one that was killed; removed"
    part = root / ".dvc" / "tmp" / f"cut-{name.replace('/', '-')}"
    shutil.copyfile(file, part)
    git = subprocess.run(["git", "-C", str(root), "show", f":./{name}"], capture_output=True)
    if git.returncode == 0 and _is_whole(git.stdout):
        with whole(file) as new:
            new.write_bytes(git.stdout)
        became = "put back as Git has it"
    else:
        file.unlink()
        became = "removed"
    told = f"{name}: expected a whole file, found a part, as a kill leaves; {became}"
    return f"{told}; the part is kept as {part.relative_to(root)}"


def tell_what_is_put_back(root: Path) -> None:
    """Puts back what was cut, and prints a line for each file.

    Raises:
        InputError: a file cannot be written.
    """
    try:
        for line in put_back(root):
            print(line)
    except DvcException:
        pass  # DVC says so when it is started
    except OSError as error:
        raise InputError(
            f"{error.filename or 'dvc.lock'}: expected to put it back, got: {error.strerror}"
        ) from None
