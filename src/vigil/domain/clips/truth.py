"""The ground truth of long videos: whether each frame is anomalous, and where the anomalies are."""

from pathlib import Path

import numpy as np
import pandas as pd

from vigil.domain.boxes import CORNERS
from vigil.plumbing.errors import InputError, listed
from vigil.plumbing.records import read_csv, write_csv

FRAME_DTYPES = {
    "video": str,
    "frame": np.int64,
    "time_s": np.float64,
    "is_anomalous": bool,
    "is_masked": bool,
}
"""`time_s` counts from the video's first frame. `is_masked`: the video has masks, which may all be
empty; without them, nobody knows where its anomalies are. Clips of class folders have no rows."""
REGION_DTYPES = {
    "video": str,
    "frame": np.int64,
    "track": np.int64,
    **dict.fromkeys(CORNERS, np.float64),
}
"""The boxes of anomalies in px, from the masks beside a video. One object has one track."""
FRAMES_NAME, REGIONS_NAME = "frames.csv", "regions.csv"


def write_truth(frames: pd.DataFrame, regions: pd.DataFrame, folder: Path) -> None:
    """Writes `frames.csv` and `regions.csv`."""
    write_csv(frames[list(FRAME_DTYPES)], folder / FRAMES_NAME)
    write_csv(regions[list(REGION_DTYPES)], folder / REGIONS_NAME)


def read_frames(file: Path) -> pd.DataFrame:
    """Reads the ground truth of frames.

    Raises:
        InputError: the file is missing, is not such a table, or times of a video do not ascend.
    """
    table = read_csv(file, FRAME_DTYPES)
    steps = table.groupby("video", sort=False)["time_s"].diff()
    if not np.isfinite(table["time_s"]).all() or (steps <= 0).any():
        raise InputError(f"{file}: expected times that ascend within each video, got others")
    return table


def read_regions(file: Path) -> pd.DataFrame:
    """Reads the ground truth of regions.

    Raises:
        InputError: the file is missing, is not such a table, or has boxes without area.
    """
    table = read_csv(file, REGION_DTYPES)
    is_box = (table["x1"] < table["x2"]) & (table["y1"] < table["y2"])
    if not is_box.all():
        raise InputError(
            f"{file}: expected boxes with area, got others in "
            f"{listed(set(table['video'][~is_box]))}"
        )
    return table


def describe_disagreement(frames: pd.DataFrame, regions: pd.DataFrame) -> str:
    """A line on frames whose label and masks disagree; empty if there are none.

    Args:
        frames: the labels of frames, the columns of `FRAME_DTYPES`.
        regions: the regions of masks, the columns of `REGION_DTYPES`.
    """
    masked = frames[frames["is_masked"]]
    keys = pd.MultiIndex.from_frame(masked[["video", "frame"]])
    is_marked = keys.isin(pd.MultiIndex.from_frame(regions[["video", "frame"]]))
    is_anomalous = masked["is_anomalous"].to_numpy()
    num_unlabelled = int((is_marked & ~is_anomalous).sum())
    num_unmarked = int((~is_marked & is_anomalous).sum())
    if not num_unlabelled and not num_unmarked:
        return ""
    return (
        f"labels and masks disagree: {num_unlabelled} frames with a mask are labelled normal, "
        f"{num_unmarked} anomalous frames have an empty mask; each counts as its own file says"
    )


def as_frames(rows: list[pd.DataFrame]) -> pd.DataFrame:
    """Joins tables of videos, with the columns of `FRAME_DTYPES`; without tables, it is empty."""
    empty = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in FRAME_DTYPES.items()})
    return pd.concat(rows, ignore_index=True).astype(FRAME_DTYPES) if rows else empty


def as_regions(rows: list[pd.DataFrame]) -> pd.DataFrame:
    """As `as_frames`, with the columns of `REGION_DTYPES`."""
    empty = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in REGION_DTYPES.items()})
    return pd.concat(rows, ignore_index=True).astype(REGION_DTYPES) if rows else empty
