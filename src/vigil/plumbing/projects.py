"""Refuses a folder that is no project, for commands that otherwise find nothing there."""

from pathlib import Path

from vigil.plumbing.errors import InputError

PIPELINE, DVC = "dvc.yaml", ".dvc"


def check_project(folder: Path) -> None:
    """Checks that a folder is that of a project: it has a pipeline, and DVC may work in it.

    Raises:
        InputError: `dvc.yaml` or the folder `.dvc` is missing.
    """
    if not (folder / PIPELINE).is_file():
        raise InputError(f"{PIPELINE}: expected in the current folder, found no such file")
    if not (folder / DVC).is_dir():
        raise InputError(
            f"{DVC}: expected in the current folder, found no such folder; `dvc init` makes it in "
            "a git repository"
        )
