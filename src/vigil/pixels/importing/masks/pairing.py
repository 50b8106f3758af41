"""Finds the picture of each mask picture, by their names."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from vigil.pixels.importing.masks.meanings import (
    Meaning,
    decide,
    meanings_of,
    num_equal_folders,
)
from vigil.pixels.importing.pictures.folders import files_below, is_picture
from vigil.plumbing.errors import InputError, listed, shorten

LOSSLESS = {".bmp", ".gif", ".png", ".tif", ".tiff"}
"""Kinds of mask pictures."""
LOSSY = {".jpeg", ".jpg"}
"""JPEG changes the values of masks."""
Stems = Mapping[str, Sequence[str]]
"""The names of pictures by their names without folders and endings."""


def pair_masks(root: Path, images: Path, *, several: bool) -> dict[str, list[str]]:
    """The masks below `root` of each picture below `images`, by the picture's name; sorted.

    A mask belongs to the picture with the same name without ending, or with the longest name that
    the mask's name begins with, followed by a sign that is no letter or digit: `street_L.png`
    belongs to `street.jpg`. With several masks of a picture, a mask may also be in a folder with
    the name of the picture (`decide`). Of several pictures of one name, the one in the most similar
    folder counts. If a picture has one mask, no number may follow its name: `street_2.png` is the
    mask of `street_2.jpg`, and not of `street.jpg`.

    Args:
        several: whether a picture may have several masks.

    Raises:
        InputError: no mask, a mask without a picture or that may belong to several, or a picture
            with several masks.
    """
    if not root.is_dir():
        raise InputError(f"{root}: expected a folder of mask pictures, found none")
    masks = _masks_below(root)
    _check_lossless(root, images, masks)
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
    meant = {mask: _meaning(mask, by_stem, root, several=several) for mask in masks}
    if several:
        _check_names(meant, root)
    pairs: dict[str, list[str]] = defaultdict(list)
    for mask, meaning in meant.items():
        pairs[_picture_of(mask, meaning, by_stem, root)].append(mask)
    if not several:
        for name, files in pairs.items():
            if len(files) > 1:
                raise InputError(
                    f"{root}: expected one mask for {shorten(name)}, got {listed(files)}"
                )
    return {name: pairs[name] for name in sorted(pairs)}


def _check_lossless(root: Path, images: Path, masks: Sequence[str]) -> None:
    """Refuses masks that are JPEGs: those below `root` that are no pictures below `images`.

    If the pictures are below `root`, other JPEGs there may be other pictures. Then a JPEG is a mask
    if it is in a folder of masks. If `root` is below `images`, a JPEG is a mask if the pictures
    elsewhere have its name.

    Raises:
        InputError: there is such a mask.
    """
    lossy = [name for name in files_below(root)[0] if _suffix(name) in LOSSY]
    if not lossy:
        return
    whole, holder = root.resolve(), images.resolve()
    folders = {PurePosixPath(name).parent for name in masks}
    elsewhere = {
        PurePosixPath(name).stem
        for name in files_below(images)[0]
        if is_picture(name) and not (holder / name).is_relative_to(whole)
    }
    for name in lossy:
        path = PurePosixPath(name)
        if (whole / name).is_relative_to(holder):
            is_mask = path.stem in elsewhere
        else:
            is_mask = path.parent in folders or not holder.is_relative_to(whole)
        if is_mask:
            raise InputError(
                f"{root / name}: expected masks in a format that keeps values (PNG, BMP, GIF or "
                "TIFF), got JPEG"
            )


def masks_among(root: Path, images: Path) -> set[str]:
    """The names below `images` of the mask pictures below `root`."""
    masks = {(root / name).resolve() for name in _masks_below(root)}
    return {name for name in files_below(images)[0] if (images / name).resolve() in masks}


def _masks_below(root: Path) -> list[str]:
    return [name for name in files_below(root)[0] if _suffix(name) in LOSSLESS]


def _meaning(mask: str, by_stem: Stems, root: Path, *, several: bool) -> Meaning:
    """What a mask's path means.

    Raises:
        InputError: no picture, one of another number, or one of two of which nothing tells which.
    """
    meanings = meanings_of(mask, by_stem, folders=several)
    if not meanings:
        raise InputError(f"{root / mask}: expected a picture of the same name, found none")
    chosen = meanings[0]
    ending = chosen.path.name[len(chosen.stem) :]
    if not several and ending[1:2].isdecimal():
        raise InputError(
            f"{root / mask}: expected a picture of the same name, found none but "
            f"{shorten(by_stem[chosen.stem][0])}, which has another number"
        )
    for outer in meanings[1:]:
        one = _most_similar(chosen, by_stem)[0]
        others = _most_similar(outer, by_stem)
        if one in others:
            chosen = outer if outer.is_exact and others == [one] else chosen
            continue
        decided = {decide(chosen, one, outer, other) for other in others}
        if len(decided) > 1 or None in decided:
            raise InputError(
                f"{root / mask}: expected the mask of one picture, got a name that may mean "
                f"{shorten(one)} in a folder that may mean {shorten(others[0])}"
            )
        chosen = decided.pop() or chosen
    return chosen


def _check_names(meant: Mapping[str, Meaning], root: Path) -> None:
    """Refuses masks whose names fit several pictures, where no other mask tells which is meant.

    The whole name counts if the other picture has a mask of its whole name, too. A name with an
    ending counts if another mask, whose name fits one picture alone, has an ending of this kind,
    and none has one of the kind that the other picture needs.

    Raises:
        InputError: there is such a mask.
    """
    whole = {one.stem for one in meant.values() if one.is_exact}
    known = {one.kind_of_ending(one.stem) for one in meant.values() if not one.shorter}
    for mask, one in meant.items():
        if one.is_exact:
            doubts = [] if one.depth else [stem for stem in one.shorter if stem not in whole]
        elif one.kind_of_ending(one.stem) in known:
            doubts = [stem for stem in one.shorter if one.kind_of_ending(stem) in known]
        else:
            doubts = list(one.shorter)
        if doubts:
            raise InputError(
                f"{root / mask}: expected the mask of one picture, got a name that may mean "
                f"{shorten(doubts[0])} and {shorten(one.stem)}; in a folder {shorten(one.stem)} or "
                f"{shorten(doubts[0])}, it would be clear"
            )


def _picture_of(mask: str, meaning: Meaning, by_stem: Stems, root: Path) -> str:
    chosen = _most_similar(meaning, by_stem)
    if len(chosen) > 1:
        raise InputError(
            f"{root / mask}: expected one picture of the same name, found {listed(chosen)}"
        )
    return chosen[0]


def _most_similar(meaning: Meaning, by_stem: Stems) -> list[str]:
    """Of the pictures of a name, those in the folder that is most like the mask's."""
    candidates = by_stem[meaning.stem]
    likeness = [_likeness(meaning.path, PurePosixPath(name)) for name in candidates]
    best = max(likeness)
    return [name for name, one in zip(candidates, likeness, strict=True) if one == best]


def _likeness(mask: PurePosixPath, picture: PurePosixPath) -> tuple[int, int]:
    """How similar the folders of two files are: equal ones at the end, then equal first letters."""
    mask_folder, picture_folder = mask.parent.name, picture.parent.name
    is_start = picture_folder and mask_folder.startswith(picture_folder)
    return num_equal_folders(mask, picture), len(picture_folder) if is_start else 0


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()
