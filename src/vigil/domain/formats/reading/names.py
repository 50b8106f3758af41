"""Finds the files for the names of pictures in annotations.

Annotations often come from another machine. Names may start with its folders, its system may encode
accents in another way (macOS stores "é" as "e" and an accent), and some tools omit the ending.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from pathlib import PurePosixPath

ENDING = re.compile(r"\.(bmp|gif|jpe?g|png|ppm|tiff?|webp)$", re.IGNORECASE)
DRIVE = re.compile(r"^[A-Za-z]:")

Parts = tuple[str, ...]


def match_names(annotated: Collection[str], present: Collection[str]) -> dict[str, str]:
    """Finds the file for each name that does not exist as a file.

    A file fits a name if both are equal in Unicode form NFC and with forward slashes; one of them
    may have more folders in front. If no file fits a name, files are tried where only the name or
    only the file has an ending. Files that share more folders with the name are preferred. A file
    whose exact name is annotated fits no other name.

    A name gets a file only if exactly one file fits, and if this file fits no other name.

    Args:
        annotated: the names in annotations.
        present: the names of the files.

    Returns:
        The file by name, without names that exist as files and names without a file.
    """
    missing = sorted(set(annotated) - set(present))
    if not missing:
        return {}
    files = {file: parts_of(file) for file in sorted(set(present) - set(annotated))}
    names = {name: parts_of(name) for name in missing}
    hits = _find(names, files)
    rest = {name: parts for name, parts in names.items() if name not in hits}
    bare, whole = _split_by_ending(files)
    bare_rest, whole_rest = _split_by_ending(rest)
    hits |= _find(bare_rest, {file: _without_ending(parts) for file, parts in whole.items()})
    hits |= _find({name: _without_ending(parts) for name, parts in whole_rest.items()}, bare)
    used = Counter(files[0] for files in hits.values())
    return {name: files[0] for name, files in hits.items() if len(files) == 1 == used[files[0]]}


def _find(names: Mapping[str, Parts], files: Mapping[str, Parts]) -> dict[str, list[str]]:
    """The files that fit each name, and share the most folders with it."""
    # Files by their complete path, and by each shorter path without the first folders.
    by_whole: dict[Parts, list[str]] = defaultdict(list)
    by_tail: dict[Parts, list[str]] = defaultdict(list)
    for file, parts in files.items():
        by_whole[parts].append(file)
        for start in range(1, len(parts)):
            by_tail[parts[start:]].append(file)
    hits = {}
    for name, parts in names.items():
        tails = (by_whole.get(parts[start:]) for start in range(len(parts)))
        if fitting := next(filter(None, tails), None) or by_tail.get(parts):
            hits[name] = fitting
    return hits


def parts_of(name: str) -> Parts:
    """The parts of a path of any system after its root or its last "..", in Unicode form NFC."""
    text = DRIVE.sub("", unicodedata.normalize("NFC", name).replace("\\", "/"))
    parts: list[str] = []
    for part in PurePosixPath(text.lstrip("/")).parts:
        parts = [] if part == ".." else [*parts, part]
    return tuple(parts)


def _split_by_ending(
    named: Mapping[str, Parts],
) -> tuple[dict[str, Parts], dict[str, Parts]]:
    """The names without the ending of a picture, and the names with one."""
    bare: dict[str, Parts] = {}
    whole: dict[str, Parts] = {}
    for name, parts in named.items():
        if parts:
            (whole if ENDING.search(parts[-1]) else bare)[name] = parts
    return bare, whole


def _without_ending(parts: Parts) -> Parts:
    return (*parts[:-1], ENDING.sub("", parts[-1]))
