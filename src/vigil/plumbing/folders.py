"""Checks folders that someone else filled: no link or name may lead out of the folder."""

import os
import re
from collections.abc import Iterable
from pathlib import Path, PurePath, PurePosixPath

from vigil.plumbing.errors import InputError, shorten

DVC_FOLDER = ".dvc"
DVC_OBJECT = re.compile(r"/files/md5/[0-9a-f]{2}/[0-9a-f]{30}$")

SYSTEM_NAMES = {
    *("thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "system volume information"),
    *("__macosx", "@eadir", "#recycle", "lost+found"),
}
"""System files of Windows, macOS archives and network storage; names in lower case."""


def is_hidden(path: PurePath | str) -> bool:
    """Whether a file or folder is hidden, or was left behind by a system, and so is not data.

    A hidden name begins with a full stop: `._a.xml` and `.DS_Store` of macOS,
    `.ipynb_checkpoints` of notebooks.

    Args:
        path: a name, or a path below a folder of data. Everything in a hidden folder is hidden too.
    """
    parts = PurePath(path).parts
    return any(part.startswith(".") or part.lower() in SYSTEM_NAMES for part in parts)


def with_ending(paths: Iterable[Path], ending: str) -> list[Path]:
    """The paths with an ending such as ".xml" in any letter case, `.XML` and `.Xml` too; sorted."""
    return sorted(path for path in paths if path.suffix.lower() == ending)


def check_path(path: Path) -> None:
    """Refuses a path that is neither file nor folder, and folders and links that are not safe.

    A folder must pass `check_folder`. A file may come from the person who filled the folder around
    it, as `dataset.annotations` below `dataset.root`. So if it is a link, it must not lead out of
    that folder. No folder around the path may be a separate project of DVC.

    Raises:
        InputError: the path is refused.
    """
    # As DVC does, this takes the names of the folders around, and does not resolve links.
    project, place = Path.cwd(), Path(os.path.normpath(path.absolute()))
    for folder in place.parents:
        if project in folder.parents and (folder / DVC_FOLDER).exists():
            raise _hiding_error(folder / DVC_FOLDER)
    if path.is_dir():
        check_folder(path)
    elif not path.is_file():
        raise InputError(f"{path}: expected a file or a folder, got something else")
    elif path.is_symlink() and _leads_out(path, os.path.realpath(path.parent)):
        raise InputError(f"{path}: expected no link that leads out of its folder")


def check_folder(folder: Path) -> None:
    """Refuses pipes, folders `.dvc`, and links out of a folder, except DVC's links to its cache.

    The folder itself may be a link, since the user who named it knows where it leads. But its
    content may come from an attacker, who wants other files to be read, or the stage to wait for a
    pipe. A folder with a `.dvc` in it is a separate project, whose content DVC does not see.

    Raises:
        InputError: the folder contains one of these, at any depth.
    """
    root = os.path.realpath(folder)
    waiting = [folder]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.name == DVC_FOLDER:
                    raise _hiding_error(entry.path)
                if entry.is_symlink():
                    if _leads_out(entry.path, root):
                        raise InputError(
                            f"{folder}: expected no links that lead out of it, got "
                            f"{shorten(os.path.relpath(entry.path, folder), 200)}"
                        )
                elif entry.is_dir():
                    waiting.append(Path(entry.path))
                elif not entry.is_file():
                    raise InputError(
                        f"{folder}: expected files and folders, got something else: "
                        f"{shorten(os.path.relpath(entry.path, folder), 200)}"
                    )


def _hiding_error(dvc_folder: str | Path) -> InputError:
    where, name = os.path.split(os.path.relpath(dvc_folder))
    return InputError(f"{where}: expected no {name} in it, which hides changes there from DVC")


def _leads_out(link: str | Path, root: str) -> bool:
    target = Path(os.path.realpath(link))
    return not target.is_relative_to(root) and not DVC_OBJECT.search(target.as_posix())


def below(folder: Path, names: Iterable[str]) -> list[Path]:
    """Paths for names (with slashes) that must be below a folder.

    Raises:
        InputError: an absolute name, or one with "..".
    """
    names = list(names)
    for name in names:
        path = PurePosixPath(name)
        if not path.parts or path.is_absolute() or ".." in path.parts or "\0" in name:
            raise InputError(f"{folder}: expected names below it, got {shorten(name, 200)}")
    return [folder / name for name in names]
