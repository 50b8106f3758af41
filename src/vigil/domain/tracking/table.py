"""Tracks as a table with one row per box, and their files.

The table has a row for each frame from the first to the last box of a track. Rows with
`is_observed` 1 are detected boxes. The other rows are interpolated between detected boxes, linearly
in time.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from vigil.domain.boxes import CORNERS
from vigil.domain.tracking.tracker import TrackedBox
from vigil.plumbing.errors import InputError
from vigil.plumbing.outputs import whole
from vigil.plumbing.records import read_csv, write_csv

TRACK_TYPES = {
    "track_id": np.int64,
    "frame_index": np.int64,
    "time_s": np.float64,
    **dict.fromkeys(CORNERS, np.float64),
    "score": np.float64,
    "label": str,
    "is_observed": np.int64,
}
TRACK_COLUMNS = list(TRACK_TYPES)
"""`track_id` from 1; `frame_index` 0-based; `time_s` from the first frame; corners in px, 0-based;
`score` of the detector in [0, 1]; `is_observed` 1 or 0."""
DECIMALS = {"time_s": 6, **dict.fromkeys(CORNERS, 3), "score": 6}
MOT_COLUMNS = ["frame", "id", "left", "top", "width", "height", "conf", "x", "y", "z"]


def track_table(tracked: Sequence[TrackedBox]) -> pd.DataFrame:
    """`TRACK_COLUMNS` of the boxes of a tracker, in order of track and frame."""
    rows = [
        (box.track_id, box.frame_index, box.time_s, *box.box_xyxy, box.score, box.label, 1)
        for box in tracked
    ]
    table = pd.DataFrame(rows, columns=TRACK_COLUMNS).astype(TRACK_TYPES)
    return table.sort_values(["track_id", "frame_index"], ignore_index=True)


def fill_tracks(table: pd.DataFrame, times_s: npt.NDArray[np.float64]) -> pd.DataFrame:
    """Adds a box on every frame between two boxes of a track, linearly in time.

    Args:
        table: `TRACK_COLUMNS`, in order of track and frame.
        times_s: (F,) the times of all frames of the video.
    """
    parts = [_fill(track, times_s) for _, track in table.groupby("track_id", sort=True)]
    if not parts:
        return table.copy()
    return pd.concat(parts, ignore_index=True)


def _fill(track: pd.DataFrame, times_s: npt.NDArray[np.float64]) -> pd.DataFrame:
    observed = track["frame_index"].to_numpy()
    frames = np.arange(observed[0], observed[-1] + 1)
    frame_times_s = times_s[frames]
    numbers = {
        name: np.interp(frame_times_s, track["time_s"].to_numpy(), track[name].to_numpy())
        for name in (*CORNERS, "score")
    }
    filled = pd.DataFrame(
        {
            "track_id": track["track_id"].iloc[0],
            "frame_index": frames,
            "time_s": frame_times_s,
            **numbers,
            "label": track["label"].iloc[0],
            "is_observed": np.isin(frames, observed).astype(np.int64),
        }
    )
    return filled[TRACK_COLUMNS].astype(TRACK_TYPES)


def write_track_table(table: pd.DataFrame, file: Path) -> None:
    """Writes `TRACK_COLUMNS` as CSV, px with three decimals."""
    write_csv(table[TRACK_COLUMNS].round(DECIMALS), file)


def read_track_table(file: Path) -> pd.DataFrame:
    """Reads a file of `write_track_table`.

    Raises:
        InputError: the file is missing, or is no table of tracks.
    """
    table = read_csv(file, TRACK_TYPES)[TRACK_COLUMNS]
    numbers = table[[*CORNERS, "time_s", "score"]].to_numpy()
    if not np.isfinite(numbers).all():
        raise InputError(f"{file}: expected finite numbers, got others")
    if table.duplicated(["track_id", "frame_index"]).any():
        raise InputError(f"{file}: expected one box of a track on a frame, got several")
    return table


def write_mot(table: pd.DataFrame, file: Path) -> None:
    """Writes tracks in the format of the MOT Challenge: ten columns without a header.

    Frames, ids and pixels are counted from 1: the leftmost pixel is 1, so left is x1 + 1, in px.
    Source: https://github.com/JonathonLuiten/TrackEval, docs/MOTChallenge-Official/Readme.md.

    Args:
        table: `TRACK_COLUMNS`.
    """
    corners = table[CORNERS].to_numpy(float)
    content = pd.DataFrame(
        {
            "frame": table["frame_index"] + 1,
            "id": table["track_id"],
            "left": corners[:, 0] + 1,
            "top": corners[:, 1] + 1,
            "width": corners[:, 2] - corners[:, 0],
            "height": corners[:, 3] - corners[:, 1],
            "conf": table["score"],
            **dict.fromkeys(MOT_COLUMNS[-3:], -1),
        }
    )
    content = content.sort_values(["frame", "id"], ignore_index=True)
    decimals = {**dict.fromkeys(("left", "top", "width", "height"), 3), "conf": 6}
    with whole(file) as partial:
        text = (
            content[MOT_COLUMNS]
            .round(decimals)
            .to_csv(None, index=False, header=False, lineterminator="\n")
        )
        partial.write_text(text, encoding="ascii", newline="\n")
