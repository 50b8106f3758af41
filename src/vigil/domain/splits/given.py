"""Reads a given split: the side of each video, picture or clip by name.

Published data sets come with a split, and results on them can be compared only on the same split. A
given split is a CSV with the columns `name` and `side`, or a folder with a file for each side. Such
a file is a list with a name on each line (`train.txt`, `val.txt` and `test.txt`, as in Pascal VOC's
`ImageSets/Main`), or a COCO file, whose pictures count (`train.json`, `val.json` and `test.json`).
`hold_given` says where the other names go. A table without rows gives no side.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import pandas as pd

from vigil.domain.sides import SIDES, TEST, TRAIN, VAL
from vigil.plumbing.errors import FieldError, InputError, listed, shorten
from vigil.plumbing.records import read_json
from vigil.settings.split import Split

COLUMNS = ["name", "side"]
NOTHING_GIVEN: Mapping[str, str] = MappingProxyType({})
SUFFIXES = (".txt", ".json")
SIMILAR = {"training": TRAIN, "valid": VAL, "validation": VAL, "dev": VAL, "testing": TEST}
"""Names of lists that other programs write. They would be left out without a word."""
MARKS = frozenset({"1", "0", "-1"})
MARK = "\t"
"""What separates a name of a list from its mark, instead of the last space of the line."""

Branch = Literal["classifier", "detector", "segmenter", "alarm"]


def read_given(path: Path) -> dict[str, str]:
    """The given side of each name; empty if no side is given.

    A line of a list that ends in a mark may be a name with a second column, or a name that ends so.
    Its last space is `MARK`, and `hold_given` decides by the names of the data.

    Raises:
        InputError: no such file or folder, neither of the two forms, an unknown side, a list
            without names or with a name that is nearly that of a side, or a name on two sides.
    """
    pairs = list(_read_lists(path) if path.is_dir() else _read_table(path))
    sides: dict[str, str] = {}
    for name, side in pairs:
        if side not in SIDES:
            raise InputError(
                f"{path}: {shorten(name)}: expected one of {', '.join(SIDES)}, got {shorten(side)}"
            )
        if sides.setdefault(name, side) != side:
            raise InputError(
                f"{path}: expected each name on one side, got {shorten(name)} in {sides[name]} and "
                f"{side}"
            )
    return sides


class HeldSides(NamedTuple):
    """The sides after a given split was applied.

    Attributes:
        sides: the side of each row; "" for a row whose side is not drawn yet.
        open_sides: the sides that rows are drawn for; the first is `train`.
        given: the side that was given for each row; "" for a row without one.
    """

    sides: "pd.Series[str]"
    open_sides: tuple[str, ...]
    given: "pd.Series[str]"


def count_given(given: Mapping[str, str]) -> dict[str, dict[str, int]]:
    """`given`: the number of names by their given side; nothing if no side is given."""
    return {"given": dict(Counter(given.values()))} if given else {}


def hold_given(names: "pd.Series[str]", given: Mapping[str, str], branch: Branch) -> HeldSides:
    """Puts each name on its given side, and names without a given side where there is room.

    Prints how many names have no given side, and where they go: a list may have forgotten them.

    If a training side is given, nothing else is trained on: names without a side are the test side
    or, if that is given, the validation side. If no training side is given, they are used for
    training. A validation or test side that still has no names is drawn from the training side.

    Args:
        names: the names in the project, which are paths with slashes.
        given: the side of each name. A name may lack its ending or its folders if it is unique
            without them: lists of Pascal VOC have no endings.
        branch: the branch whose parameter gave them, for messages.

    Raises:
        FieldError: a given name that does not exist or fits several names, or a name with two given
            sides; if all three sides are given, a name without a side.
    """
    known = [str(name) for name in names.unique()]
    field = f"given.{branch}"
    given_of = _match(known, given, field)
    side_of = given_of | _place_the_rest(known, given_of, field)
    taken = set(side_of.values())
    open_sides = tuple(side for side in SIDES if side == TRAIN or side not in taken)
    if len(open_sides) > 1:  # the training side is still to be drawn from
        side_of = {name: side for name, side in side_of.items() if side != TRAIN}
    rest = TRAIN if len(open_sides) == 1 else ""
    others = [name for name in known if name not in given_of]
    if given_of and others:
        placed = {side_of.get(name, rest) for name in others} - {""}
        where = " and ".join(placed) or f"{' and '.join(open_sides)} are drawn from them"
        print(
            f"{Split.section}.{field}: {len(others)} of {len(known)} names have no given side: "
            f"{listed(others)}; {'they go to ' if placed else ''}{where}"
        )
    return HeldSides(
        names.map(lambda name: side_of.get(name, rest)),
        open_sides,
        names.map(lambda name: given_of.get(name, "")),
    )


def _place_the_rest(
    known: Collection[str], given_of: Mapping[str, str], field: str
) -> dict[str, str]:
    """The side of names without a given one, if a training side is given."""
    taken = set(given_of.values())
    rest = [name for name in known if name not in given_of]
    if TRAIN not in taken or not rest:
        return {}
    empty = [side for side in (TEST, VAL) if side not in taken]
    if not empty:
        raise FieldError(field, f"expected a side for each name, found none for {listed(rest)}")
    return dict.fromkeys(rest, empty[0])


def _match(known: Collection[str], given: Mapping[str, str], field: str) -> dict[str, str]:
    """The given sides by the full names in the project."""
    known, by_alias = set(known), defaultdict[str, set[str]](set)
    for name in known:
        for alias in {name, *_aliases(name)}:
            by_alias[alias].add(name)
    side_of: dict[str, str] = {}
    for line, side in given.items():
        # The whole line first: a video may be called "yard 1".
        for name in (line.replace(MARK, " "), line.partition(MARK)[0].strip()):
            name = PurePosixPath(name.replace("\\", "/")).as_posix() if name not in known else name
            hits = {name} if name in known else by_alias.get(name, set())
            if hits:
                break
        if len(hits) != 1:
            shown = (
                f"a name that fits {listed(hits)}" if hits else f"none of {listed(sorted(known))}"
            )
            raise FieldError(
                field,
                f"{shorten(line.replace(MARK, ' '))}: expected a name of the data, got {shown}",
            )
        known_name = hits.pop()
        if side_of.setdefault(known_name, side) != side:  # given by its name and by an alias
            raise FieldError(
                field,
                f"{shorten(known_name)}: expected one side, got {side_of[known_name]} and {side}",
            )
    return side_of


def _aliases(name: str) -> Iterable[str]:
    """Shorter forms of a name: without its ending, without its folders, and without both."""
    last = name.rsplit("/", 1)[-1]
    return {last, name.rsplit(".", 1)[0], last.rsplit(".", 1)[0]} - {name}


def _read_lists(folder: Path) -> Iterable[tuple[str, str]]:
    files = {side: [folder / f"{side}{suffix}" for suffix in SUFFIXES] for side in SIDES}
    existing = {side: [file for file in files[side] if file.is_file()] for side in SIDES}
    if not any(existing.values()):
        expected = ", ".join(f"{side}.txt" for side in SIDES)
        raise InputError(f"{folder}: expected one of {expected}, or .json of COCO, found none")
    for file in sorted(folder.iterdir()):
        side, ending = file.stem.casefold(), file.suffix.casefold()
        side = SIMILAR.get(side, side)
        if ending in SUFFIXES and side in SIDES and file.name != f"{side}{ending}":
            if existing[side]:
                existing[side].append(file)
                continue
            raise InputError(f"{file}: expected the name {side}{ending}, got {file.name}")
    for side, side_files in existing.items():
        if len(side_files) > 1:
            raise InputError(f"{folder}: expected one file for {side}, got {listed(side_files)}")
        for file in side_files:
            names = list(_read_coco(file) if file.suffix == ".json" else _read_list(file))
            if not names:
                raise InputError(
                    f"{file}: expected names, found none; without the file, {side} is drawn"
                )
            yield from ((name, side) for name in names)


def _read_list(file: Path) -> Iterable[str]:
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: expected UTF-8, got: {shorten(str(error))}") from None
    # Lists of one class have a second column, and after a file's name it may be the number of its
    # class, as in UCF101's. A name may hold spaces.
    for line in filter(None, map(str.strip, lines)):
        name, _, mark = line.rpartition(" ")
        is_mark = mark in MARKS or (mark.isdecimal() and PurePosixPath(name).suffix)
        yield f"{name}{MARK}{mark}" if name and is_mark else line


def _read_coco(file: Path) -> Iterable[str]:
    content: Any = read_json(file, is_foreign=True)
    images = content.get("images") if isinstance(content, dict) else None
    for image in images if isinstance(images, list) else [None]:
        name = image.get("file_name") if isinstance(image, dict) else None
        if not isinstance(name, str) or not name:
            raise InputError(f"{file}: expected COCO's images with a file_name each, got others")
        yield name


def _read_table(file: Path) -> Iterable[tuple[str, str]]:
    try:
        table = pd.read_csv(
            file, dtype=str, keep_default_na=False, encoding="utf-8-sig", skipinitialspace=True
        )
    except FileNotFoundError:
        raise InputError(
            f"{file}: expected a CSV of {', '.join(COLUMNS)}, or a folder of lists, found neither"
        ) from None
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: expected CSV, got: {shorten(str(error), 120)}") from None
    if not isinstance(table.index, pd.RangeIndex):  # pandas took the first cells as an index
        raise InputError(f"{file}: expected as many cells in each row as column names, got more")
    if list(table.columns) != COLUMNS:
        raise InputError(
            f"{file}: expected the columns {', '.join(COLUMNS)}, got {listed(table.columns)}"
        )
    yield from table.itertuples(index=False, name=None)
