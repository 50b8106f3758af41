"""Assigns samples to training, validation and test, so that no side shows content of another.

Whole videos go to a side if the parameters name them, or if there are enough videos. Otherwise the
time of each video is cut into one block for each side, with gaps between the blocks. A track in
several blocks stays in one of them.
"""

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from vigil.domain.sides import SIDES, TEST, TRAIN, VAL
from vigil.domain.splits.given import NOTHING_GIVEN, Branch, hold_given
from vigil.plumbing.errors import FieldError, InputError, listed
from vigil.settings.split import Split

DROPPED_GAP = "dropped: gap between blocks"
DROPPED_TRACK = "dropped: track on another side"


def assign_samples(
    index: pd.DataFrame, settings: Split, given: Mapping[str, str] = NOTHING_GIVEN
) -> "pd.Series[str]":
    """Assigns a side to each sample of an index.

    Args:
        index: samples with `label` and the columns that `assign_videos` needs.
        given: the given sides, by the name of the video.

    Returns:
        `train`, `val`, `test`, `DROPPED_GAP` or `DROPPED_TRACK`, with the index of `index`.

    Raises:
        InputError: see `assign_videos`, or a side has no sample of some label.
    """
    if index.empty:
        raise InputError("expected samples to split, found none")
    sides = assign_videos(index, pd.get_dummies(index["label"]), settings, given)
    _check_sides(index, sides)
    return sides


def assign_videos(
    index: pd.DataFrame,
    presence: pd.DataFrame,
    settings: Split,
    given: Mapping[str, str] = NOTHING_GIVEN,
    branch: Branch = "classifier",
) -> "pd.Series[str]":
    """Assigns a side to each part of a video: a sequence of frames or a single frame.

    Args:
        index: `video`, `track` ("" for none), `first_frame` and `num_frames` of each part; at least
            one row.
        presence: a column for each label, which says for each row of `index` whether it shows the
            label. Where a video's time is cut, the order of the sides is chosen so that each side
            gets all labels of the video, if possible.
        given: the given sides, by the name of the video. Other videos are drawn for the sides that
            are not given.
        branch: the branch that the videos are split for, for messages.

    Returns:
        `train`, `val`, `test`, `DROPPED_GAP` or `DROPPED_TRACK`, with the index of `index`.

    Raises:
        FieldError: a test video has no samples, or no other video is left; a given video does not
            exist.
    """
    sides, open_sides, given_sides = hold_given(index["video"], given, branch)
    if settings.test_videos and TEST not in open_sides:
        raise FieldError("test_videos", f"expected none, as given.{branch} names the test videos")
    has_side = index.loc[given_sides != "", "video"].unique()
    if twice := set(settings.test_videos) & set(has_side):
        raise FieldError(
            "test_videos",
            f"expected videos without a side in given.{branch}, got {listed(twice)}",
        )
    rows = index[sides == ""]
    if len(rows):
        sides[rows.index] = _draw(rows, presence.loc[rows.index], settings, open_sides)
    return sides


def _draw(
    index: pd.DataFrame, presence: pd.DataFrame, settings: Split, open_sides: Sequence[str]
) -> "pd.Series[str]":
    rng = np.random.default_rng(settings.seed)
    videos = sorted(index["video"].unique())
    test, val = set[str](), set[str]()
    if TEST in open_sides:
        test = _choose_test_videos(videos, settings, rng)
    rest = [video for video in videos if video not in test]
    if VAL in open_sides:
        num_val = _num_whole(settings.val_fraction, len(rest))
        val = {str(video) for video in rng.choice(rest, num_val, replace=False)}
    shares = {TRAIN: 1.0}
    if VAL in open_sides and not val:
        shares = {TRAIN: 1 - settings.val_fraction, VAL: settings.val_fraction}
    if TEST in open_sides and not test:
        shares = {side: share * (1 - settings.test_fraction) for side, share in shares.items()}
        shares[TEST] = settings.test_fraction
    sides = pd.Series("", index=index.index, dtype=str)
    for video, rows in index.groupby("video"):  # sorted, as the videos are
        if video in test:
            sides[rows.index] = TEST
        elif video in val:
            sides[rows.index] = VAL
        elif len(shares) == 1:
            sides[rows.index] = TRAIN
        else:
            shown = presence.loc[rows.index]
            sides[rows.index] = _assign_blocks(rows, shown, shares, settings.gap_frames, rng)
    return sides


def _choose_test_videos(
    videos: Sequence[str], settings: Split, rng: np.random.Generator
) -> set[str]:
    named = set(settings.test_videos)
    if unknown := named - set(videos):
        raise FieldError(
            "test_videos",
            f"expected videos with samples ({listed(videos)}), got {listed(unknown)}",
        )
    if named and len(named) == len(videos):
        raise FieldError("test_videos", "expected to leave a video to train on, got all")
    if named:
        return named
    num_test = _num_whole(settings.test_fraction, len(videos))
    return {str(video) for video in rng.choice(videos, num_test, replace=False)}


def _num_whole(fraction: float, num_videos: int) -> int:
    """The number of whole videos nearest to a fraction of them; of two equally near, the lower."""
    return min(math.ceil(fraction * num_videos - 0.5), max(num_videos - 1, 0))


def _assign_blocks(
    rows: pd.DataFrame,
    presence: pd.DataFrame,
    shares: dict[str, float],
    gap_frames: int,
    rng: np.random.Generator,
) -> "pd.Series[str]":
    """Cuts a video's time into one block for each side, in the order of the sides that is best.

    The best order gives all labels to the most sides, and then loses the fewest samples. Of equally
    good orders, a random one is taken.
    """
    orders = list(itertools.permutations(shares))
    candidates = [
        _cut(rows, [(side, shares[side]) for side in orders[i]], gap_frames)
        for i in rng.permutation(len(orders))
    ]
    presence = presence.loc[:, presence.any()]

    def quality(sides: "pd.Series[str]") -> tuple[int, int]:
        kept = sides.isin(SIDES)
        complete = presence[kept].groupby(sides[kept]).any().all(axis=1)
        return int(complete.sum()), int(kept.sum())

    return max(candidates, key=quality)


def _cut(
    rows: pd.DataFrame, blocks: Sequence[tuple[str, float]], gap_frames: int
) -> "pd.Series[str]":
    """Cuts at quantiles of the samples' middle frames, so that shares are shares of samples."""
    first, end = rows["first_frame"], rows["first_frame"] + rows["num_frames"]
    middle = (first + end) / 2
    sides = pd.Series(DROPPED_GAP, index=rows.index, dtype=str)
    start, total = -math.inf, 0.0
    for side, share in blocks:
        total += share
        is_last = side == blocks[-1][0]
        # Half of the gap is before the quantile, half after it.
        stop = (
            math.inf if is_last else math.floor(middle.quantile(min(total, 1.0)) - gap_frames / 2)
        )
        sides[(first >= start) & (end <= stop)] = side
        start = stop + gap_frames
    return _keep_tracks_together(rows, sides)


def _keep_tracks_together(rows: pd.DataFrame, sides: "pd.Series[str]") -> "pd.Series[str]":
    """Keeps each track on the side that has most of its samples, and drops its other samples."""
    on_track = (rows["track"] != "") & (sides != DROPPED_GAP)
    for _, track_sides in sides[on_track].groupby(rows.loc[on_track, "track"]):
        main_side = track_sides.value_counts(sort=False).reindex(SIDES, fill_value=0).idxmax()
        sides[track_sides.index[track_sides != main_side]] = DROPPED_TRACK
    return sides


def _check_sides(index: pd.DataFrame, sides: "pd.Series[str]") -> None:
    labels = set(index["label"])
    for side in SIDES:
        missing = labels - set(index.loc[sides == side, "label"])
        if missing:
            raise InputError(
                f"expected samples of each class in {side}, found no {listed(missing)} "
                f"({len(index)} samples of {index['video'].nunique()} videos; "
                "other fractions, a shorter gap or more videos may help)"
            )


def count_by_side(index: pd.DataFrame, sides: "pd.Series[str]") -> dict[str, dict[str, int]]:
    """The number of samples of each label on each side, and left out for each reason."""
    counts = index.groupby([sides, "label"]).size()
    return {
        side: {label: int(n) for label, n in counts[side].items()}
        for side in counts.index.get_level_values(0).unique()
    }
