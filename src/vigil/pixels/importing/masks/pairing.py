"""Finds the picture of each mask picture, by their names."""

import re
from collections import defaultdict
from pathlib import Path, PurePosixPath

from vigil.pixels.importing.pictures.folders import files_below, is_picture
from vigil.plumbing.errors import InputError, listed, shorten

LOSSLESS = {".bmp", ".gif", ".png", ".tif", ".tiff"}
"""Kinds of mask pictures; JPEG changes values."""
END = re.compile(r"[^0-9A-Za-z]")
"""What may follow the name of a picture in the name of a mask."""


def pair_masks(root: Path, images: Path, *, several: bool) -> dict[str, list[str]]:
    """The masks below `root` of each picture below `images`, by the picture's name; sorted.

    A mask belongs to the picture with the same name without ending, or with the longest name that
    the mask's name begins with, followed by a sign that is no letter or digit: `street_L.png`
    belongs to `street.jpg`. With several masks of a picture, a mask may also be in a folder with
    the name of the picture. Of several pictures of one name, the one in the most similar folder
    counts. If a picture has one mask, no number may follow its name: `street_2.png` is the mask of
    `street_2.jpg`, and not of `street.jpg`.

    Args:
        several: whether a picture may have several masks.

    Raises:
        InputError: no mask, a mask without a picture or with several, or a picture with several
            masks.
    """
    if not root.is_dir():
        raise InputError(f"{root}: expected a folder of mask pictures, found none")
    masks = _masks_below(root)
    own = {(root / name).resolve() for name in masks}
    pictures = [
        name
        for name in files_below(images)[0]
        if is_picture(name) and (images / name).resolve() not in own
    ]
    if not masks or not pictures:
        missing = (root, "masks (PNG, BMP, GIF or TIFF)") if not masks else (images, "pictures")
        raise InputError(f"{missing[0]}: expected {missing[1]}, found none")
    by_stem: dict[str, list[str]] = defaultdict(list)
    for name in pictures:
        by_stem[PurePosixPath(name).stem].append(name)
    pairs: dict[str, list[str]] = defaultdict(list)
    for mask in masks:
        pairs[_picture_of(mask, by_stem, root, several=several)].append(mask)
    if not several:
        for name, files in pairs.items():
            if len(files) > 1:
                raise InputError(
                    f"{root}: expected one mask for {shorten(name)}, got {listed(files)}"
                )
    return {name: pairs[name] for name in sorted(pairs)}


def masks_among(root: Path, images: Path) -> set[str]:
    """The names below `images` of the mask pictures below `root`."""
    masks = {(root / name).resolve() for name in _masks_below(root)}
    return {name for name in files_below(images)[0] if (images / name).resolve() in masks}


def _masks_below(root: Path) -> list[str]:
    return [name for name in files_below(root)[0] if _suffix(name) in LOSSLESS]


def _picture_of(mask: str, by_stem: dict[str, list[str]], root: Path, *, several: bool) -> str:
    path = PurePosixPath(mask)
    stems = [path.stem, *(path.parent.parts[::-1] if several else ())]
    found = next((hit for stem in stems if (hit := _longest(stem, by_stem))), "")
    if not found:
        raise InputError(f"{root / mask}: expected a picture of the same name, found none")
    if not several and path.stem[len(found) + 1 : len(found) + 2].isdecimal():
        raise InputError(
            f"{root / mask}: expected a picture of the same name, found none but "
            f"{shorten(by_stem[found][0])}, which has another number"
        )
    candidates = by_stem[found]
    best = max(_likeness(mask, name) for name in candidates)
    chosen = [name for name in candidates if _likeness(mask, name) == best]
    if len(chosen) > 1:
        raise InputError(
            f"{root / mask}: expected one picture of the same name, found {listed(chosen)}"
        )
    return chosen[0]


def _longest(stem: str, by_stem: dict[str, list[str]]) -> str:
    """The longest stem of a picture that a mask's stem is or begins with; "" if there is none."""
    if stem in by_stem:
        return stem
    ends = [match.start() for match in END.finditer(stem)]
    return next((stem[:end] for end in reversed(ends) if stem[:end] in by_stem), "")


def _likeness(mask: str, picture: str) -> tuple[int, int]:
    """How similar the folders of two files are: equal ones at the end, then equal first letters."""
    folders = [PurePosixPath(name).parent.parts[::-1] for name in (mask, picture)]
    num_equal = 0
    for one, other in zip(*folders, strict=False):
        if one != other:
            break
        num_equal += 1
    last = [parts[0] if parts else "" for parts in folders]
    num_letters = len(last[1]) if last[1] and last[0].startswith(last[1]) else 0
    return num_equal, num_letters


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()
