"""What a folder of pictures holds, and which of them are damaged."""

import os
import zipfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path, PurePosixPath

from vigil.domain.system_files import is_system_file
from vigil.pixels.images import ARCHIVE_SUFFIX, ImageSource
from vigil.pixels.library_output import damage_in, library_output
from vigil.pixels.video.archives import DAMAGED

PICTURE_SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}


def files_below(root: Path) -> tuple[list[str], list[str]]:
    """Names of a folder's files, and of the hidden ones apart; sorted, and by slashes."""
    shown: list[str] = []
    hidden: list[str] = []
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name).relative_to(root)
            (hidden if is_system_file(path) else shown).append(path.as_posix())
    return sorted(shown), sorted(hidden)


def entries_below(root: Path, files: Iterable[str]) -> list[str]:
    """Names of what lies in the archives among a folder's files, as in folders; sorted.

    Archives that cannot be opened have nothing in them here: who asks for what is in them is told.
    """
    found: list[str] = []
    for archive in files:
        if archive.lower().endswith(ARCHIVE_SUFFIX):
            with suppress(*DAMAGED), zipfile.ZipFile(root / archive) as opened:
                found += [f"{archive}/{name}" for name in opened.namelist()]
    return sorted(name for name in found if ".." not in PurePosixPath(name).parts)


def is_picture(name: str) -> bool:
    """Whether a file is one by the ending of its name."""
    return PurePosixPath(name).suffix.lower() in PICTURE_SUFFIXES


def damage_of(source: ImageSource, file_name: str) -> str:
    """What libjpeg says of damage that it went on after; empty where it says nothing.

    Raises:
        InputError: see `ImageSource.rgb`.
    """
    with library_output() as lines:
        source.rgb(file_name)
    return damage_in(lines)
