"""Evidence of allowed clips that is kept beside an alarm, each piece with a picture of it.

People compare an alarm with it. The machine that watches needs no clips for this. The files are
`allowed.csv`, `alarm.json`, `<channel>.npy` with the vectors, and `pictures/<row>.jpg`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from vigil.domain.boxes import CORNERS
from vigil.domain.clips.evidence.embeddings import Embedding
from vigil.domain.clips.evidence.pieces import Vectors
from vigil.domain.clips.found import DECIMALS_PX, DECIMALS_S
from vigil.domain.clips.nearest import MOST_COMPARED, nearest_videos, spread_evenly
from vigil.plumbing.errors import InputError, shorten
from vigil.plumbing.records import read_csv, read_json, write_csv, write_json

ALLOWED_DTYPES = {
    "channel": str,
    "video": str,
    "time_s": np.float64,
    **dict.fromkeys(CORNERS, np.float64),
}
"""The place and time of each piece, by the video that it is of."""
NUM_KEPT = 200
"""The largest number of kept pieces of a channel."""
TABLE_FILE, ALARM_FILE, PICTURES = "allowed.csv", "alarm.json", "pictures"
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Allowed:
    """Kept evidence of allowed clips.

    Attributes:
        alarm: SHA-256 of the weights of the alarm, whose vectors these are.
        table: `ALLOWED_DTYPES` of each piece.
        vectors: (N, D) by channel, in the order of the table.
        pictures: the JPEG file of each row of the table.
    """

    alarm: str
    table: pd.DataFrame
    vectors: Mapping[str, Vectors]
    pictures: Sequence[bytes]

    def nearest(self, channel: str, vector: Vectors) -> tuple[Rows, npt.NDArray[np.float64]]:
        """The rows of the table with the nearest vectors, each of another video.

        Args:
            vector: (D,).

        Returns:
            (K,) rows and (K,) distances, the nearest first, for K of at most `NUM_NEAREST`.
        """
        rows = np.flatnonzero(self.table["channel"] == channel)
        videos = self.table["video"].to_numpy()[rows]
        nearest, distances = nearest_videos(self.vectors[channel], videos, vector)
        return rows[nearest], distances


def choose_spread(vectors: Vectors, num: int = NUM_KEPT) -> Rows:
    """Chooses vectors so that every vector is close to a chosen one; returns their rows, ascending.

    The first is the nearest to the mean. Each next one is the farthest from all before (Gonzalez,
    1985), so none is farther from a chosen one than twice the least possible distance.

    Args:
        vectors: (N, D); of more than `MOST_COMPARED`, some are considered, spread evenly.
    """
    considered = spread_evenly(len(vectors), MOST_COMPARED)
    points = vectors[considered].astype(np.float64)
    if not len(points):
        return considered
    chosen = [int(np.linalg.norm(points - points.mean(axis=0), axis=1).argmin())]
    gaps = np.linalg.norm(points - points[chosen[0]], axis=1)
    while len(chosen) < num and gaps.max() > 0:
        chosen.append(int(gaps.argmax()))
        gaps = np.minimum(gaps, np.linalg.norm(points - points[chosen[-1]], axis=1))
    rows: Rows = considered[np.sort(chosen)]
    return rows


def allowed_table(channel: str, embedding: Embedding, rows: Rows) -> pd.DataFrame:
    """`ALLOWED_DTYPES` of chosen pieces of a channel."""
    pieces = embedding.pieces[rows]
    table = pd.DataFrame(pieces.boxes_xyxy.round(DECIMALS_PX), columns=CORNERS)
    table["channel"] = channel
    table["video"] = embedding.index["video"].to_numpy()[embedding.windows[rows]]
    table["time_s"] = pieces.spans_s[:, 1].round(DECIMALS_S)
    return table[list(ALLOWED_DTYPES)]


def picture_name(row: int) -> str:
    """The file name of the picture of a row."""
    return f"{row:04d}.jpg"


def write_allowed(allowed: Allowed, folder: Path) -> None:
    """Writes the files into an existing empty folder."""
    decimals = {"time_s": DECIMALS_S, **dict.fromkeys(CORNERS, DECIMALS_PX)}
    write_csv(allowed.table[list(ALLOWED_DTYPES)].round(decimals), folder / TABLE_FILE)
    write_json({"weights_sha256": allowed.alarm}, folder / ALARM_FILE)
    for name, vectors in allowed.vectors.items():
        np.save(folder / f"{name}.npy", np.ascontiguousarray(vectors, np.float32))
    (folder / PICTURES).mkdir()
    for row, picture in enumerate(allowed.pictures):
        (folder / PICTURES / picture_name(row)).write_bytes(picture)


def read_allowed(folder: Path, alarm: str) -> Allowed:
    """Reads what `write_allowed` wrote.

    Args:
        alarm: SHA-256 of the weights of the alarm in use.

    Raises:
        InputError: a file is missing or damaged, or it is of another alarm.
    """
    of = read_json(folder / ALARM_FILE)
    if not isinstance(of, dict) or of.get("weights_sha256") != alarm:
        raise InputError(
            f"{folder}: expected evidence by the present alarm, got that by another one; "
            "`dvc repro gather_allowed` makes it anew"
        )
    table = read_csv(folder / TABLE_FILE, ALLOWED_DTYPES)
    counts = table["channel"].value_counts(sort=False)
    vectors = {
        str(name): _read_vectors(folder, str(name), int(counts[name])) for name in counts.index
    }
    try:
        pictures = [
            (folder / PICTURES / picture_name(row)).read_bytes() for row in range(len(table))
        ]
    except OSError as error:
        raise InputError(f"{folder}: expected its pictures, got: {shorten(str(error))}") from None
    return Allowed(alarm, table, vectors, pictures)


def _read_vectors(folder: Path, channel: str, num: int) -> Vectors:
    file = folder / f"{channel}.npy"
    try:
        vectors = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{file}: expected vectors, got: {shorten(str(error))}") from None
    if vectors.ndim != 2 or len(vectors) != num or vectors.dtype != np.float32:
        raise InputError(
            f"{file}: expected ({num}, D) float32, got {vectors.shape} {vectors.dtype}"
        )
    if not np.isfinite(vectors).all():
        raise InputError(f"{file}: expected finite numbers, got others")
    return np.asarray(vectors)
