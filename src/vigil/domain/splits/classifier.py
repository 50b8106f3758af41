"""Assigns samples to train, val and test so that nothing of one side is seen on another.

Whole videos go to a side where the parameters name them or there are enough. Otherwise a video's
time is cut into one block for each side with a gap between blocks, and a track that reaches into
several blocks stays in one of them.
"""

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from vigil.domain.splits.sides import SIDES, TEST, TRAIN, VAL
from vigil.plumbing.errors import InputError, listed

DROPPED_GAP = "dropped: gap between blocks"
DROPPED_TRACK = "dropped: track on another side"


def assign_splits(
    index: pd.DataFrame,
    *,
    seed: int,
    val_fraction: float,
    test_fraction: float,
    test_videos: Sequence[str],
    gap_frames: int,
) -> "pd.Series[str]":
    """A side for each sample of an index.

    Args:
        index: samples with `label` and what `assign_videos` needs.
        seed, val_fraction, test_fraction, test_videos, gap_frames: see `assign_videos`.

    Returns:
        `train`, `val`, `test`, `DROPPED_GAP` or `DROPPED_TRACK`, with the index of `index`.

    Raises:
        InputError: a test video has no samples or no other is left, or a side stays without a
            sample of some label.
    """
    if index.empty:
        raise InputError("split: expected samples, found none")
    sides = assign_videos(
        index,
        pd.get_dummies(index["label"]),
        seed=seed,
        val_fraction=val_fraction,
        test_fraction=test_fraction,
        test_videos=test_videos,
        gap_frames=gap_frames,
    )
    _check_sides(index, sides)
    return sides


def assign_videos(
    index: pd.DataFrame,
    presence: pd.DataFrame,
    *,
    seed: int,
    val_fraction: float,
    test_fraction: float,
    test_videos: Sequence[str],
    gap_frames: int,
) -> "pd.Series[str]":
    """A side for each of what was taken from videos, sequences or single frames.

    Args:
        index: `video`, `track` ("" for none), `first_frame`, `num_frames`; at least one row.
        presence: a column for each label, row by row whether it shows. Where time is cut, an order
            of the sides is sought that gives each of them all labels of the video.
        val_fraction: share of what is not test that validates.
        test_fraction: share that tests, where `test_videos` names none.
        test_videos: videos that are for testing, as a whole.
        gap_frames: frames left unused between two blocks of one video.

    Returns:
        `train`, `val`, `test`, `DROPPED_GAP` or `DROPPED_TRACK`, with the index of `index`.

    Raises:
        InputError: a test video has no samples, or no other is left.
    """
    rng = np.random.default_rng(seed)
    videos = sorted(index["video"].unique())
    test = _choose_test_videos(videos, test_videos, test_fraction, rng)
    rest = [video for video in videos if video not in test]
    num_val = _num_whole(val_fraction, len(rest))
    val = {str(video) for video in rng.choice(rest, num_val, replace=False)}
    shares = {TRAIN: 1 - val_fraction, VAL: val_fraction if not val else 0.0}
    if not test:
        shares = {side: share * (1 - test_fraction) for side, share in shares.items()}
        shares[TEST] = test_fraction
    shares = {side: share for side, share in shares.items() if share > 0}
    sides = pd.Series("", index=index.index, dtype=str)
    for video, rows in index.groupby("video"):  # sorted, as the videos are
        if video in test:
            sides[rows.index] = TEST
        elif video in val:
            sides[rows.index] = VAL
        elif len(shares) == 1:
            sides[rows.index] = TRAIN
        else:
            own = presence.loc[rows.index]
            sides[rows.index] = _assign_blocks(rows, own, shares, gap_frames, rng)
    return sides


def _choose_test_videos(
    videos: Sequence[str], named: Sequence[str], fraction: float, rng: np.random.Generator
) -> set[str]:
    unknown = set(named) - set(videos)
    if unknown:
        raise InputError(
            f"split.test_videos: expected videos with samples ({listed(videos)}), "
            f"got {listed(unknown)}"
        )
    if named and len(set(named)) == len(videos):
        raise InputError("split.test_videos: expected to leave a video to train on, got all")
    if named:
        return set(named)
    num_test = _num_whole(fraction, len(videos))
    return {str(video) for video in rng.choice(videos, num_test, replace=False)}


def _num_whole(fraction: float, num_videos: int) -> int:
    """How many whole videos make up a fraction: the nearest number (of two, the lower)."""
    return min(math.ceil(fraction * num_videos - 0.5), max(num_videos - 1, 0))


def _assign_blocks(
    rows: pd.DataFrame,
    presence: pd.DataFrame,
    shares: dict[str, float],
    gap_frames: int,
    rng: np.random.Generator,
) -> "pd.Series[str]":
    """The order of the sides in time that loses the fewest samples; among equals, a random one."""
    orders = list(itertools.permutations(shares))
    candidates = [
        _cut(rows, [(side, shares[side]) for side in orders[i]], gap_frames)
        for i in rng.permutation(len(orders))
    ]
    presence = presence.loc[:, presence.any()]

    def worth(sides: "pd.Series[str]") -> tuple[int, int]:
        kept = sides.isin(SIDES)
        complete = presence[kept].groupby(sides[kept]).any().all(axis=1)
        return int(complete.sum()), int(kept.sum())

    return max(candidates, key=worth)


def _cut(
    rows: pd.DataFrame, blocks: Sequence[tuple[str, float]], gap_frames: int
) -> "pd.Series[str]":
    """Cuts at the quantiles of the samples' times, so that the shares are shares of samples."""
    first, past = rows["first_frame"], rows["first_frame"] + rows["num_frames"]
    middle = (first + past) / 2
    sides = pd.Series(DROPPED_GAP, index=rows.index, dtype=str)
    start, done = -math.inf, 0.0
    for side, share in blocks:
        done += share
        is_last = side == blocks[-1][0]
        stop = math.inf if is_last else math.floor(middle.quantile(min(done, 1.0)) - gap_frames / 2)
        sides[(first >= start) & (past <= stop)] = side
        start = stop + gap_frames
    return _keep_tracks_together(rows, sides)


def _keep_tracks_together(rows: pd.DataFrame, sides: "pd.Series[str]") -> "pd.Series[str]":
    """Leaves a track on the side that has most of it, and drops it from the others."""
    on_track = (rows["track"] != "") & (sides != DROPPED_GAP)
    for _, own in sides[on_track].groupby(rows.loc[on_track, "track"]):
        home = own.value_counts(sort=False).reindex(SIDES, fill_value=0).idxmax()
        sides[own.index[own != home]] = DROPPED_TRACK
    return sides


def _check_sides(index: pd.DataFrame, sides: "pd.Series[str]") -> None:
    labels = set(index["label"])
    for side in SIDES:
        missing = labels - set(index.loc[sides == side, "label"])
        if missing:
            raise InputError(
                f"split: expected samples of each class in {side}, found no {listed(missing)} "
                f"({len(index)} samples of {index['video'].nunique()} videos; "
                "other fractions, a shorter gap or more videos may help)"
            )


def count_by_side(index: pd.DataFrame, sides: "pd.Series[str]") -> dict[str, dict[str, int]]:
    """Samples of each label, for each side and each reason of leaving out."""
    counts = index.groupby([sides, "label"]).size()
    return {
        side: {label: int(n) for label, n in counts[side].items()}
        for side in counts.index.get_level_values(0).unique()
    }
