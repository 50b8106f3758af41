"""Names of pictures as annotations tell them, and the files that were meant.

Annotations are made on another machine: its folders stand before names, its system wrote accents in
another way (macOS keeps "é" as "e" and an accent), and some tools leave the ending away.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from pathlib import PurePosixPath

ENDING = re.compile(r"\.(bmp|gif|jpe?g|png|ppm|tiff?|webp)$", re.IGNORECASE)
DRIVE = re.compile(r"^[A-Za-z]:")

Parts = tuple[str, ...]


def match_names(told: Collection[str], present: Collection[str]) -> dict[str, str]:
    """Which file is meant by each name that no file has.

    A file answers to a name that is the same but for its Unicode form and slashes, and that has
    more folders in front, or fewer; where none does, to one that lacks its ending, or has one that
    it lacks. A file with all of a name's folders but the first few counts more than one with fewer.
    That counts where exactly one file answers that nobody names as it is, and to no other name.

    Returns:
        The file by name: only what was found, and no name that a file has.
    """
    missing = sorted(set(told) - set(present))
    if not missing:
        return {}
    files = {file: _parts(file) for file in sorted(set(present) - set(told))}
    names = {name: _parts(name) for name in missing}
    found = _answers(names, files)
    left = {name: parts for name, parts in names.items() if name not in found}
    bare, whole = _split_by_ending(files)
    bare_left, whole_left = _split_by_ending(left)
    found |= _answers(bare_left, {file: _without_ending(parts) for file, parts in whole.items()})
    found |= _answers({name: _without_ending(parts) for name, parts in whole_left.items()}, bare)
    used = Counter(files[0] for files in found.values())
    return {name: files[0] for name, files in found.items() if len(files) == 1 == used[files[0]]}


def _answers(names: Mapping[str, Parts], files: Mapping[str, Parts]) -> dict[str, list[str]]:
    """The files that answer to each name, of those that have the most of its folders."""
    by_whole: dict[Parts, list[str]] = defaultdict(list)
    by_tail: dict[Parts, list[str]] = defaultdict(list)
    for file, parts in files.items():
        by_whole[parts].append(file)
        for start in range(1, len(parts)):
            by_tail[parts[start:]].append(file)
    found = {}
    for name, parts in names.items():
        tails = (by_whole.get(parts[start:]) for start in range(len(parts)))
        if answers := next(filter(None, tails), None) or by_tail.get(parts):
            found[name] = answers
    return found


def _parts(name: str) -> Parts:
    """Of a path on any system, from below its root or its last ".." on, in one Unicode form."""
    text = DRIVE.sub("", unicodedata.normalize("NFC", name).replace("\\", "/"))
    parts: list[str] = []
    for part in PurePosixPath(text.lstrip("/")).parts:
        parts = [] if part == ".." else [*parts, part]
    return tuple(parts)


def _split_by_ending(
    parts_of: Mapping[str, Parts],
) -> tuple[dict[str, Parts], dict[str, Parts]]:
    """Those without the ending of a picture, and those with one."""
    bare: dict[str, Parts] = {}
    whole: dict[str, Parts] = {}
    for name, parts in parts_of.items():
        if parts:
            (whole if ENDING.search(parts[-1]) else bare)[name] = parts
    return bare, whole


def _without_ending(parts: Parts) -> Parts:
    return (*parts[:-1], ENDING.sub("", parts[-1]))
