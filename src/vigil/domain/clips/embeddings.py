"""The table of embeddings: one vector for each window of each clip."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from vigil.plumbing.errors import InputError, shorten
from vigil.plumbing.records import read_csv, read_json, write_csv, write_json

INDEX_DTYPES = {
    "clip": str,
    "class": str,
    "source": str,
    "is_anomalous": bool,
    "split": str,
    "window": np.int64,
}
NUM_DIGITS = 6
"""Of scores and thresholds: the last ones depend on the order in which threads add up."""

ClipScore = Literal["mean", "max"]
"""How the scores of a clip's windows become the clip's."""

Floats = npt.NDArray[np.float64]
Vectors = npt.NDArray[np.float32]


def write_embeddings(
    index: pd.DataFrame, vectors: Vectors, facts: Mapping[str, Any], folder: Path
) -> None:
    """Writes `index.csv`, `vectors.npy` (N, D) in its order, and `facts.json`: what made them."""
    write_csv(index[list(INDEX_DTYPES)], folder / "index.csv")
    np.save(folder / "vectors.npy", np.ascontiguousarray(vectors, np.float32))
    write_json(facts, folder / "facts.json")


def read_embeddings(folder: Path) -> tuple[pd.DataFrame, Vectors, dict[str, Any]]:
    """Reads what `write_embeddings` wrote.

    Raises:
        InputError: a file is missing or damaged, or they do not fit each other.
    """
    index = read_csv(folder / "index.csv", INDEX_DTYPES)
    path = folder / "vectors.npy"
    try:
        vectors = np.load(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected vectors, got: {shorten(str(error))}") from None
    if vectors.dtype != np.float32 or vectors.ndim != 2 or len(vectors) != len(index):
        raise InputError(
            f"{path}: expected ({len(index)}, D) float32, got {vectors.shape} {vectors.dtype}"
        )
    if not np.isfinite(vectors).all():
        clip = index["clip"][int(np.argmax(~np.isfinite(vectors).all(axis=1)))]
        raise InputError(f"{path}: {clip}: expected finite numbers, got others")
    return index, vectors, read_json(folder / "facts.json")


def score_clips(index: pd.DataFrame, scores: Floats, clip_score: ClipScore) -> pd.DataFrame:
    """From a score for each window to a table of clips.

    Returns:
        `clip`, `class`, `source`, `is_anomalous`, `split` and `error`, to `NUM_DIGITS` that count,
        in the order of `index`.
    """
    columns = ["clip", "class", "source", "is_anomalous", "split"]
    table = index[columns].assign(error=scores)
    table = table.groupby(columns, sort=False)["error"].agg(clip_score).reset_index()
    return table.assign(error=round_digits(table["error"].to_numpy()))


def round_digits(numbers: npt.ArrayLike, num_digits: int = NUM_DIGITS) -> Floats:
    """Rounds to so many digits that count: 1234.5678 to 6 is 1234.57."""
    return np.char.mod(f"%.{num_digits}g", np.asarray(numbers, np.float64)).astype(np.float64)
