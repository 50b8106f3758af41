"""Refuses a folder that is no project, for commands that otherwise find nothing there."""

from pathlib import Path

from vigil.plumbing.errors import InputError

PIPELINE, DVC = "dvc.yaml", ".dvc"


def check_project(folder: Path) -> None:
    """Checks that a folder is that of a project: it has a pipeline, and DVC may work in it.

    As DVC does, it looks for `.dvc` in the folder and in those above it: a repository may hold
    several projects.

    Raises:
        InputError: `dvc.yaml` or the folder `.dvc` is missing.
    """
    if not (folder / PIPELINE).is_file():
        raise InputError(f"{PIPELINE}: expected in the current folder, found no such file")
    here = folder.resolve()
    if not any((place / DVC).is_dir() for place in (here, *here.parents)):
        raise InputError(
            f"{DVC}: expected in the current folder or in one above it, found no such folder; "
            "`dvc init` makes it in a git repository"
        )
