"""The allowed clips whose evidence is most similar to that of a test clip."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from vigil.domain.boxes import CORNERS
from vigil.domain.clips.evidence.embeddings import Embedding
from vigil.domain.clips.found import DECIMALS_PX, DECIMALS_S
from vigil.domain.clips.scores import round_digits
from vigil.domain.sides import TEST, TRAIN
from vigil.plumbing.errors import InputError
from vigil.plumbing.records import read_csv, write_csv

Floats = npt.NDArray[np.float64]
NEAREST_DTYPES = {
    "clip": str,
    "channel": str,
    "rank": np.int64,
    "video": str,
    "time_s": np.float64,
    **dict.fromkeys(CORNERS, np.float64),
    "distance": np.float64,
}
"""`clip` is the test clip, and `rank` counts from 1. `video` is the allowed video, with the
time and the box of its evidence. `distance` is the Euclidean distance of the two vectors."""
NUM_NEAREST = 2
MOST_COMPARED = 20_000
"""The largest number of allowed vectors that are compared, spread evenly over all."""


def find_nearest(
    embeddings: Mapping[str, Embedding], scores: Mapping[str, Floats], windows: pd.DataFrame
) -> pd.DataFrame:
    """For the strongest piece of each test clip, the nearest pieces of allowed training videos.

    Each video is named once for a clip. There are fewer than `NUM_NEAREST` where there are fewer
    videos.

    Args:
        embeddings: the evidence of each channel.
        scores: the scores of each channel's pieces, by the scorer that raises the alarm.
        windows: `video`, `start_s`, `clip`, `split` and `is_anomalous` of each window.

    Returns:
        The columns of `NEAREST_DTYPES`.
    """
    is_test = (windows["split"] == TEST).to_numpy()
    is_learnt = ((windows["split"] == TRAIN) & ~windows["is_anomalous"]).to_numpy()
    rows: list[list[object]] = []
    for name, embedding in embeddings.items():
        of = embedding.windows
        learnt = np.flatnonzero(is_learnt[of])
        learnt = learnt[spread_evenly(len(learnt), MOST_COMPARED)]
        vectors = embedding.pieces.vectors
        allowed = vectors[learnt].astype(np.float64)
        videos = windows["video"].to_numpy()[of[learnt]]
        tested = np.flatnonzero(is_test[of])
        clips = pd.Series(windows["clip"].to_numpy()[of[tested]], index=tested)
        for clip, pieces in clips.groupby(clips, sort=False):
            own = pieces.index.to_numpy()
            strongest = own[int(np.argmax(scores[name][own]))]
            nearest, distances = nearest_videos(allowed, videos, vectors[strongest])
            for rank, (at, distance) in enumerate(zip(nearest, distances, strict=True), start=1):
                piece = embedding.pieces[learnt[at : at + 1]]
                rows.append(
                    [clip, name, rank, videos[at], round(float(piece.spans_s[0, 1]), DECIMALS_S),
                     *piece.boxes_xyxy[0].round(DECIMALS_PX).tolist(), float(distance)]
                )  # fmt: skip
    table = pd.DataFrame(rows, columns=list(NEAREST_DTYPES)).astype(NEAREST_DTYPES)
    return table.assign(distance=round_digits(table["distance"].to_numpy()))


def nearest_videos(
    allowed: npt.NDArray[Any], videos: npt.NDArray[Any], vector: npt.NDArray[Any]
) -> tuple[npt.NDArray[np.int64], Floats]:
    """The nearest vectors, each of another video: the nearest one of its video.

    Args:
        allowed: (N, D).
        videos: (N,) the video of each.
        vector: (D,).

    Returns:
        (K,) rows and (K,) Euclidean distances, the nearest first, for K of at most `NUM_NEAREST`.
    """
    distances = np.linalg.norm(np.asarray(allowed, np.float64) - vector, axis=1)
    order = np.argsort(distances, kind="stable")
    _, first = np.unique(videos[order], return_index=True)
    nearest = order[np.sort(first)[:NUM_NEAREST]]
    return nearest, distances[nearest]


def spread_evenly(num: int, most: int) -> npt.NDArray[np.int64]:
    """Rows of `num`: all, or `most` of them, spread evenly."""
    if num <= most:
        return np.arange(num)
    return np.linspace(0, num - 1, most).astype(np.int64)


def write_nearest(table: pd.DataFrame, file: Path) -> None:
    """Writes the columns of `NEAREST_DTYPES`."""
    write_csv(table[list(NEAREST_DTYPES)], file)


def read_nearest(file: Path) -> pd.DataFrame:
    """Reads what `write_nearest` wrote.

    Raises:
        InputError: the file is missing, is not such a table, or has a number that is not finite.
    """
    table = read_csv(file, NEAREST_DTYPES)
    if not np.isfinite(table.select_dtypes("number").to_numpy()).all():
        raise InputError(f"{file}: expected finite numbers, got others")
    return table
