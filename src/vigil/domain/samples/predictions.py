"""Predictions: the probability of a person in each sample, beside the sample's index."""

from pathlib import Path

import numpy as np
import pandas as pd

from vigil.domain.samples.index import INDEX_DTYPES, LABELS
from vigil.domain.sides import SIDES, TEST
from vigil.plumbing.errors import InputError, listed, shorten
from vigil.plumbing.records import read_csv, write_csv

NAME = "probabilities.csv"
MAX_SIDE_PX = 1_000_000
DTYPES = {**INDEX_DTYPES, "split": str, "probability": np.float64}


def write_predictions(samples: pd.DataFrame, folder: Path) -> None:
    """Writes the columns of `DTYPES`, a row for each sample."""
    write_csv(samples[list(DTYPES)], folder / NAME)


def read_predictions(folder: Path) -> pd.DataFrame:
    """Reads what `write_predictions` wrote.

    Raises:
        InputError: no such file, not such a table, or values that no prediction can have.
    """
    table = read_csv(folder / NAME, DTYPES)
    for column, is_right in (
        ("label", table["label"].isin(LABELS)),
        ("split", table["split"].isin(SIDES)),
        ("probability", table["probability"].between(0, 1)),
        ("height_px", table["height_px"].between(0, MAX_SIDE_PX)),
    ):
        if not is_right.all():
            value = table[column][~is_right].tolist()[0]
            raise InputError(f"{folder / NAME}: expected a valid {column}, got {shorten(value)}")
    if missing := set(LABELS) - set(table.loc[table["split"] == TEST, "label"]):
        raise InputError(
            f"{folder / NAME}: expected samples of each class in {TEST}, found no {listed(missing)}"
        )
    return table
