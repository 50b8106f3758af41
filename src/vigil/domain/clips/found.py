"""The table of evidence: the place, time and score of each piece, by video and channel."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from vigil.domain.boxes import CORNERS
from vigil.domain.clips.evidence.embeddings import Embedding
from vigil.domain.clips.scores import raising_of, round_digits
from vigil.domain.clips.verdicts import LARGEST_RATIO, NO_EVIDENCE, ratio_of
from vigil.plumbing.errors import InputError, listed
from vigil.plumbing.records import read_csv, write_csv

Floats = npt.NDArray[np.float64]
FOUND_DTYPES = {
    "video": str,
    "channel": str,
    "feature": str,
    "from_s": np.float64,
    "time_s": np.float64,
    **dict.fromkeys(CORNERS, np.float64),
    "score": np.float64,
}
"""`time_s` is the time of the last frame of a piece: from then on, the piece is known. `feature` is
what is unusual in it, for `objects`; other channels have none."""
MOST_AT_ONCE = 3
"""The largest number of pieces of a channel at a moment; the strongest are kept."""
DECIMALS_S, DECIMALS_PX = 6, 2


def strongest_in_windows(embedding: Embedding, scores: Floats) -> Floats:
    """The largest score (W,) of each window, from the scores (N,) of pieces.

    A window without pieces has the score `NO_EVIDENCE`.
    """
    counts = embedding.index["num_pieces"].to_numpy()
    starts = np.concatenate([[0], counts.cumsum()[:-1]]).astype(np.int64)
    largest = np.full(len(counts), NO_EVIDENCE)
    if len(scores):
        largest[counts > 0] = np.maximum.reduceat(scores, starts[counts > 0])
    return largest


def gather_found(
    embeddings: Mapping[str, Embedding],
    scores: Mapping[str, Floats],
    is_listed: npt.NDArray[np.bool_],
    features: Mapping[str, Sequence[str]] | None = None,
) -> pd.DataFrame:
    """Lists the strongest pieces of each moment, each piece once.

    Args:
        embeddings: the evidence of each channel.
        scores: the scores of each channel's pieces, by the scorer that raises the alarm.
        is_listed: (W,) the windows whose pieces are listed.
        features: what is most unusual in each piece, for channels with several features.

    Returns:
        The columns of `FOUND_DTYPES`, sorted by channel, video and time.
    """
    tables = []
    for name, embedding in embeddings.items():
        rows = is_listed[embedding.windows]
        pieces, windows = embedding.pieces[rows], embedding.windows[rows]
        table = pd.DataFrame(pieces.boxes_xyxy.round(DECIMALS_PX), columns=CORNERS)
        table["video"] = embedding.index["video"].to_numpy()[windows]
        table["channel"] = name
        own = (features or {}).get(name)
        table["feature"] = "" if own is None else np.asarray(own, object)[rows]
        table["from_s"], table["time_s"] = pieces.spans_s.round(DECIMALS_S).T
        table["score"] = round_digits(scores[name][rows])
        keys = ["video", "channel", "time_s"]
        table = table.drop_duplicates([*keys, "from_s", *CORNERS])
        table = table.sort_values([*keys, "score"], ascending=[True] * 3 + [False], kind="stable")
        tables.append(table.groupby(keys, sort=False).head(MOST_AT_ONCE))
    return pd.concat(tables)[list(FOUND_DTYPES)].reset_index(drop=True)


def write_found(table: pd.DataFrame, file: Path) -> None:
    """Writes the columns of `FOUND_DTYPES`."""
    write_csv(table[list(FOUND_DTYPES)], file)


def read_found(file: Path) -> pd.DataFrame:
    """Reads what `write_found` wrote.

    Raises:
        InputError: the file is missing, is not such a table, or has a number that is not finite.
    """
    table = read_csv(file, FOUND_DTYPES)
    numbers = table.select_dtypes("number").to_numpy()
    if not np.isfinite(numbers).all():
        raise InputError(f"{file}: expected finite numbers, got others")
    return table


def add_ratios(found: pd.DataFrame, thresholds: Mapping[str, float]) -> pd.DataFrame:
    """Adds `ratio`, the score divided by the threshold of its channel: above 1 raises the alarm.

    Raises:
        InputError: a channel has no threshold.
    """
    raising = raising_of(thresholds)
    if missing := set(found["channel"]) - raising.keys():
        raise InputError(f"expected a threshold of each channel, found none of {listed(missing)}")
    ratios = [
        ratio_of(score, thresholds[raising[channel]])
        for channel, score in found[["channel", "score"]].itertuples(index=False)
    ]
    return found.assign(ratio=np.minimum(ratios, LARGEST_RATIO))
