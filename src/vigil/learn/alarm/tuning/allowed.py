"""The allowed clips of the training and the validation side: all that the choice of settings sees.

Neither the test side nor an anomalous clip is read.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from vigil.domain.clips.windows import (
    LABELS_NAME,
    WINDOWS_NAME,
    join_labels,
    read_labels,
    read_windows,
)
from vigil.domain.sides import TRAIN, VAL, read_side
from vigil.pixels.pseudo_anomalies.making import Part
from vigil.pixels.windows import Window
from vigil.plumbing.errors import InputError

LONGEST_S = 10.0
"""A pseudo-anomaly is made from at most this much of a clip, from its start."""
LEAST_SOURCES = 4
"""Sources of allowed validation clips: two in each half, so that the spread over them is known."""


@dataclass(frozen=True)
class Allowed:
    """The windows of allowed clips.

    Attributes:
        train, val: `video`, `start_s`, `stop_s`, `digest`, `clip`, `class` and `source` of each
            window, by video; `val` has `half`, 0 or 1, in addition.
    """

    train: pd.DataFrame
    val: pd.DataFrame


def read_allowed(clips: Path, splits: Path, seed: int) -> Allowed:
    """Reads the allowed windows of two sides, and divides the validation side in halves.

    Args:
        clips: the folder of the tables of windows and labels.
        splits: the folder with the lists of the videos on each side.
        seed: the seed of the halves.

    Raises:
        InputError: a file is missing or damaged, or there are too few allowed clips or sources.
    """
    windows = join_labels(read_windows(clips / WINDOWS_NAME), read_labels(clips / LABELS_NAME))
    windows = windows[~windows["is_anomalous"]].drop(columns="is_anomalous")
    train, val = (_of_side(windows, splits / f"{side}.json") for side in (TRAIN, VAL))
    if len(train) < 2:
        raise InputError(
            f"{splits}: expected at least 2 windows of allowed clips to learn from, got "
            f"{len(train)}"
        )
    if (num := val["source"].nunique()) < LEAST_SOURCES:
        raise InputError(
            f"{splits}: expected allowed validation clips of at least {LEAST_SOURCES} sources, two "
            f"that set thresholds and two that are judged, got {num}; a larger "
            "split.val_fraction, or a given split with more of them, gives more"
        )
    halves = halve(val, seed)
    return Allowed(train, val.assign(half=val["source"].map(halves)))


def _of_side(windows: pd.DataFrame, file: Path) -> pd.DataFrame:
    """The windows of one side, those of a video together."""
    chosen = windows[windows["video"].isin(read_side(file))]
    return chosen.sort_values(["video", "start_s", "stop_s"], kind="stable", ignore_index=True)


def halve(windows: pd.DataFrame, seed: int) -> dict[str, int]:
    """Divides sources in two halves that have as equally many clips of each class as possible.

    Args:
        windows: `clip`, `class` and `source` of each.

    Returns:
        The half of each source, 0 or 1; each has at least two sources if there are four.
    """
    rng = np.random.default_rng(seed)
    counts = windows.drop_duplicates("clip").groupby(["class", "source"]).size()
    main_class = counts.sort_values(kind="stable").reset_index().groupby("source")["class"].last()
    num_clips = counts.groupby("source").sum()
    halves: dict[str, int] = {}
    totals, numbers = [0, 0], [0, 0]
    for _, names in sorted(main_class.groupby(main_class).groups.items()):
        in_class = [0, 0]
        for source in rng.permutation(sorted(names)):
            # The half with fewer sources of this class, then with fewer sources, then clips.
            half = min((0, 1), key=lambda one: (in_class[one], numbers[one], totals[one], one))
            halves[str(source)] = half
            in_class[half] += 1
            numbers[half] += 1
            totals[half] += int(num_clips[source])
    return halves


def parts_of(windows: pd.DataFrame, most_of_source: int | None = None) -> list[Part]:
    """Parts of the videos for pseudo-anomalies: whole clips, as far as they do not overlap.

    Args:
        most_of_source: the largest number of parts of a source, spread evenly over all.

    Returns:
        The parts, sorted by time within each video.
    """
    rows = [(str(source), part) for source, part in _list_parts(windows)]
    kept = []
    for name in dict.fromkeys(source for source, _ in rows):
        own = [part for source, part in rows if source == name]
        if most_of_source is not None and len(own) > most_of_source:
            chosen = np.linspace(0, len(own) - 1, most_of_source).round().astype(np.int64)
            own = [own[at] for at in chosen]
        kept += own
    return kept


def _list_parts(windows: pd.DataFrame) -> Iterator[tuple[str, Part]]:
    for video, rows in windows.groupby("video", sort=False):
        end_s = -np.inf
        for _, clip in rows.groupby("clip", sort=False):
            start_s, stop_s = float(clip["start_s"].min()), float(clip["stop_s"].max())
            if start_s < end_s:
                continue  # windows of long videos overlap
            end_s = stop_s
            window = Window(start_s, min(stop_s, start_s + LONGEST_S))
            first = clip.iloc[0]
            yield first["source"], Part(str(video), first["digest"], window)


def windows_in(part: Part, windows: pd.DataFrame) -> pd.DataFrame:
    """The windows of the clip that a part shows, with times from the part's start.

    A clip that is longer than the part is measured as one window, if the part holds none of its
    windows.
    """
    start_s, stop_s = part.window
    own = windows[(windows["video"] == part.video) & (windows["start_s"] >= start_s)]
    clip = own[own["clip"] == own.loc[own["start_s"].idxmin(), "clip"]]
    within = clip[(clip["stop_s"] <= stop_s) | np.isinf(clip["stop_s"])]
    if within.empty:
        within = clip.head(1).assign(stop_s=np.inf)
    return within.assign(start_s=within["start_s"] - start_s, stop_s=within["stop_s"] - start_s)
