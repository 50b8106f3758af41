"""Data folders bring data alone: `make repro` refuses what DVC would obey in them.

DVC takes every `dvc.yaml` and `*.dvc` below the project for the project's own: it runs their stages
and fetches what they name. What a `.dvcignore` hides, or what has a `.dvc` in it, it does not see.
The project's `.dvcignore` leaves all but the last without effect where DVC is started by hand; a
stage refuses that one (`folders.check_path`).
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
    """Refuses what DVC would obey in the folders that the section `dataset` names.

    Args:
        content: of `params.yaml`.

    Raises:
        InputError: there is such a thing, at any depth, or the section is not right.
    """
    dataset = parse_section(Dataset, content, Dataset.section)
    named = (dataset.root, dataset.clips, dataset.detection.root, dataset.detection.images)
    for folder in dict.fromkeys(map(Path, named)):
        check_data_folder(folder)


def check_data_folder(folder: Path) -> None:
    """Refuses what DVC would obey in a folder; one that holds the project is not looked into.

    Raises:
        InputError: there is such a thing, at any depth, or the folder cannot be read.
    """
    if not folder.is_dir() or Path.cwd().is_relative_to(folder.resolve()):
        return
    try:
        found = list(_obeyed(folder))
    except OSError as error:
        raise InputError(
            f"{error.filename}: expected a folder to look into, got: {error.strerror}"
        ) from None
    if found:
        raise InputError(
            f"{folder}: expected data alone, got what DVC would obey: {listed(found, 4)}; "
            "take it out, and have DVC track the folder as a whole"
        )


def _obeyed(folder: Path) -> Iterator[str]:
    waiting = [str(folder)]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                is_folder = entry.is_dir(follow_symlinks=False)
                if entry.name in OBEYED or (entry.name.endswith(SUFFIX) and not is_folder):
                    yield os.path.relpath(entry.path, folder)
                elif is_folder:
                    waiting.append(entry.path)
