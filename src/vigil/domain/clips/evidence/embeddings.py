"""The evidence of windows on disk: a folder of four files for each channel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from vigil.domain.clips.evidence.pieces import OBJECTS, Pieces, join_evidence
from vigil.plumbing.errors import InputError, shorten
from vigil.plumbing.records import read_csv, read_json, write_csv, write_json

INDEX_DTYPES = {"video": str, "start_s": np.float64, "stop_s": np.float64, "num_pieces": np.int64}
NUM_PLACES = 8
"""Numbers of the place of a piece: its box, x1 y1 x2 y2, the start and end of its span, and the
width and height of the frames."""
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Embedding:
    """The evidence of one channel in all windows.

    Attributes:
        index: `video`, `start_s`, `stop_s` and `num_pieces` of each window. Only `objects` may
            have a window without pieces: there was nobody, or nobody for long enough.
        pieces: the pieces of all windows, in the order of `index`.
        facts: the channel, its parameters, and all else that the pieces depend on.
    """

    index: pd.DataFrame
    pieces: Pieces
    facts: Mapping[str, Any]

    @classmethod
    def join(
        cls,
        index: pd.DataFrame,
        parts: Sequence[Pieces],
        counts: Counts,
        facts: Mapping[str, Any],
    ) -> "Embedding":
        """Joins the pieces of videos. Args: counts: (W,) the pieces of each window of `index`."""
        return cls(index.assign(num_pieces=counts), join_evidence(parts), facts)

    @property
    def windows(self) -> Counts:
        """(N,): the window of each piece, as a row of `index`."""
        counts = self.index["num_pieces"].to_numpy()
        return np.repeat(np.arange(len(counts)), counts)


def save_pieces(windows: Sequence[Pieces], folder: Path) -> None:
    """Writes the pieces of a video's windows: `vectors.npy`, `places.npy` and `counts.npy`."""
    _save(join_evidence(windows), folder)
    np.save(folder / "counts.npy", np.array([len(one) for one in windows], np.int64))


def load_pieces(folder: Path) -> tuple[Pieces, Counts]:
    """Reads what `save_pieces` wrote."""
    counts = np.load(folder / "counts.npy")
    return _load(folder, int(counts.sum())), counts


def write_embeddings(embeddings: Mapping[str, Embedding], folder: Path) -> None:
    """Writes a folder with `index.csv`, `vectors.npy`, `places.npy` and `facts.json` by channel."""
    for name, embedding in embeddings.items():
        (folder / name).mkdir()
        write_csv(embedding.index[list(INDEX_DTYPES)], folder / name / "index.csv")
        _save(embedding.pieces, folder / name)
        write_json(embedding.facts, folder / name / "facts.json")


def read_embeddings(folder: Path) -> dict[str, Embedding]:
    """Reads what `write_embeddings` wrote, by channel.

    Raises:
        InputError: there is no channel, a file is missing or damaged, or the files do not belong
            together.
    """
    if not folder.is_dir() or not (names := sorted(path.name for path in folder.iterdir())):
        raise InputError(f"{folder}: expected a folder for each channel, found none")
    embeddings = {name: _read(folder / name) for name in names}
    tables = [embedding.index[["video", "start_s", "stop_s"]] for embedding in embeddings.values()]
    for name, table in zip(names, tables, strict=True):
        if not table.equals(tables[0]):
            raise InputError(f"{folder / name}: expected the windows of {names[0]}, got others")
    return embeddings


def _read(folder: Path) -> Embedding:
    index = read_csv(folder / "index.csv", INDEX_DTYPES)
    if folder.name != OBJECTS and (index["num_pieces"] < 1).any():
        video = index["video"][int(np.argmax(index["num_pieces"] < 1))]
        raise InputError(f"{folder}: {video}: expected evidence for each window, found none")
    pieces = _load(folder, int(index["num_pieces"].sum()))
    facts = read_json(folder / "facts.json")
    if not isinstance(facts, dict):
        raise InputError(f"{folder}: expected facts of what measured it, got {shorten(facts)}")
    return Embedding(index, pieces, facts)


def _save(pieces: Pieces, folder: Path) -> None:
    np.save(folder / "vectors.npy", np.ascontiguousarray(pieces.vectors, np.float32))
    places = np.concatenate([pieces.boxes_xyxy, pieces.spans_s, pieces.sizes_wh], axis=1)
    np.save(folder / "places.npy", np.ascontiguousarray(places, np.float64))


def _load(folder: Path, num: int) -> Pieces:
    arrays = []
    for name, kind in (("vectors.npy", np.float32), ("places.npy", np.float64)):
        path = folder / name
        try:
            array = np.load(path)
        except (OSError, ValueError, EOFError) as error:
            raise InputError(f"{path}: expected numbers, got: {shorten(str(error))}") from None
        width = NUM_PLACES if name == "places.npy" else array.shape[-1] if array.ndim else 0
        if array.dtype != kind or array.shape != (num, width):
            raise InputError(
                f"{path}: expected ({num}, {width or 'D'}) {np.dtype(kind)}, got {array.shape} "
                f"{array.dtype}"
            )
        if not np.isfinite(array).all():
            raise InputError(f"{path}: expected finite numbers, got others")
        arrays.append(array)
    vectors, places = arrays
    return Pieces(vectors, places[:, :4], places[:, 4:6], places[:, 6:])
