"""The table of clips and their scores: how unusual each clip is, by every scorer."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from vigil.domain.sides import SIDES
from vigil.plumbing.errors import InputError, listed, shorten
from vigil.plumbing.records import read_csv, read_json, write_csv

AUTOENCODER = "autoencoder"
SCORERS = (AUTOENCODER, "mahalanobis", "nearest_neighbours")
NUM_DIGITS = 6
"""Significant digits of scores and thresholds. Later digits depend on how threads add up."""

CLIP_DTYPES = {"clip": str, "class": str, "source": str, "is_anomalous": bool, "split": str}
SCORE_DTYPES = {**CLIP_DTYPES, **dict.fromkeys(SCORERS, np.float64)}

Floats = npt.NDArray[np.float64]


def write_scores(clips: pd.DataFrame, file: Path) -> None:
    """Writes the columns of `SCORE_DTYPES`."""
    write_csv(clips[list(SCORE_DTYPES)], file)


def read_scores(file: Path) -> pd.DataFrame:
    """Reads what `write_scores` wrote.

    Raises:
        InputError: no such file, not such a table, an unknown side, a score that is not finite, or
            a clip that occurs twice.
    """
    table = read_csv(file, SCORE_DTYPES)
    if other := set(table["split"]) - set(SIDES):
        raise InputError(
            f"{file}: expected one of {', '.join(SIDES)} as split, got {listed(other)}"
        )
    if not np.isfinite(table[list(SCORERS)].to_numpy()).all():
        raise InputError(f"{file}: expected finite scores, got others")
    if repeated := set(table.loc[table["clip"].duplicated(), "clip"]):
        raise InputError(f"{file}: expected each clip once, got more of {listed(repeated)}")
    return table


def round_digits(numbers: npt.ArrayLike, num_digits: int = NUM_DIGITS) -> Floats:
    """Rounds to a number of significant digits: 1234.5678 to 6 digits is 1234.57."""
    return np.char.mod(f"%.{num_digits}g", np.asarray(numbers, np.float64)).astype(np.float64)


def read_thresholds(file: Path) -> dict[str, float]:
    """Reads the threshold of each scorer.

    Raises:
        InputError: no such file, or not picked thresholds.
    """
    record = read_json(file)
    try:
        thresholds = {str(name): float(entry["value"]) for name, entry in record["scorers"].items()}
    except (KeyError, TypeError, ValueError, AttributeError):
        raise InputError(f"{file}: expected picked thresholds, got {shorten(record)}") from None
    if not np.isfinite(list(thresholds.values())).all():
        raise InputError(f"{file}: expected finite thresholds, got {shorten(thresholds)}")
    return thresholds
