"""What lies below a folder that someone else filled: it is never led out of it."""

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
"""Of Windows, of macOS's archiver and of network storage, by lower-case names."""


def is_hidden(path: PurePath | str) -> bool:
    """Whether a file or folder is hidden or left behind by a system: nobody put it there as data.

    Hidden is what begins with a full stop: `._a.xml` and `.DS_Store` of macOS,
    `.ipynb_checkpoints` of notebooks.

    Args:
        path: a name, or a path below a folder of data. What lies in a hidden folder is hidden too.
    """
    parts = PurePath(path).parts
    return any(part.startswith(".") or part.lower() in SYSTEM_NAMES for part in parts)


def check_path(path: Path) -> None:
    """Refuses what is neither file nor folder, what `check_folder` refuses, and a stray link.

    A file that is named below its folder, as `dataset.annotations` below `dataset.root`, may come
    from whoever filled that folder: as a link it must not lead out of it. Nor may a folder that it
    lies in be another project for DVC.

    Raises:
        InputError: it is such a thing.
    """
    project, place = Path.cwd(), Path(os.path.normpath(path.absolute()))  # by names, as DVC goes
    for folder in place.parents:
        if project in folder.parents and (folder / DVC_FOLDER).exists():
            raise _unseen(folder / DVC_FOLDER)
    if path.is_dir():
        check_folder(path)
    elif not path.is_file():
        raise InputError(f"{path}: expected a file or a folder, got something else")
    elif path.is_symlink() and _leads_out(path, os.path.realpath(path.parent)):
        raise InputError(f"{path}: expected no link that leads out of its folder")


def check_folder(folder: Path) -> None:
    """Refuses links that lead out of a folder, but for DVC's own into its cache, pipes and `.dvc`.

    The folder itself may be a link: who named it knows where it leads. What is in it may come from
    someone who would like to have other files read, or a pipe waited for. A folder with a `.dvc` in
    it is another project for DVC, of which it sees nothing.

    Raises:
        InputError: there is such a thing, at any depth.
    """
    root = os.path.realpath(folder)
    waiting = [folder]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.name == DVC_FOLDER:
                    raise _unseen(entry.path)
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


def _unseen(dvc_folder: str | Path) -> InputError:
    where, name = os.path.split(os.path.relpath(dvc_folder))
    return InputError(
        f"{where}: expected no {name} in it, by which DVC would not see what changes there"
    )


def _leads_out(link: str | Path, root: str) -> bool:
    target = Path(os.path.realpath(link))
    return not target.is_relative_to(root) and not DVC_OBJECT.search(target.as_posix())


def below(folder: Path, names: Iterable[str]) -> list[Path]:
    """Paths of names, with slashes, that must lie below a folder.

    Raises:
        InputError: an absolute name, or one with "..".
    """
    names = list(names)
    for name in names:
        path = PurePosixPath(name)
        if not path.parts or path.is_absolute() or ".." in path.parts or "\0" in name:
            raise InputError(f"{folder}: expected names below it, got {shorten(name, 200)}")
    return [folder / name for name in names]
