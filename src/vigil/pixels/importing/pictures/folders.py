"""Lists the files of a folder of pictures, and matches them with the names in annotations."""

import os
import zipfile
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path, PurePosixPath

from vigil.domain.formats.reading.annotations import Annotations
from vigil.domain.formats.reading.checks import UNLISTED
from vigil.domain.formats.reading.findings import HIDDEN, OTHER_NAME, Findings
from vigil.domain.formats.reading.names import match_names
from vigil.pixels.pictures.archives import DAMAGED
from vigil.pixels.pictures.images import ARCHIVE_SUFFIX
from vigil.plumbing.folders import is_hidden

PICTURE_SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}


def find_pictures(
    read: Annotations, images: Path, findings: Findings, labels: Collection[str] = ()
) -> Annotations:
    """Renames annotated pictures to the names of their files, and notes files without annotation.

    Args:
        read: annotations as they were read.
        images: the folder of the pictures.
        findings: receives renamed pictures, hidden files and files without annotation.
        labels: the names of pictures that are annotations themselves.
    """
    files, hidden = files_below(images)
    names = set(read.pictures["file_name"])
    if names - set(files):
        present = {*files, *entries_below(images, files), *names.intersection(hidden)}
        file_of = match_names(names, present)
        findings.note(OTHER_NAME, [f"{name} is {file}" for name, file in sorted(file_of.items())])
        read = read.renamed(file_of)
        names = set(read.pictures["file_name"])
    findings.note(HIDDEN, [name for name in hidden if name not in names and is_picture(name)])
    # A file without annotation holds no objects, or was forgotten by the annotators.
    names |= set(labels)
    findings.note(UNLISTED, [name for name in files if name not in names and is_picture(name)])
    return read


def files_below(root: Path) -> tuple[list[str], list[str]]:
    """The names of all visible files below a folder, and of all hidden ones, each sorted."""
    shown: list[str] = []
    hidden: list[str] = []
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name).relative_to(root)
            (hidden if is_hidden(path) else shown).append(path.as_posix())
    return sorted(shown), sorted(hidden)


def entries_below(root: Path, files: Iterable[str]) -> list[str]:
    """The names of the entries of all archives among a folder's files; sorted.

    An archive that cannot be opened counts as empty here. Reading a picture from it raises an
    error later.

    Args:
        files: names of files below `root`.
    """
    entries: list[str] = []
    for archive in files:
        if archive.lower().endswith(ARCHIVE_SUFFIX):
            with suppress(*DAMAGED), zipfile.ZipFile(root / archive) as opened:
                entries += [f"{archive}/{name}" for name in opened.namelist()]
    return sorted(name for name in entries if ".." not in PurePosixPath(name).parts)


def is_picture(name: str) -> bool:
    """Whether the suffix of a file's name is that of a picture."""
    return PurePosixPath(name).suffix.lower() in PICTURE_SUFFIXES
