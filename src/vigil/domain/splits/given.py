"""A split that someone gives: the side of each video, picture or clip by name.

Published data sets come with one, and numbers compare with others only on it. It is a CSV with the
columns `name` and `side`, or a folder of lists `train.txt`, `val.txt`, `test.txt` (such as Pascal
VOC's `ImageSets/Main`), a name on each line. A side that is not given is drawn from the training
side; a table without rows gives none.
"""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import pandas as pd

from vigil.domain.sides import SIDES, TRAIN
from vigil.plumbing.errors import FieldError, InputError, listed, shorten

COLUMNS = ["name", "side"]
NOTHING_GIVEN: Mapping[str, str] = MappingProxyType({})


def read_given(path: Path) -> dict[str, str]:
    """The side of each name that is given; empty where none is.

    Raises:
        InputError: no such file or folder, not of either form, an unknown side, or a name on two.
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
    """What a given split leaves to be drawn.

    Attributes:
        sides: the side of each row, "" for one that is still to be drawn.
        open_sides: the sides that are drawn, `train` the first of them.
    """

    sides: "pd.Series[str]"
    open_sides: tuple[str, ...]


def hold_given(names: "pd.Series[str]", given: Mapping[str, str]) -> HeldSides:
    """Puts each name on its given side; what is left is drawn for the sides that are not given.

    A validation or test side that is not given is drawn from the given training side and from the
    names on no side. Where both are given and no training side is, the names on no side train.

    Args:
        names: as the project has them, paths with slashes.
        given: a name may lack its ending or its folders, where it is unique without: lists of
            Pascal VOC have no endings.

    Raises:
        FieldError: a given name that is not among them or stands for several, or a name that is
            given two sides; where all three sides are given, a name that is on none.
    """
    known = [str(name) for name in names.unique()]
    side_of = _match(known, given)
    open_sides = tuple(side for side in SIDES if side == TRAIN or side not in given.values())
    if len(open_sides) == 1:
        left = set(known) - side_of.keys()
        if left and TRAIN in given.values():
            raise FieldError(
                "given", f"expected a side for each name, found none for {listed(left)}"
            )
        return HeldSides(names.map(lambda name: side_of.get(name, TRAIN)), open_sides)
    fixed = {name: side for name, side in side_of.items() if side != TRAIN}
    return HeldSides(names.map(lambda name: fixed.get(name, "")), open_sides)


def _match(known: Collection[str], given: Mapping[str, str]) -> dict[str, str]:
    """The given sides by the names as they are known."""
    by_alias: dict[str, set[str]] = {}
    for name in known:
        for alias in {name, *_aliases(name)}:
            by_alias.setdefault(alias, set()).add(name)
    side_of: dict[str, str] = {}
    for name, side in given.items():
        found = {name} if name in known else by_alias.get(name, set())
        if len(found) != 1:
            got = f"one that stands for {listed(found)}" if found else "one that is not there"
            raise FieldError("given", f"{shorten(name)}: expected a name of the data, got {got}")
        known_name = found.pop()
        if side_of.setdefault(known_name, side) != side:  # by its name and by a shorter one
            raise FieldError(
                "given",
                f"{shorten(known_name)}: expected one side, got {side_of[known_name]} and {side}",
            )
    return side_of


def _aliases(name: str) -> Iterable[str]:
    """What a list may call a name: without its ending, and without its folders."""
    last = name.rsplit("/", 1)[-1]
    return {last, name.rsplit(".", 1)[0], last.rsplit(".", 1)[0]} - {name}


def _read_lists(folder: Path) -> Iterable[tuple[str, str]]:
    files = {side: folder / f"{side}.txt" for side in SIDES}
    if not any(file.is_file() for file in files.values()):
        expected = ", ".join(file.name for file in files.values())
        raise InputError(f"{folder}: expected one of {expected}, found none")
    for side, file in files.items():
        if not file.is_file():
            continue
        try:
            lines = file.read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise InputError(f"{file}: expected UTF-8, got: {shorten(str(error))}") from None
        # Lists of one class have a second column: 1, 0 or -1. A name may hold spaces.
        for line in filter(None, map(str.strip, lines)):
            name, _, mark = line.rpartition(" ")
            yield (name.strip() if name and mark in {"1", "0", "-1"} else line), side


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
    if not isinstance(table.index, pd.RangeIndex):  # pandas made one of the first cells
        raise InputError(f"{file}: expected as many cells in each row as names, got more")
    if list(table.columns) != COLUMNS:
        raise InputError(
            f"{file}: expected the columns {', '.join(COLUMNS)}, got {listed(table.columns)}"
        )
    yield from table.itertuples(index=False, name=None)
