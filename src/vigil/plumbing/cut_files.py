"""Puts back what a kill cut while DVC wrote it: `make repro` asks for it where DVC has refused.

DVC writes its lock files in place, so a kill in that moment leaves a part of one, and every command
of DVC stops at it. None of them holds work: what a lock file told of, the cache still has.
"""

import json
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from dvc.dvcfile import Lockfile
from dvc.lock import LockError, make_lock
from dvc.repo import Repo
from dvc.rwlock import RWLOCK_FILE, RWLOCK_LOCK
from dvc.rwlock import SCHEMA as RWLOCK_SCHEMA
from dvc.utils.serialize import EncodingError, YAMLFileCorruptedError
from dvc.utils.strictyaml import YAMLValidationError
from voluptuous import Invalid

LOCK_FILES = ("demo/dvc.lock", "dvc.lock")
CONFLICT = b"<<<<<<< "


def put_back(root: Path) -> list[str]:
    """Puts back each file of DVC's of which a part is left: as Git's index has it, or else removed.

    A lock file with both sides of a merge in it is left: which one holds is not ours to say.

    Args:
        root: the project's folder, which has `.dvc`.

    Returns:
        What was put back, by its path from `root`.

    Raises:
        LockError: another process of DVC is at work, and may be writing.
    """
    with ExitStack() as stack:
        repo = stack.enter_context(Repo(str(root)))
        stack.enter_context(repo.lock)
        folder, hardlink = str(repo.tmp_dir), repo.config["core"].get("hardlink_lock", False)
        guard = str(Path(folder) / RWLOCK_LOCK)
        stack.enter_context(make_lock(guard, tmp_dir=folder, hardlink_lock=hardlink))
        running = Path(folder) / RWLOCK_FILE
        cut = [root / name for name in LOCK_FILES if _is_cut_lock(repo, root / name)]
        cut += [running] if _is_cut_rwlock(running) else []
        for file in cut:
            git = ["git", "-C", str(root), "checkout", "--quiet", "--", str(file)]
            if subprocess.run(git, capture_output=True).returncode:  # not committed
                file.unlink()
    return [file.relative_to(root).as_posix() for file in cut]


def _is_cut_lock(repo: Repo, file: Path) -> bool:
    if not file.exists() or CONFLICT in (content := file.read_bytes()):
        return False
    try:
        Lockfile(repo, str(file)).load()
    except (EncodingError, YAMLFileCorruptedError, YAMLValidationError):
        return True
    # Cut within a word, it may still be read, and then `hash: md` stops DVC without a word.
    return not content.endswith(b"\n")


def _is_cut_rwlock(file: Path) -> bool:
    try:
        RWLOCK_SCHEMA(json.loads(file.read_bytes()))
    except FileNotFoundError:
        return False
    except (ValueError, Invalid):
        return True
    return False


def main() -> None:
    """Exits with 0 where something was put back, so that it is worth to run DVC again."""
    try:
        found = put_back(Path.cwd().resolve())
    except LockError:  # DVC has told
        found = []
    for name in found:
        print(f"{name}: cut by a kill while DVC wrote it; put back, and DVC is started again")
    sys.exit(0 if found else 1)


if __name__ == "__main__":
    main()
