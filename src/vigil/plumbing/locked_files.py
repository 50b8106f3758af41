"""What DVC noted of the outputs of the last run, in `dvc.lock`."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from vigil.plumbing.errors import InputError, shorten

LOCK_FILE = Path("dvc.lock")


def noted_outputs() -> dict[str, str]:
    """The MD5 of each output of the project in the current folder, by its path; "": not noted.

    Empty where there is no lock file.

    Raises:
        InputError: the lock file is damaged.
    """
    if not LOCK_FILE.is_file():
        return {}
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast
    try:
        content: Any = yaml.load(LOCK_FILE.read_text(encoding="utf-8"), loader)
        return {
            str(out["path"]): str(out.get("md5", ""))
            for stage in (content or {}).get("stages", {}).values()
            for out in stage.get("outs", [])
        }
    except (yaml.YAMLError, UnicodeDecodeError, AttributeError, KeyError, TypeError) as error:
        reason = shorten(" ".join(str(error).split()))
        raise InputError(f"{LOCK_FILE}: expected a lock file of DVC, got: {reason}") from None


def noted_name(path: Path, noted: Mapping[str, str]) -> str | None:
    """The name under which DVC noted an output; None: it is none.

    Args:
        path: written in any way, such as `../cams/models` or with the whole path.
        noted: see `noted_outputs`.
    """
    # The outputs themselves may be links into DVC's cache, so only their folder is resolved.
    ways = (path, path.parent.resolve() / path.name)
    names = (Path(os.path.relpath(way)).as_posix() for way in ways)
    return next((name for name in names if name in noted), None)


def check_as_noted(files: Iterable[Path], noted: Mapping[str, str]) -> None:
    """Checks that files are those of the last run; files that no stage makes are not checked.

    The files of a model name each other only in part: nothing in a card says that it was not
    edited, and a picked score does not name its model.

    Args:
        files: missing ones are not checked.
        noted: see `noted_outputs`.

    Raises:
        InputError: a file is another one.
    """
    for file in files:
        expected = noted.get(noted_name(file, noted) or "", "")
        if expected and file.is_file() and expected != _md5(file):
            raise InputError(
                f"{file}: expected the file that {LOCK_FILE} notes, got another one: edited, or "
                "of another run; `dvc checkout` brings it back, `dvc repro` makes it anew"
            )


def _md5(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
