"""What detector and alarm found in a recording, in the place of these models.

Other settings of tracks need neither of them again: the tracker gets the stored boxes, and the
classifier the same frames.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from vigil.domain.boxes import CORNERS
from vigil.domain.clips.verdicts import WindowVerdict
from vigil.domain.detections import Detections
from vigil.domain.pictures.annotated import COUNTS
from vigil.pixels.channels.moments import Moment
from vigil.pixels.pictures.picture import Picture
from vigil.plumbing.records import read_csv
from vigil.settings.suppression import Suppression
from vigil.watch.models import Models
from vigil.watch.results.findings import DECIMALS, DETECTION_TYPES, DETECTIONS_FILE


class SeenDetector:
    """A detector that finds in each picture of a video what was found there before."""

    def __init__(self, classes: tuple[str, ...], table: pd.DataFrame) -> None:
        """Args: table: that of `detection_table`."""
        self._classes = classes
        self._found = {
            float(time_s): _detections_of(rows)
            for time_s, rows in table.groupby("time_s", sort=False)
        }
        self._nothing = _detections_of(table.iloc[:0])

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of the detector that found it."""
        return self._classes

    def history(self) -> "SeenHistory":
        """What keeps the times of pictures."""
        return SeenHistory()

    def detect_batch(
        self, pictures: Sequence[npt.NDArray[Any]], suppression: Suppression
    ) -> list[Detections]:
        """The detections in the pictures with these times. They are suppressed already."""
        # As pandas rounds: at a half, Python's round may give another number.
        times_s = [float(np.round(time_s, DECIMALS["time_s"])) for time_s in pictures]
        return [self._found.get(time_s, self._nothing) for time_s in times_s]


class SeenHistory:
    """Has the time of a picture in its place, since what was found there is known."""

    def add(self, picture: Picture, time_s: float) -> npt.NDArray[Any]:
        """The time of a picture."""
        return np.array(time_s)

    def remember(self, picture: Picture, time_s: float) -> None:
        """Nothing: no sequence is made."""


class SeenAlarm:
    """An alarm that gives no verdicts, since they are known."""

    tracked = None

    def stream(self, window_s: float, stride_s: float) -> "SeenAlarm":
        """A stream without verdicts."""
        return self

    def push(
        self, frame: Picture, time_s: float, tracked: Moment | None = None
    ) -> list[WindowVerdict]:
        """No verdict."""
        return []

    def end(self, stop_s: float) -> list[WindowVerdict]:
        """No verdict."""
        return []


def with_seen(models: Models, folder: Path, classes: tuple[str, ...]) -> Models:
    """The models, with what detector and alarm found in a video in the place of these two.

    Args:
        folder: written by `write_seen`.
    """
    file = folder / DETECTIONS_FILE
    has_masks = COUNTS in pd.read_csv(file, nrows=0)
    table = read_csv(file, DETECTION_TYPES | ({COUNTS: str} if has_masks else {}))
    return replace(models, detector=SeenDetector(classes, table), alarm=SeenAlarm())


def _detections_of(rows: pd.DataFrame) -> Detections:
    masks = rows[COUNTS].to_numpy(object) if COUNTS in rows else None
    return Detections(
        rows[CORNERS].to_numpy(np.float64),
        rows["score"].to_numpy(np.float64),
        rows["label"].to_numpy(object),
        masks=masks,
    )
