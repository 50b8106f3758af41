"""The CSV of the Russian traffic sign dataset (RTSD): one row for each box.

Source: https://graphics.cs.msu.ru/projects/traffic-sign-recognition.html. Columns `filename`,
`x_from`, `y_from`, `width`, `height`, `sign_class`; others are ignored. `x_from` and `y_from` are
the 0-based first pixel, so that x2 = x_from + width. A picture without a row is not in the set, and
its size is not told.
"""

from pathlib import Path

import pandas as pd

from vigil.domain.formats.annotations import Annotations
from vigil.plumbing.errors import InputError, shorten
from vigil.plumbing.records import read_csv

CORNER_COLUMNS = ["x_from", "y_from", "width", "height"]
COLUMNS = ["filename", *CORNER_COLUMNS, "sign_class"]


def read_rtsd(file: Path) -> Annotations:
    """Reads a CSV file.

    Raises:
        InputError: no such file, not CSV, a missing column, a name or class left empty, or a
            coordinate that is no number; an empty one and "nan" are numbers that are none.
    """
    table = read_csv(file, dict.fromkeys(COLUMNS, str), is_own=False)
    for column in ("filename", "sign_class"):
        empty = table.index[table[column] == ""]
        if len(empty):
            raise InputError(f"{file}: row {empty[0] + 1}: expected a {column}, found none")
    corners = pd.DataFrame({name: _numbers(table[name], file) for name in CORNER_COLUMNS})
    names = sorted(table["filename"].unique())
    return Annotations.of(
        {
            "file_name": names,
            "width": [0] * len(names),
            "height": [0] * len(names),
            "video": [""] * len(names),
            "frame_index": [-1] * len(names),
            "place": [str(file)] * len(names),
        },
        {
            "image": table["filename"].tolist(),
            "label": table["sign_class"].tolist(),
            "x1": corners["x_from"].tolist(),
            "y1": corners["y_from"].tolist(),
            "x2": (corners["x_from"] + corners["width"]).tolist(),
            "y2": (corners["y_from"] + corners["height"]).tolist(),
            "is_crowd": [False] * len(table),
            "is_difficult": [False] * len(table),
            "place": [f"{file}: row {number}" for number in range(1, len(table) + 1)],
        },
    )


def _numbers(column: "pd.Series[str]", file: Path) -> "pd.Series[float]":
    given = column.str.strip()
    found = pd.to_numeric(given, errors="coerce")
    wrong = found.index[found.isna() & ~given.str.lower().isin(["", "nan"])]
    if len(wrong):
        raise InputError(
            f"{file}: row {wrong[0] + 1}: expected a number as {column.name}, "
            f"got {shorten(column[wrong[0]])}"
        )
    return found.astype("float64")
