"""Moments: what a tracker told after each picture of a video, and their tables on disk.

A box can become known later than its picture: a tracker tells the first boxes of a track when it
confirms the track. A moment holds what became known with its picture. So evidence that is measured
moment by moment depends on the past alone, from a table as well as live.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from vigil.plumbing.errors import InputError, listed, shorten
from vigil.plumbing.records import read_csv, read_json, write_csv, write_json

CORNERS = ["x1", "y1", "x2", "y2"]
"""As in `domain/boxes.py`, whose changes are none of `embed_clips`."""
MOMENT_TYPES = {"video": str, "time_s": np.float64, "width": np.int64, "height": np.int64}
"""A row for each picture in which objects were looked for, also for one without any."""
BOX_TYPES = {
    "video": str,
    "track_id": np.int64,
    "time_s": np.float64,
    "known_s": np.float64,
    **dict.fromkeys(CORNERS, np.float64),
}
"""A row for each box of a track: `time_s` of its picture, and `known_s` of the picture with which
it became known. Corners in px."""
DECIMALS = {"time_s": 6, "known_s": 6, **dict.fromkeys(CORNERS, 3)}
MOMENTS_NAME, BOXES_NAME, FACTS_NAME = "moments.csv", "boxes.csv", "facts.json"


class OneBox(Protocol):
    """A box of a track, as `vigil.domain.tracking.tracker.TrackedBox` explains it."""

    @property
    def track_id(self) -> int: ...
    @property
    def time_s(self) -> float: ...
    @property
    def box_xyxy(self) -> tuple[float, float, float, float]: ...
    @property
    def label(self) -> str: ...


@dataclass(frozen=True)
class Moment:
    """What became known of tracks with one picture.

    Attributes:
        time_s: the time of the picture.
        size_wh: width and height of the picture, in px.
        track_ids: (N,) the track of each box.
        times_s: (N,) the time of the picture of each box; at most `time_s`.
        boxes_xyxy: (N, 4), in px.
    """

    time_s: float
    size_wh: tuple[int, int]
    track_ids: npt.NDArray[np.int64]
    times_s: npt.NDArray[np.float64]
    boxes_xyxy: npt.NDArray[np.float64]

    @classmethod
    def of(
        cls,
        boxes: Sequence[OneBox],
        time_s: float,
        size_wh: tuple[int, int],
        classes: Collection[str] = (),
    ) -> "Moment":
        """The moment of a picture, from the boxes that a tracker returned for it.

        Args:
            classes: boxes of other classes are left out; empty: none is.
        """
        kept = [box for box in boxes if not classes or box.label in classes]
        return cls(
            time_s,
            size_wh,
            np.array([box.track_id for box in kept], np.int64),
            np.array([box.time_s for box in kept], np.float64),
            np.array([box.box_xyxy for box in kept], np.float64).reshape(-1, 4),
        )


def moment_tables(moments: Mapping[str, Sequence[Moment]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables of `MOMENT_TYPES` and of `BOX_TYPES`, from the moments of each video."""
    looked = [(video, one.time_s, *one.size_wh) for video, own in moments.items() for one in own]
    boxes = [
        (video, track_id, time_s, one.time_s, *box)
        for video, own in moments.items()
        for one in own
        for track_id, time_s, box in zip(
            one.track_ids.tolist(), one.times_s.tolist(), one.boxes_xyxy.tolist(), strict=True
        )
    ]
    return (
        pd.DataFrame(looked, columns=list(MOMENT_TYPES)).astype(MOMENT_TYPES).round(DECIMALS),
        pd.DataFrame(boxes, columns=list(BOX_TYPES)).astype(BOX_TYPES).round(DECIMALS),
    )


def write_moments(
    moments: pd.DataFrame, boxes: pd.DataFrame, facts: Mapping[str, Any], folder: Path
) -> None:
    """Writes both tables and the facts of the tracks into an existing folder."""
    write_csv(moments[list(MOMENT_TYPES)], folder / MOMENTS_NAME)
    write_csv(boxes[list(BOX_TYPES)], folder / BOXES_NAME)
    write_json(dict(facts), folder / FACTS_NAME)


def read_moments(folder: Path) -> tuple[dict[str, list[Moment]], dict[str, Any]]:
    """Reads what `write_moments` wrote: the moments of each video, in order, and the facts.

    Raises:
        InputError: a file is missing or damaged, or a box belongs to no picture.
    """
    looked = read_csv(folder / MOMENTS_NAME, MOMENT_TYPES)
    boxes = read_csv(folder / BOXES_NAME, BOX_TYPES)
    facts = read_json(folder / FACTS_NAME)
    if not isinstance(facts, dict):
        raise InputError(f"{folder / FACTS_NAME}: expected facts of tracks, got {shorten(facts)}")
    for table, name in ((looked, MOMENTS_NAME), (boxes, BOXES_NAME)):
        if not np.isfinite(table.select_dtypes("number").to_numpy()).all():
            raise InputError(f"{folder / name}: expected finite numbers, got others")
    steps = looked.groupby("video", sort=False)["time_s"].diff()
    if (steps <= 0).any() or (looked[["width", "height"]] < 1).any(axis=None):
        raise InputError(
            f"{folder / MOMENTS_NAME}: expected sizes, and times that ascend within each video, "
            "got others"
        )
    own = dict(list(boxes.groupby(["video", "known_s"], sort=False)))
    nothing = boxes.iloc[:0]
    moments: dict[str, list[Moment]] = {}
    for video, time_s, width, height in looked.itertuples(index=False):
        rows = own.pop((video, time_s), nothing)
        moments.setdefault(str(video), []).append(
            Moment(
                time_s,
                (width, height),
                rows["track_id"].to_numpy(),
                rows["time_s"].to_numpy(),
                rows[CORNERS].to_numpy(),
            )
        )
    if own:
        raise InputError(
            f"{folder / BOXES_NAME}: expected boxes of listed pictures, got others of "
            f"{listed({str(video) for video, _ in own})}"
        )
    return moments, facts
