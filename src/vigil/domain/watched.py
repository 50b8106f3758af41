"""Reads the stored results of watched videos, and the true events and tracks in them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from vigil.domain.boxes import CORNERS
from vigil.domain.tracking.table import read_track_table
from vigil.plumbing.errors import InputError, shorten
from vigil.plumbing.records import read_csv, read_json

TRUE_COLUMNS = ["track_id", "frame_index", *CORNERS]
SCORE_TYPES = dict.fromkeys(("start_s", "stop_s", "ratio"), np.float64)
EVIDENCE_TYPES = {"channel": str, **dict.fromkeys(("time_s", *CORNERS, "ratio"), np.float64)}
FRAME_TYPES = {"time_s": np.float64}
JUDGEMENT_TYPES = {"track_id": np.int64, "probability": np.float64}
UNUSUAL = "unusual"
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Truth:
    """The true events and tracks of a video.

    Attributes:
        events: `kind`, `start_s`, `end_s`.
        tracks: `TRUE_COLUMNS`; None: unknown.
        participants: the numbers of the tracks that take part in each event; None: unknown.
    """

    events: pd.DataFrame
    tracks: pd.DataFrame | None
    participants: tuple[frozenset[int], ...] | None = None


@dataclass(frozen=True)
class WatchedVideo:
    """The results of a video.

    Attributes:
        times_s: (F,) the times of all frames.
        restarts_s: the time of each first frame after a gap.
        watched_s: the length of the video without losses of the signal.
        events: alarms: `start_s`, `raised_s`, `end_s`.
        scores: `start_s`, `stop_s`, `ratio` of each window.
        evidence: `EVIDENCE_TYPES`: unusual places, each once.
        tracks: all tracks, including those that the classifier refuses.
        kept_ids: numbers of the tracks that the classifier does not refuse.
    """

    times_s: Floats
    restarts_s: Floats
    watched_s: float
    events: pd.DataFrame
    scores: pd.DataFrame
    evidence: pd.DataFrame
    tracks: pd.DataFrame
    kept_ids: frozenset[int]


def read_truth(file: Path) -> dict[str, Truth]:
    """The true events and tracks, by video.

    Raises:
        InputError: the file is missing, or has another format.
    """
    content: Any = read_json(file)
    try:
        return {str(name): _parse_truth(entry) for name, entry in content.items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{file}: expected events and tracks by video, got: {shorten(str(error), 100)}"
        ) from None


def _parse_truth(entry: Mapping[str, Any]) -> Truth:
    rows = [(str(e["kind"]), float(e["start_s"]), float(e["end_s"])) for e in entry["events"]]
    events = pd.DataFrame(rows, columns=["kind", "start_s", "end_s"])
    events = events.astype({"start_s": np.float64, "end_s": np.float64})
    if not (events["start_s"] < events["end_s"]).all():
        raise ValueError("events must end after they begin")
    if entry.get("tracks") is None:
        return Truth(events, None)
    # Tracks are numbered in the order of the file.
    numbers = {str(name): number for number, name in enumerate(entry["tracks"], start=1)}
    boxes = [
        (numbers[str(name)], int(frame), *map(float, box))
        for name, track in entry["tracks"].items()
        for frame, box in track.items()
    ]
    tracks = pd.DataFrame(boxes, columns=TRUE_COLUMNS)
    kinds = {"track_id": np.int64, "frame_index": np.int64, **dict.fromkeys(CORNERS, np.float64)}
    participants = None
    if entry["events"] and all("tracks" in event for event in entry["events"]):
        participants = tuple(
            frozenset(numbers[str(name)] for name in event["tracks"]) for event in entry["events"]
        )
    return Truth(events, tracks.astype(kinds), participants)


def read_watched(folder: Path) -> WatchedVideo:
    """The results that the stage `watch` wrote for one video.

    Raises:
        InputError: a file is missing, or has another format.
    """
    source, record = read_json(folder / "source.json"), read_json(folder / "events.json")
    judgements = read_csv(folder / "judgements.csv", JUDGEMENT_TYPES)
    try:
        rows = [
            (float(e["start_s"]), float(e["raised_s"]), float(e["end_s"]))
            for e in record["events"]
            if e["kind"] == UNUSUAL and not e["suppressed"]
        ]
        least = float(record["least_probability"])
        watched_s = float(record["watched_s"])
        restarts_s = [float(stop_s) for _, stop_s in source["gaps"]]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{folder}: expected results of watching, got: {shorten(str(error))}"
        ) from None
    probability = judgements["probability"]
    is_kept = (probability >= least) | (probability < 0)  # below 0: not judged
    return WatchedVideo(
        read_csv(folder / "frames.csv", FRAME_TYPES)["time_s"].to_numpy(),
        np.array(restarts_s, np.float64),
        watched_s,
        pd.DataFrame(rows, columns=["start_s", "raised_s", "end_s"]).astype(np.float64),
        read_csv(folder / "scores.csv", SCORE_TYPES),
        read_csv(folder / "evidence.csv", EVIDENCE_TYPES).drop_duplicates(ignore_index=True),
        read_track_table(folder / "tracks.csv"),
        frozenset(judgements.loc[is_kept, "track_id"].tolist()),
    )
