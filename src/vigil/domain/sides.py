"""The sides of a split (training, validation and test), as lists of ids on disk."""

from pathlib import Path

import pandas as pd

from vigil.plumbing.errors import InputError
from vigil.plumbing.records import read_json, write_json

TRAIN, VAL, TEST = "train", "val", "test"
SIDES = (TRAIN, VAL, TEST)


def write_sides(sides: "pd.Series[str]", folder: Path) -> None:
    """Writes `train.json`, `val.json` and `test.json`: lists of sample ids."""
    folder.mkdir()
    for side in SIDES:
        write_json(list(sides.index[sides == side]), folder / f"{side}.json")


def read_side(file: Path) -> list[str]:
    """Reads the list of one side.

    Raises:
        InputError: no such file or not a list of ids.
    """
    ids = read_json(file)
    if not isinstance(ids, list) or not all(isinstance(name, str) for name in ids):
        raise InputError(f"{file}: expected a list of sample ids")
    return ids
