"""Assigns clips to train, val and test, whole sources at a time, each class by its share.

Allowed clips go to all three sides, anomalous ones to val (by choice) and test: nothing learns from
them.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from vigil.domain.splits.sides import SIDES, TEST, TRAIN, VAL
from vigil.plumbing.errors import InputError


def assign_clips(
    clips: pd.DataFrame,
    *,
    seed: int,
    val_fraction: float,
    test_fraction: float,
    anomalous_val_fraction: float,
) -> "pd.Series[str]":
    """A side for each clip.

    A source that holds anomalous clips is never trained on: its allowed clips go with them.

    Args:
        clips: `class`, `is_anomalous`, `source` and `digest` of each.
        val_fraction: share of the allowed clips that do not test which validates.
        test_fraction: share of the allowed clips that tests.
        anomalous_val_fraction: share of the anomalous clips that validates; the others test.

    Returns:
        `train`, `val` or `test`, with the index of `clips`.

    Raises:
        InputError: two sources hold the same clip, or a side stays without allowed clips, or the
            test without anomalous ones.
    """
    _check_different(clips)
    rng = np.random.default_rng(seed)
    allowed = {
        TRAIN: (1 - val_fraction) * (1 - test_fraction),
        VAL: val_fraction * (1 - test_fraction),
        TEST: test_fraction,
    }
    anomalous = {VAL: anomalous_val_fraction, TEST: 1 - anomalous_val_fraction}
    sides = pd.Series("", index=clips.index, dtype=str)
    is_anomalous = clips["is_anomalous"]
    is_mixed = ~is_anomalous & clips["source"].isin(clips.loc[is_anomalous, "source"])
    kinds = ((~is_anomalous & ~is_mixed, allowed), (is_anomalous, anomalous))
    for chosen, shares in kinds:
        wanted = {side: share for side, share in shares.items() if share > 0}
        sides[chosen] = _assign_sources(clips[chosen], wanted, rng)
    side_of = dict(zip(clips.loc[is_anomalous, "source"], sides[is_anomalous], strict=True))
    sides[is_mixed] = clips.loc[is_mixed, "source"].map(side_of)
    for rows, shares, kind in (
        (clips[~is_anomalous], allowed, "allowed"),
        (clips[is_anomalous], anomalous, "anomalous"),
    ):
        wanted = {side: share for side, share in shares.items() if share > 0}
        empty = [side for side in wanted if not (sides[rows.index] == side).any()]
        if empty:
            raise InputError(
                f"split: expected {kind} clips in {', '.join(wanted)}, found none for "
                f"{', '.join(empty)}: there are {len(rows)} {kind} clips of "
                f"{rows['source'].nunique()} sources (dataset.clip_group_pattern); more sources or "
                "other fractions may help"
            )
    return sides


def _assign_sources(
    rows: pd.DataFrame, shares: Mapping[str, float], rng: np.random.Generator
) -> "pd.Series[str]":
    """Gives each source, the largest first, to the side where its classes lack most.

    What all classes lack together decides between equals. The last sources of a class go where it
    has none yet, so that three sources are enough for three sides.
    """
    counts = pd.crosstab(rows["source"], rows["class"])
    counts = counts.iloc[rng.permutation(len(counts))]
    counts = counts.iloc[np.argsort(-counts.sum(axis=1).to_numpy(), kind="stable")]
    # The last column is that of all classes.
    table = np.column_stack([counts.to_numpy(), counts.sum(axis=1).to_numpy()]).astype(float)
    missing = np.array(list(shares.values()))[:, None] * table.sum(axis=0)  # (sides, classes + 1)
    given = np.zeros(missing.shape, np.int64)  # sources
    waiting = (table > 0).sum(axis=0)
    chosen = []
    for own in table:
        has = own > 0
        empty = given == 0
        urgent = has & (waiting <= empty.sum(axis=0)) & empty.any(axis=0)
        if urgent[-1]:  # a side without any clip comes before one without some class
            urgent[:-1] = False
        open_sides = empty[:, urgent].any(axis=1) if urgent.any() else np.full(len(shares), True)
        gain = missing**2 - (missing - own) ** 2
        worth = np.round(np.stack([gain[:, :-1].sum(axis=1), gain[:, -1]]), 6)
        worth[:, ~open_sides] = -np.inf
        best = np.flatnonzero((worth == worth[:, np.lexsort(worth[::-1])[-1], None]).all(axis=0))
        side = int(rng.choice(best))
        missing[side] -= own
        given[side] += has
        waiting -= has
        chosen.append(list(shares)[side])
    return rows["source"].map(dict(zip(counts.index, chosen, strict=True)))


def _check_different(clips: pd.DataFrame) -> None:
    """Sources are what may part: the same clip in two of them would be seen on two sides."""
    source = clips["source"]
    num_sources = source.groupby(clips["digest"], sort=False).nunique()
    for digest in num_sources.index[num_sources > 1]:
        same = clips.index[clips["digest"] == digest]
        other = source[same].ne(source[same[0]]).idxmax()
        raise InputError(
            f"{same[0]} and {other}: expected different clips, found the same content, which "
            "could stand on two sides of the split; remove one, or name their common source by "
            "dataset.clip_group_pattern"
        )


def count_clips(clips: pd.DataFrame, sides: "pd.Series[str]") -> dict[str, dict[str, int]]:
    """Clips of each class, for each side."""
    counts = clips.groupby([sides, "class"]).size()
    return {
        side: {name: int(number) for name, number in counts[side].items()}
        for side in SIDES
        if side in counts.index.get_level_values(0)
    }
