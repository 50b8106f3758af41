"""Tables of the models' results on a source. Events and pictures are made from these tables.

No number in these tables depends on the settings of events, or on `least_probability`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vigil.domain.boxes import CORNERS
from vigil.domain.clips.allowed import Allowed, picture_name
from vigil.domain.clips.scores import NUM_DIGITS, round_digits
from vigil.domain.clips.verdicts import LARGEST_RATIO, NO_EVIDENCE, WindowVerdict
from vigil.domain.detections import Detections, as_table
from vigil.domain.pictures.annotated import COUNTS
from vigil.domain.tracking.table import (
    fill_tracks,
    read_track_table,
    track_table,
    write_track_table,
)
from vigil.domain.tracking.tracker import TrackedBox
from vigil.plumbing.errors import InputError, shorten
from vigil.plumbing.records import read_csv, read_json, write_csv, write_json
from vigil.watch.analysis import Step
from vigil.watch.judging import Judgement

DETECTIONS_FILE, SOURCE_FILE = "detections.csv", "source.json"
DETECTION_TYPES = {
    "frame_index": np.int64,
    "time_s": np.float64,
    "label": str,
    "score": np.float64,
    **dict.fromkeys(CORNERS, np.float64),
}
"""The columns of each box; those of a detector with masks have `counts`, too."""
JUDGEMENT_TYPES = {"track_id": np.int64, "num_sequences": np.int64, "probability": np.float64}
SCORE_TYPES = {
    "start_s": np.float64,
    "stop_s": np.float64,
    "ratio": np.float64,
    "channel": str,
}
"""The columns of each window: its largest ratio, and the channel that has it."""
EVIDENCE_TYPES = {
    "start_s": np.float64,
    "channel": str,
    "feature": str,
    "time_s": np.float64,
    **dict.fromkeys(CORNERS, np.float64),
    "ratio": np.float64,
}
NEAREST_TYPES = {
    "start_s": np.float64,
    "rank": np.int64,
    "video": str,
    "time_s": np.float64,
    "distance": np.float64,
    "picture": str,
}
"""The pieces of allowed clips nearest to the strongest evidence of a window, by its `start_s`."""
NEAREST_FILE, ALLOWED = "nearest.csv", "allowed"
"""The table, and the folder of its pictures. Neither is there without evidence of allowed clips."""
MASK_TYPES = {"track_id": np.int64, "frame_index": np.int64, COUNTS: str}
"""The mask of each detected box of a track: COCO's compressed run lengths, of the frame's size."""
FRAMES_FILE = "frames.csv"
MASK_FILE = "masks.csv"
"""Only a detector with masks has this table."""
DECIMALS = {"time_s": 6, "start_s": 6, "stop_s": 6, "probability": 6, **dict.fromkeys(CORNERS, 3)}
UNJUDGED = -1.0
"""The probability of a track without a full sequence of crops."""


@dataclass(frozen=True)
class SourceFacts:
    """Size and length of a source.

    Attributes:
        size_wh: width and height of its frames, px.
        num_frames: decoded frames.
        duration_s: time until the end of the last frame.
        fps: the mean number of frames per second, without the gaps.
        classes: the classes of the detector.
        gaps: (start_s, stop_s) from the last frame before a gap to the first frame after it, of all
            gaps over which the alarm measures no motion (`LONGEST_GAP_S`).
    """

    size_wh: tuple[int, int]
    num_frames: int
    duration_s: float
    fps: float
    classes: tuple[str, ...]
    gaps: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Findings:
    """The tables of a source.

    Attributes:
        facts: size and length of the source.
        tracks: `TRACK_COLUMNS`, with a box on every frame from the first to the last of a track.
        judgements: `track_id`, `num_sequences`, and `probability` or `UNJUDGED`.
        scores: `SCORE_TYPES`, for each window.
        evidence: unusual places, each with the `start_s` of its window.
        nearest: `NEAREST_TYPES`; None: there was no evidence of allowed clips to compare with.
        masks: `MASK_TYPES`; None: the detector finds no masks.
    """

    facts: SourceFacts
    tracks: pd.DataFrame
    judgements: pd.DataFrame
    scores: pd.DataFrame
    evidence: pd.DataFrame
    nearest: pd.DataFrame | None = None
    masks: pd.DataFrame | None = None

    def kept_tracks(self, least_probability: float) -> pd.DataFrame:
        """The boxes of the tracks that the classifier does not refuse."""
        return self.tracks[self.tracks["track_id"].isin(self.kept_ids(least_probability))]

    def kept_ids(self, least_probability: float) -> set[int]:
        """Numbers of the tracks that the classifier does not refuse."""
        probability = self.judgements["probability"]
        is_kept = (probability >= least_probability) | (probability == UNJUDGED)
        return set(self.judgements.loc[is_kept, "track_id"].tolist())


@dataclass
class Collected:
    """The collected results of all frames so far."""

    detections: list[tuple[int, float, Detections]] = field(default_factory=list)
    boxes: list[TrackedBox] = field(default_factory=list)
    verdicts: list[WindowVerdict] = field(default_factory=list)
    judgements: dict[int, Judgement] = field(default_factory=dict)

    def add(self, step: Step) -> None:
        """Adds the results of a few frames."""
        self.detections += step.detections
        self.boxes += step.boxes
        self.verdicts += step.verdicts
        self.judgements |= step.judgements


def detection_table(pictures: Sequence[tuple[int, float, Detections]]) -> pd.DataFrame:
    """`frame_index`, `time_s`, `label`, `score` and corners of all boxes; `counts` of masks."""
    images = [f"{index} {time_s!r}" for index, time_s, _ in pictures]
    table = as_table(images, [detections for _, _, detections in pictures])
    counts = [len(detections) for _, _, detections in pictures]
    table.insert(
        0, "frame_index", np.repeat([index for index, _, _ in pictures], counts).astype(int)
    )
    table.insert(
        1, "time_s", np.repeat([time_s for _, time_s, _ in pictures], counts).astype(float)
    )
    return table.drop(columns="image")


def mask_table(collected: Collected) -> pd.DataFrame | None:
    """`MASK_TYPES` of tracked boxes, in order of track and frame.

    None for a detector that finds no masks.
    """
    if not any(detections.masks is not None for _, _, detections in collected.detections):
        return None
    boxes = collected.boxes
    rows = [(box.track_id, box.frame_index, box.mask) for box in boxes if box.mask is not None]
    table = pd.DataFrame(rows, columns=list(MASK_TYPES)).astype(MASK_TYPES)
    return table.sort_values(["track_id", "frame_index"], ignore_index=True)


def judgement_table(judgements: Mapping[int, Judgement]) -> pd.DataFrame:
    """The classifier's judgement of each track."""
    rows = [
        (track_id, each.num_sequences, UNJUDGED if each.probability is None else each.probability)
        for track_id, each in sorted(judgements.items())
    ]
    return pd.DataFrame(rows, columns=list(JUDGEMENT_TYPES)).astype(JUDGEMENT_TYPES)


def score_table(windows: Sequence[WindowVerdict]) -> pd.DataFrame:
    """`SCORE_TYPES`, and the ratio of each channel under its name, for each window.

    A channel without evidence in a window has the ratio `NO_EVIDENCE`.
    """
    names = list(dict.fromkeys(name for one in windows for name in one.verdict.ratios))
    rows = [
        (
            window.start_s,
            window.stop_s,
            finite_ratio(window.verdict.ratio),
            window.verdict.channel,
            *(finite_ratio(window.verdict.ratios.get(name, NO_EVIDENCE)) for name in names),
        )
        for window in windows
    ]
    table = pd.DataFrame(rows, columns=[*SCORE_TYPES, *names]).astype(SCORE_TYPES)
    for name in ("ratio", *names):
        table[name] = (
            round_digits(table[name].to_numpy(), NUM_DIGITS) if len(table) else table[name]
        )
    return table


def finite_ratio(ratio: float) -> float:
    """A ratio to a threshold of 0 is infinite, but tables and events hold finite numbers."""
    return min(ratio, LARGEST_RATIO)


def evidence_table(windows: Sequence[WindowVerdict]) -> pd.DataFrame:
    """The unusual places of each window."""
    rows = [
        (
            *(window.start_s, place.channel, place.feature, place.time_s),
            *(*place.box_xyxy, finite_ratio(place.ratio)),
        )
        for window in windows
        for place in window.verdict.evidence
    ]
    return pd.DataFrame(rows, columns=list(EVIDENCE_TYPES)).astype(EVIDENCE_TYPES)


def nearest_table(windows: Sequence[WindowVerdict], allowed: Allowed) -> pd.DataFrame:
    """The nearest pieces of allowed clips for the strongest evidence of each window."""
    rows = []
    for window in windows:
        verdict = window.verdict
        if verdict.vector is None:
            continue
        found, distances = allowed.nearest(verdict.evidence[0].channel, verdict.vector)
        digits = round_digits(distances, NUM_DIGITS)
        for rank, (row, distance) in enumerate(zip(found, digits, strict=True), start=1):
            video, time_s = allowed.table.loc[row, ["video", "time_s"]]
            rows.append((window.start_s, rank, video, time_s, distance, picture_name(row)))
    return pd.DataFrame(rows, columns=list(NEAREST_TYPES)).astype(NEAREST_TYPES)


def write_seen(
    collected: Collected, facts: SourceFacts, folder: Path, allowed: Allowed | None = None
) -> None:
    """Writes what detector and alarm found in a source into an existing folder.

    Args:
        allowed: evidence of allowed clips, to compare with.
    """
    _write(detection_table(collected.detections), folder / DETECTIONS_FILE)
    _write(score_table(collected.verdicts), folder / "scores.csv")
    _write(evidence_table(collected.verdicts), folder / "evidence.csv")
    if allowed is not None:
        nearest = nearest_table(collected.verdicts, allowed)
        _write(nearest, folder / NEAREST_FILE)
        (folder / ALLOWED).mkdir()
        for row, picture in enumerate(allowed.pictures):
            if (name := picture_name(row)) in set(nearest["picture"]):
                (folder / ALLOWED / name).write_bytes(picture)
    content = {
        "size_wh": list(facts.size_wh),
        "num_frames": facts.num_frames,
        "duration_s": round(facts.duration_s, 6),
        "fps": round(facts.fps, 6),
        "classes": list(facts.classes),
        "gaps": [[round(edge, 6) for edge in gap] for gap in facts.gaps],
    }
    write_json(content, folder / SOURCE_FILE)


def write_tracks(collected: Collected, times_s: Sequence[float], folder: Path) -> None:
    """Writes the tracks in a source, and what the classifier says of them, into its folder.

    Args:
        times_s: the time of each frame.
    """
    tracks = fill_tracks(track_table(collected.boxes), np.array(times_s))
    write_track_table(tracks, folder / "tracks.csv")
    _write(
        pd.DataFrame({"frame_index": range(len(times_s)), "time_s": times_s}), folder / FRAMES_FILE
    )
    if (masks := mask_table(collected)) is not None:
        write_csv(masks, folder / MASK_FILE)
    _write(judgement_table(collected.judgements), folder / "judgements.csv")


def _write(table: pd.DataFrame, file: Path) -> None:
    decimals = {name: number for name, number in DECIMALS.items() if name in table}
    write_csv(table.round(decimals), file)


def read_findings(folder: Path) -> Findings:
    """Reads the files of `write_seen` and `write_tracks`.

    Raises:
        InputError: a file is missing, or has another format.
    """
    facts = read_source(folder)
    nearest, masks = folder / NEAREST_FILE, folder / MASK_FILE
    return Findings(
        facts,
        read_track_table(folder / "tracks.csv"),
        read_csv(folder / "judgements.csv", JUDGEMENT_TYPES),
        read_csv(folder / "scores.csv", SCORE_TYPES)[list(SCORE_TYPES)],
        read_csv(folder / "evidence.csv", EVIDENCE_TYPES)[list(EVIDENCE_TYPES)],
        read_csv(nearest, NEAREST_TYPES) if nearest.exists() else None,
        read_csv(masks, MASK_TYPES) if masks.exists() else None,
    )


def read_source(folder: Path) -> SourceFacts:
    """Reads the facts of a source that `write_seen` wrote.

    Raises:
        InputError: the file is missing, or has another format.
    """
    content: Any = read_json(folder / SOURCE_FILE)
    try:
        width, height = content["size_wh"]
        return SourceFacts(
            (int(width), int(height)),
            int(content["num_frames"]),
            float(content["duration_s"]),
            float(content["fps"]),
            tuple(map(str, content["classes"])),
            tuple((float(start_s), float(stop_s)) for start_s, stop_s in content.get("gaps", [])),
        )
    except (KeyError, TypeError, ValueError):
        raise InputError(
            f"{folder / SOURCE_FILE}: expected facts of a source, got {shorten(content)}"
        ) from None
