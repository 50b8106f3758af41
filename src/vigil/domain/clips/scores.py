"""The table of clips and their scores: how unusual each clip is, by every scorer of a channel."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from vigil.domain.clips.verdicts import LARGEST_RATIO, ratio_of
from vigil.domain.sides import SIDES
from vigil.plumbing.errors import InputError, listed, shorten
from vigil.plumbing.records import read_csv, read_json, write_csv

NUM_DIGITS = 6
"""Significant digits of scores and thresholds. Later digits depend on how threads add up."""

CLIP_DTYPES = {"clip": str, "class": str, "source": str, "is_anomalous": bool, "split": str}

Floats = npt.NDArray[np.float64]


def column_of(channel: str, scorer: str) -> str:
    """The name of the column with the scores of a channel by a scorer."""
    return f"{channel}.{scorer}"


def raising_of(columns: Iterable[str]) -> dict[str, str]:
    """The scorer of each channel that raises the alarm: the first of its columns."""
    scorers: dict[str, str] = {}
    for name in columns:
        scorers.setdefault(name.split(".")[0], name)
    return scorers


def scorers_of(table: pd.DataFrame) -> list[str]:
    """The columns of a table that are scores, in order."""
    return [str(name) for name in table.columns if "." in str(name)]


def write_scores(clips: pd.DataFrame, file: Path) -> None:
    """Writes the columns of `CLIP_DTYPES` and all scores."""
    write_csv(clips[[*CLIP_DTYPES, *scorers_of(clips)]], file)


def read_scores(file: Path) -> pd.DataFrame:
    """Reads what `write_scores` wrote.

    Raises:
        InputError: no such file, not such a table, no score, an unknown side, a score that is not
            finite, or a clip that occurs twice.
    """
    names = _scorers_in(file)
    table = read_csv(file, {**CLIP_DTYPES, **dict.fromkeys(names, np.float64)})
    if other := set(table["split"]) - set(SIDES):
        raise InputError(
            f"{file}: expected one of {', '.join(SIDES)} as split, got {listed(other)}"
        )
    if not np.isfinite(table[list(names)].to_numpy()).all():
        raise InputError(f"{file}: expected finite scores, got others")
    if repeated := set(table.loc[table["clip"].duplicated(), "clip"]):
        raise InputError(f"{file}: expected each clip once, got more of {listed(repeated)}")
    return table[[*CLIP_DTYPES, *names]]


def _scorers_in(file: Path) -> Sequence[str]:
    """The names of the score columns in the header of a table."""
    try:
        with file.open(encoding="utf-8", newline="") as opened:
            head = next(csv.reader(opened), [])
    except FileNotFoundError:
        raise InputError(f"{file}: expected a table, found no such file") from None
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"{file}: expected a table, got: {shorten(str(error), 120)}") from None
    names = [name for name in head if "." in name and name.isprintable()]
    if not names or len(set(names)) < len(names):
        raise InputError(
            f"{file}: expected the columns {', '.join(CLIP_DTYPES)} and <channel>.<scorer> once "
            f"each, got {shorten(', '.join(head), 120)}"
        )
    return names


def round_digits(numbers: npt.ArrayLike, num_digits: int = NUM_DIGITS) -> Floats:
    """Rounds to a number of significant digits: 1234.5678 to 6 digits is 1234.57."""
    return np.char.mod(f"%.{num_digits}g", np.asarray(numbers, np.float64)).astype(np.float64)


def read_thresholds(file: Path) -> dict[str, float]:
    """Reads the threshold of each scorer, those that raise the alarm first.

    Raises:
        InputError: no such file, or not picked thresholds.
    """
    record = read_json(file)
    try:
        values = {str(name): float(entry["value"]) for name, entry in record["scorers"].items()}
        raising = [str(name) for name in record["raising"]]
        thresholds = {name: values[name] for name in (*raising, *values)}
    except (KeyError, TypeError, ValueError, AttributeError):
        raise InputError(f"{file}: expected picked thresholds, got {shorten(record)}") from None
    if not thresholds or not np.isfinite(list(thresholds.values())).all():
        raise InputError(f"{file}: expected finite thresholds, got {shorten(thresholds)}")
    return thresholds


def channel_ratios(clips: pd.DataFrame, thresholds: Mapping[str, float]) -> pd.DataFrame:
    """The ratio of each clip's score to its threshold, by channel: that which raises the alarm.

    Args:
        clips: scores of clips, by scorer.
        thresholds: one for each scorer.

    Raises:
        InputError: a scorer that raises the alarm has no threshold.
    """
    raising = raising_of(scorers_of(clips))
    if missing := set(raising.values()) - thresholds.keys():
        raise InputError(f"expected a threshold of each scorer, got none of {listed(missing)}")
    return pd.DataFrame(
        {
            channel: [
                min(ratio_of(score, thresholds[name]), LARGEST_RATIO) for score in clips[name]
            ]
            for channel, name in raising.items()
        },
        index=clips.index,
    )
