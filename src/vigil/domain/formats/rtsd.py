"""Reads the CSV of the Russian traffic sign dataset (RTSD), which has one row for each box.

Source: https://graphics.cs.msu.ru/projects/traffic-sign-recognition.html. Columns `filename`,
`x_from`, `y_from`, `width`, `height`, `sign_class`; other columns are ignored. `x_from` and
`y_from` are the 0-based first pixel, so that x2 = x_from + width. A picture without a row is not in
the set. The sizes of pictures are unknown. Spaces after commas are ignored.
"""

import codecs
import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vigil.domain.formats.annotations import Annotations
from vigil.domain.formats.findings import SPACES, Entry, Findings
from vigil.domain.formats.values import number_of
from vigil.domain.pictures.annotated import CORNERS
from vigil.plumbing.errors import InputError, shorten
from vigil.settings.import_detections import Policy

CORNER_COLUMNS = ["x_from", "y_from", "width", "height"]
COLUMNS = ["filename", *CORNER_COLUMNS, "sign_class"]
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_rtsd(file: Path, malformed: Policy, findings: Findings) -> Annotations:
    """Reads a CSV file in UTF-8, or in UTF-16 with a byte order mark.

    Args:
        malformed: what to do with a row that has more or fewer cells than columns, no file name, no
            class, or a coordinate that is not a number (an empty cell and "nan" are read as NaN):
            an error, or leave it out.

    Raises:
        InputError: no such file, not CSV, a missing column, or a malformed row if `malformed` is
            "error".
    """
    entry = Entry(malformed, findings)
    boxes: dict[str, list[Any]] = {key: [] for key in ("image", "label", "place", *CORNERS)}
    for number, names, cells in _rows(file):
        place = f"{file}: row {number}"
        with entry:
            if len(cells) != len(names):
                more = "more" if len(cells) > len(names) else "fewer"
                raise InputError(
                    f"{place}: expected as many cells in each row as names in the first, got {more}"
                )
            row = dict(zip(names, cells, strict=True))
            texts = {column: _text(row, column, place) for column in ("filename", "sign_class")}
            x, y, width, height = (_number(row, column, place) for column in CORNER_COLUMNS)
            if spaced := [column for column in texts if row[column] != texts[column]]:
                findings.note(SPACES, [f"{place}: {shorten(row[spaced[0]])}"])
            boxes["image"].append(texts["filename"])
            boxes["label"].append(texts["sign_class"])
            boxes["place"].append(place)
            for corner, value in zip(CORNERS, (x, y, x + width, y + height), strict=True):
                boxes[corner].append(value)
    names = sorted(set(boxes["image"]))
    flags = [False] * len(boxes["image"])
    return Annotations.of(
        {
            "file_name": names,
            "width": [0] * len(names),
            "height": [0] * len(names),
            "video": [""] * len(names),
            "frame_index": [-1] * len(names),
            "place": [str(file)] * len(names),
        },
        {**boxes, "is_crowd": flags, "is_difficult": flags},
    )


def _rows(file: Path) -> Iterator[tuple[int, list[str], list[str]]]:
    """Each row that is not blank: its number, the names of the columns and its cells."""
    try:
        content = file.read_bytes()
        encoding = "utf-16" if content.startswith(UTF_16) else "utf-8-sig"
        text = content.decode(encoding)
    except FileNotFoundError:
        raise InputError(f"{file}: expected a table, found no such file") from None
    except ValueError as error:
        raise InputError(
            f"{file}: expected the columns {', '.join(COLUMNS)}, got: {shorten(str(error), 120)}"
        ) from None
    reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)
    try:
        names = [name.strip() for name in next(reader, [])]
        missing = [column for column in COLUMNS if names.count(column) != 1]
        if missing:
            raise InputError(
                f"{file}: expected the columns {', '.join(COLUMNS)}, "
                f"got none or several of {missing}"
            )
        filled = (cells for cells in reader if any(cell.strip() for cell in cells))
        yield from ((number, names, cells) for number, cells in enumerate(filled, start=1))
    except csv.Error as error:
        raise InputError(f"{file}: expected a table, got: {shorten(str(error), 120)}") from None


def _text(row: Mapping[str, str], column: str, place: str) -> str:
    if not (text := row[column].strip()):
        raise InputError(f"{place}: expected a {column}, found none")
    return text


def _number(row: Mapping[str, str], column: str, place: str) -> float:
    if not (text := row[column].strip()):
        return float("nan")
    if (number := number_of(text)) is None:
        raise InputError(f"{place}: expected a number as {column}, got {shorten(row[column])}")
    return number
