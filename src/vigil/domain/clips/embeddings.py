"""The table of embeddings: one vector for each window of each video."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from vigil.plumbing.errors import InputError, shorten
from vigil.plumbing.records import read_csv, read_json, write_csv, write_json

INDEX_DTYPES = {"video": str, "start_s": np.float64, "stop_s": np.float64}
Vectors = npt.NDArray[np.float32]


def write_embeddings(
    index: pd.DataFrame, vectors: Vectors, facts: Mapping[str, Any], folder: Path
) -> None:
    """Writes `index.csv`, `vectors.npy` (N, D) in its order, and `facts.json` about the encoder."""
    write_csv(index[list(INDEX_DTYPES)], folder / "index.csv")
    np.save(folder / "vectors.npy", np.ascontiguousarray(vectors, np.float32))
    write_json(facts, folder / "facts.json")


def read_embeddings(folder: Path) -> tuple[pd.DataFrame, Vectors, dict[str, Any]]:
    """Reads what `write_embeddings` wrote.

    Raises:
        InputError: a file is missing or damaged, or the files do not belong together.
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
        video = index["video"][int(np.argmax(~np.isfinite(vectors).all(axis=1)))]
        raise InputError(f"{path}: {video}: expected finite numbers, got others")
    return index, vectors, read_json(folder / "facts.json")
