"""What the models found in a source, as tables: all that events and pictures are made of.

No number in here depends on when an event is raised, or on which tracks count as people.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vigil.domain.clips.scores import NUM_DIGITS, SCORERS, round_digits
from vigil.domain.detections import DETECTION_COLUMNS, Detections, as_table
from vigil.domain.pictures.annotated import CORNERS
from vigil.domain.tracking.table import (
    fill_tracks,
    read_track_table,
    track_table,
    write_mot,
    write_track_table,
)
from vigil.domain.tracking.tracker import TrackedBox
from vigil.plumbing.errors import InputError, shorten
from vigil.plumbing.records import read_csv, read_json, write_csv, write_json
from vigil.watch.analysis import Step
from vigil.watch.judging import Judgement
from vigil.watch.scoring import Scored

DETECTION_TYPES = {"frame_index": np.int64, "time_s": np.float64}
JUDGEMENT_TYPES = {"track_id": np.int64, "num_sequences": np.int64, "probability": np.float64}
SCORE_TYPES = {
    "start_s": np.float64,
    "stop_s": np.float64,
    "ratio": np.float64,
    **dict.fromkeys(SCORERS, np.float64),
}
EVIDENCE_TYPES = {
    "start_s": np.float64,
    "channel": str,
    "time_s": np.float64,
    **dict.fromkeys(CORNERS, np.float64),
    "ratio": np.float64,
}
DECIMALS = {"time_s": 6, "start_s": 6, "stop_s": 6, "probability": 6, **dict.fromkeys(CORNERS, 3)}
UNJUDGED = -1.0
"""The probability of a track without a sequence of crops that could be looked at."""


@dataclass(frozen=True)
class SourceFacts:
    """What is known of a source once all of it was seen.

    Attributes:
        size_wh: of its frames, px.
        num_frames: that were decoded.
        duration_s: until the end of the last frame.
        fps: frames a second, the mean.
    """

    size_wh: tuple[int, int]
    num_frames: int
    duration_s: float
    fps: float


@dataclass(frozen=True)
class Findings:
    """Tables of what was found.

    Attributes:
        facts: of the source.
        tracks: `TRACK_COLUMNS`, a box on every frame between a track's first and last one.
        judgements: `track_id`, `num_sequences`, `probability`; `UNJUDGED` where there are none.
        scores: `start_s`, `stop_s`, `ratio` and the ratio of each scorer, of each window.
        evidence: places that are unusual, by the `start_s` of their window.
    """

    facts: SourceFacts
    tracks: pd.DataFrame
    judgements: pd.DataFrame
    scores: pd.DataFrame
    evidence: pd.DataFrame

    def kept_tracks(self, least_probability: float) -> pd.DataFrame:
        """The tracks of people: those that the classifier does not refuse."""
        return self.tracks[self.tracks["track_id"].isin(self.kept_ids(least_probability))]

    def kept_ids(self, least_probability: float) -> set[int]:
        """Numbers of the tracks that the classifier does not refuse."""
        probability = self.judgements["probability"]
        is_kept = (probability >= least_probability) | (probability == UNJUDGED)
        return set(self.judgements.loc[is_kept, "track_id"].tolist())


@dataclass
class Collected:
    """Findings of a source while it goes by."""

    found: list[tuple[int, float, Detections]] = field(default_factory=list)
    seen: list[TrackedBox] = field(default_factory=list)
    scored: list[Scored] = field(default_factory=list)

    def add(self, step: Step) -> None:
        """Takes what a few frames brought."""
        self.found += step.found
        self.seen += step.seen
        self.scored += step.scored


def detection_table(found: Sequence[tuple[int, float, Detections]]) -> pd.DataFrame:
    """`frame_index`, `time_s`, `label`, `score` and corners of all boxes."""
    images = [f"{index} {time_s!r}" for index, time_s, _ in found]
    table = as_table(images, [one for _, _, one in found])
    counts = [len(one) for _, _, one in found]
    table.insert(0, "frame_index", np.repeat([index for index, _, _ in found], counts).astype(int))
    table.insert(1, "time_s", np.repeat([time_s for _, time_s, _ in found], counts).astype(float))
    return table[["frame_index", "time_s", *DETECTION_COLUMNS[1:]]]


def judgement_table(judgements: Mapping[int, Judgement]) -> pd.DataFrame:
    """What the classifier says of each track."""
    rows = [
        (n, own.num_sequences, UNJUDGED if own.probability is None else own.probability)
        for n, own in sorted(judgements.items())
    ]
    return pd.DataFrame(rows, columns=list(JUDGEMENT_TYPES)).astype(JUDGEMENT_TYPES)


def score_table(scored: Sequence[Scored]) -> pd.DataFrame:
    """The ratios of each window."""
    rows = [(o.start_s, o.stop_s, o.ratio, *(o.ratios[name] for name in SCORERS)) for o in scored]
    table = pd.DataFrame(rows, columns=list(SCORE_TYPES)).astype(SCORE_TYPES)
    for name in ("ratio", *SCORERS):
        table[name] = (
            round_digits(table[name].to_numpy(), NUM_DIGITS) if len(table) else table[name]
        )
    return table


def evidence_table(scored: Sequence[Scored]) -> pd.DataFrame:
    """The places of each window that are unusual."""
    rows = [
        (window.start_s, own.channel, own.time_s, *own.box_xyxy, own.ratio)
        for window in scored
        for own in window.evidence
    ]
    return pd.DataFrame(rows, columns=list(EVIDENCE_TYPES)).astype(EVIDENCE_TYPES)


def write_findings(
    collected: Collected,
    judgements: Mapping[int, Judgement],
    facts: SourceFacts,
    times_s: Sequence[float],
    folder: Path,
) -> None:
    """Writes the tables of a source into a folder that is there.

    Args:
        times_s: when each frame is shown.
    """
    tracks = fill_tracks(track_table(collected.seen), np.array(times_s))
    _write(detection_table(collected.found), folder / "detections.csv")
    write_track_table(tracks, folder / "tracks.csv")
    write_mot(tracks, folder / "tracks.txt")
    _write(judgement_table(judgements), folder / "judgements.csv")
    _write(score_table(collected.scored), folder / "scores.csv")
    _write(evidence_table(collected.scored), folder / "evidence.csv")
    content = {
        "size_wh": list(facts.size_wh),
        "num_frames": facts.num_frames,
        "duration_s": round(facts.duration_s, 6),
        "fps": round(facts.fps, 6),
    }
    write_json(content, folder / "source.json")


def _write(table: pd.DataFrame, file: Path) -> None:
    decimals = {name: number for name, number in DECIMALS.items() if name in table}
    write_csv(table.round(decimals), file)


def read_findings(folder: Path) -> Findings:
    """Reads what `write_findings` wrote.

    Raises:
        InputError: a file is missing, or not of that form.
    """
    content: Any = read_json(folder / "source.json")
    try:
        width, height = content["size_wh"]
        facts = SourceFacts(
            (int(width), int(height)),
            int(content["num_frames"]),
            float(content["duration_s"]),
            float(content["fps"]),
        )
    except (KeyError, TypeError, ValueError):
        raise InputError(
            f"{folder / 'source.json'}: expected facts of a source, got {shorten(content)}"
        ) from None
    return Findings(
        facts,
        read_track_table(folder / "tracks.csv"),
        read_csv(folder / "judgements.csv", JUDGEMENT_TYPES),
        read_csv(folder / "scores.csv", SCORE_TYPES)[list(SCORE_TYPES)],
        read_csv(folder / "evidence.csv", EVIDENCE_TYPES)[list(EVIDENCE_TYPES)],
    )
