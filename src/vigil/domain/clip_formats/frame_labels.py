"""Reads labels of anomalous frames: a CSV of ranges `video, start_frame, stop_frame[, label]`.

Frames are counted from 0, and `stop_frame` is exclusive. A video without a row is entirely normal.
"""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pandas as pd

from vigil.domain.clips.windows import MIXED
from vigil.plumbing.errors import InputError, listed, shorten

NORMAL, ANOMALOUS = "normal", "anomalous"
COLUMNS = ["video", "start_frame", "stop_frame"]
LABEL = "label"


@dataclass(frozen=True)
class FrameRange:
    """Frames that show something that is not allowed: [start_frame, stop_frame)."""

    start_frame: int
    stop_frame: int
    label: str


def read_frame_labels(file: Path) -> dict[str, list[FrameRange]]:
    """Reads the ranges of each video, in order.

    Raises:
        InputError: no such file, a missing column, a frame that is not a whole number, a range
            without frames or with the label `normal` or `MIXED` in any letter case, or two ranges
            of a video that overlap.
    """
    try:
        table = pd.read_csv(
            file, dtype=str, keep_default_na=False, encoding="utf-8-sig", skipinitialspace=True
        )
    except FileNotFoundError:
        raise InputError(f"{file}: expected a table of anomalous frames, found no file") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: expected CSV, got: {shorten(str(error), 120)}") from None
    if not isinstance(table.index, pd.RangeIndex):  # pandas took the first cells as an index
        raise InputError(f"{file}: expected as many cells in each row as column names, got more")
    names = [str(name).strip() for name in table.columns]
    if not set(COLUMNS) <= set(names) <= {*COLUMNS, LABEL}:
        raise InputError(
            f"{file}: expected the columns {', '.join(COLUMNS)} and perhaps {LABEL}, "
            f"got {listed(names)}"
        )
    table.columns = pd.Index(names)
    ranges_of: dict[str, list[FrameRange]] = {}
    for number, row in enumerate(table.to_dict("records"), start=2):
        ranges_of.setdefault(row["video"].strip(), []).append(_parse(row, f"{file}: line {number}"))
    for video, ranges in ranges_of.items():
        ranges.sort(key=lambda one: one.start_frame)
        for before, after in pairwise(ranges):
            if after.start_frame < before.stop_frame:
                raise InputError(
                    f"{file}: {video}: expected ranges that do not overlap, got "
                    f"{before.start_frame} to {before.stop_frame} and {after.start_frame} to "
                    f"{after.stop_frame}"
                )
    return ranges_of


def _parse(row: dict[str, str], place: str) -> FrameRange:
    numbers = []
    for name in COLUMNS[1:]:
        text = row[name].strip()
        if not text.isdecimal() or len(text) > 12:
            raise InputError(f"{place}: expected a whole number as {name}, got {shorten(text)}")
        numbers.append(int(text))
    start, stop = numbers
    if start >= stop:
        raise InputError(
            f"{place}: expected stop_frame (exclusive) after start_frame, got {start} and {stop}"
        )
    label = row.get(LABEL, "").strip() or ANOMALOUS
    if label.casefold() in {NORMAL, MIXED}:
        raise InputError(f"{place}: expected a label of an anomaly, got {shorten(label)}")
    return FrameRange(start, stop, label)
