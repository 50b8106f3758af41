"""`vigil check-data`, as in `make repro`, refuses data folders with files that would configure DVC.

DVC treats every `dvc.yaml` and `*.dvc` below the project as a part of the project: it runs their
stages and fetches the files that they name. A `.dvcignore` hides files from DVC, and a `.dvc` in a
folder hides the folder. If DVC is started by hand, the project's `.dvcignore` makes all of these
ineffective except `.dvc`, which a stage refuses (`folders.check_path`).
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vigil.plumbing.errors import InputError, listed
from vigil.plumbing.params import parse_section
from vigil.settings.dataset import Dataset

OBEYED = {".dvc", ".dvcignore", "dvc.yaml"}
SUFFIX = ".dvc"


def check_data_folders(content: Mapping[str, Any]) -> None:
    """Refuses files that would configure DVC in the folders that the section `dataset` names.

    Args:
        content: the content of `params.yaml`.

    Raises:
        InputError: there is such a file, at any depth, or the section is not valid.
    """
    dataset = parse_section(Dataset, content, Dataset.section)
    data = (dataset.detection, dataset.masks)
    pictures = [path for one in data for path in (one.root, one.images)]
    named = (dataset.root, dataset.clips, *pictures)
    for folder in dict.fromkeys(map(Path, named)):
        check_data_folder(folder)


def check_data_folder(folder: Path) -> None:
    """Refuses files that would configure DVC in a folder, unless it contains the project.

    Raises:
        InputError: there is such a file, at any depth, or the folder cannot be read.
    """
    if not folder.is_dir() or Path.cwd().is_relative_to(folder.resolve()):
        return
    try:
        names = list(_list_obeyed(folder))
    except OSError as error:
        raise InputError(
            f"{error.filename}: expected a readable folder, got: {error.strerror}"
        ) from None
    if names:
        raise InputError(
            f"{folder}: expected only data, got files that configure DVC: {listed(names, 4)}; "
            "remove them, and have DVC track the folder as a whole"
        )


def _list_obeyed(folder: Path) -> Iterator[str]:
    """The paths below a folder of all files that DVC would obey."""
    waiting = [str(folder)]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                is_folder = entry.is_dir(follow_symlinks=False)
                if entry.name in OBEYED or (entry.name.endswith(SUFFIX) and not is_folder):
                    yield os.path.relpath(entry.path, folder)
                elif is_folder:
                    waiting.append(entry.path)
