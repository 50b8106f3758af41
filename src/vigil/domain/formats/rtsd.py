"""Reads the CSV of the Russian traffic sign dataset (RTSD), which has one row for each box.

Source: https://graphics.cs.msu.ru/projects/traffic-sign-recognition.html. Columns `filename`,
`x_from`, `y_from`, `width`, `height`, `sign_class`; other columns are ignored. `x_from` and
`y_from` are the 0-based first pixel, so that x2 = x_from + width. A picture without a row is not in
the set. The sizes of pictures are unknown. Spaces around values are ignored and noted.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vigil.domain.boxes import CORNERS
from vigil.domain.formats.reading.annotations import Annotations
from vigil.domain.formats.reading.findings import SPACES, Entry, Findings
from vigil.domain.formats.reading.values import number_of
from vigil.plumbing.errors import InputError, shorten
from vigil.settings.import_detections import Policy

CORNER_COLUMNS = ["x_from", "y_from", "width", "height"]
COLUMNS = ["filename", *CORNER_COLUMNS, "sign_class"]
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
QUOTED = re.compile(r'"(?:[^"]|"")*"')
SPACE = re.compile(r"\s")
SPACE_FIRST = re.compile(r"(?:^|,) ")


def read_rtsd(file: Path, malformed: Policy, findings: Findings) -> Annotations:
    """Reads a CSV file in UTF-8, or in UTF-16 with a byte order mark.

    Args:
        malformed: what to do with a row that has more or fewer cells than columns, no file name, no
            class, text after a closing quote, or a coordinate that is not a number (an empty cell
            and "nan" are read as NaN): an error, or leave it out.

    Raises:
        InputError: no such file, not CSV, a missing column, a quote that is not closed in its line,
            or a malformed row if `malformed` is "error".
    """
    entry = Entry(malformed, findings)
    boxes: dict[str, list[Any]] = {key: [] for key in ("image", "label", "place", *CORNERS)}
    for row_number, names, line, cells in _rows(file):
        place = f"{file}: row {row_number}"
        with entry:
            if isinstance(cells, csv.Error):
                raise InputError(f"{place}: expected cells with commas between, got: {cells}")
            if len(cells) != len(names):
                more = "more" if len(cells) > len(names) else "fewer"
                raise InputError(
                    f"{place}: expected as many cells in each row as names in the first, got {more}"
                )
            row = dict(zip(names, cells, strict=True))
            texts = {column: _text(row, column, place) for column in ("filename", "sign_class")}
            x, y, width, height = (_number(row, column, place) for column in CORNER_COLUMNS)
            if SPACE.search(line):
                spaced = [row[column] for column in COLUMNS if row[column] != row[column].strip()]
                if spaced or SPACE_FIRST.search(QUOTED.sub("", line)):
                    findings.note(SPACES, [f"{place}: {shorten(spaced[0] if spaced else line)}"])
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


class _Lines:
    """The lines of a text. `taken` are those since it was last emptied."""

    def __init__(self, text: str) -> None:
        self._lines, self.taken = io.StringIO(text, newline=""), list[str]()

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        self.taken.append(next(self._lines))
        return self.taken[-1]


def _rows(file: Path) -> Iterator[tuple[int, list[str], str, list[str] | csv.Error]]:
    """Each row that is not blank: number, names of the columns, line, and cells or what is wrong.

    A row in several lines is refused. Its quote was most likely forgotten, and what follows would
    be read as one name.
    """
    lines = _Lines(_decoded(file))
    reader = csv.reader(lines, skipinitialspace=True, strict=True)
    names: list[str] = []
    number = 0
    while True:
        lines.taken.clear()
        cells: list[str] | csv.Error
        try:
            cells = next(reader, [])
        except csv.Error as error:
            cells = error
        line = "".join(lines.taken).rstrip("\r\n")
        if not line and lines.taken:
            continue
        if len(lines.taken) > 1 or (isinstance(cells, csv.Error) and not names):
            place = f"{file}: row {number + 1}" if names else f"{file}: the first row"
            raise InputError(
                f"{place}: expected a row in one line, with each quote closed, got {shorten(line)}"
            )
        if not names:
            names = _check_columns(file, [] if isinstance(cells, csv.Error) else cells)
        elif not lines.taken:
            return
        elif isinstance(cells, csv.Error) or any(cell.strip() for cell in cells):
            number += 1
            yield number, names, line, cells


def _decoded(file: Path) -> str:
    try:
        content = file.read_bytes()
        encoding = "utf-16" if content.startswith(UTF_16) else "utf-8-sig"
        return content.decode(encoding)
    except FileNotFoundError:
        raise InputError(f"{file}: expected a table, found no such file") from None
    except ValueError as error:
        raise InputError(
            f"{file}: expected the columns {', '.join(COLUMNS)}, got: {shorten(str(error), 120)}"
        ) from None


def _check_columns(file: Path, cells: list[str]) -> list[str]:
    names = [name.strip() for name in cells]
    if missing := [column for column in COLUMNS if names.count(column) != 1]:
        raise InputError(
            f"{file}: expected the columns {', '.join(COLUMNS)}, got none or several of {missing}"
        )
    return names


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
