"""Windows: the parts of videos that are embedded, and their labels.

There are two tables with the same rows. `windows.csv` has all that an embedding needs. `labels.csv`
is joined after the embedding, so that no window is embedded again if other classes are anomalous.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from vigil.domain.sides import SIDES, read_side
from vigil.plumbing.errors import InputError, listed
from vigil.plumbing.records import read_csv, write_csv

WINDOW_DTYPES = {"video": str, "start_s": np.float64, "stop_s": np.float64, "digest": str}
"""`video` is the path below the folder of clips. Times count from the first frame, and `stop_s` is
exclusive. `digest` is the SHA-256 of the video."""
LABEL_DTYPES = {
    "video": str,
    "start_s": np.float64,
    "clip": str,
    "class": str,
    "is_anomalous": bool,
    "source": str,
}
"""`clip` is the unit that gets a verdict: a short clip with all its windows, or one window of
a long video. `source` is the recording from which the video was cut."""
MIXED = "normal/anomalous"
"""The class of a window of a long video with too few anomalous frames to be anomalous. It counts as
anomalous (`is_anomalous`), so that nothing learns from it. It must not raise the alarm, and may, so
no metric of clips counts it. No class folder can have this name."""
KEYS = ["video", "start_s"]
WINDOWS_NAME, LABELS_NAME = "windows.csv", "labels.csv"


def write_windows(windows: pd.DataFrame, folder: Path) -> None:
    """Writes both tables; `windows` has the columns of both."""
    write_csv(windows[list(WINDOW_DTYPES)], folder / WINDOWS_NAME)
    write_csv(windows[list(LABEL_DTYPES)], folder / LABELS_NAME)


def read_windows(file: Path) -> pd.DataFrame:
    """Reads the table of windows.

    Raises:
        InputError: no such file, or not such a table.
    """
    return read_csv(file, WINDOW_DTYPES)


def read_labels(file: Path) -> pd.DataFrame:
    """Reads the table of labels.

    Raises:
        InputError: no such file, or not such a table.
    """
    return read_csv(file, LABEL_DTYPES)


def join_labels(windows: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """Joins windows with their labels, in the order of the windows.

    Raises:
        InputError: a window that occurs twice, or has no labels.
    """
    for table in (windows, labels):
        if repeated := set(table.loc[table.duplicated(KEYS), "video"]):
            raise InputError(f"expected each window once, got more of {listed(repeated)}")
    joined = windows.merge(labels, how="left", on=KEYS)
    if missing := set(joined.loc[joined["clip"].isna(), "video"]):
        raise InputError(
            f"expected labels for the window of each video, found none for {listed(missing)}"
        )
    return joined.astype({"is_anomalous": bool})


def label_windows(windows: pd.DataFrame, labels: pd.DataFrame, splits: Path) -> pd.DataFrame:
    """Joins windows with their labels and with the side of their video.

    Args:
        windows: `KEYS`, in the order of the result.
        splits: the folder with the lists of the videos on each side.

    Returns:
        `KEYS`, `clip`, `class`, `source`, `is_anomalous` and `split`.

    Raises:
        InputError: as `join_labels`, or a video on no side.
    """
    side_of = {video: side for side in SIDES for video in read_side(splits / f"{side}.json")}
    table = join_labels(windows[KEYS], labels)
    table["split"] = table["video"].map(side_of)
    if missing := set(table.loc[table["split"].isna(), "video"]):
        raise InputError(
            f"{splits}: expected a side of the split for the window of each video, found none for "
            f"{listed(missing)}"
        )
    return table[[*KEYS, "clip", "class", "source", "is_anomalous", "split"]]
