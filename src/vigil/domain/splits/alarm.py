"""Assigns clips to train, val and test, whole sources at a time, each class by its share.

Allowed clips go to all three sides, anomalous ones to val (by choice) and test: nothing learns from
them.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from vigil.domain.sides import SIDES, TEST, TRAIN, VAL
from vigil.domain.splits.given import NOTHING_GIVEN, hold_given
from vigil.plumbing.errors import FieldError, InputError, listed
from vigil.settings.split import Split


def assign_clips(
    clips: pd.DataFrame, settings: Split, given: Mapping[str, str] = NOTHING_GIVEN
) -> "pd.Series[str]":
    """A side for each clip.

    A source that holds anomalous clips is never trained on: its allowed clips go with them.

    Args:
        clips: `video`, `class`, `is_anomalous`, `source` and `digest` of each.
        given: sides of videos that are given.

    Returns:
        `train`, `val` or `test`, with the index of `clips`.

    Raises:
        InputError: two sources hold the same clip; a given video that is not there, an anomalous
            one for training, or one whose source stands on another side too; or a side stays
            without allowed clips, or the test without anomalous ones.
    """
    _check_different(clips)
    sides, open_sides = hold_given(clips["video"], given)
    rows = clips[sides == ""]
    if len(rows):
        sides[rows.index] = _draw(rows, settings, open_sides)
    learnt = clips[(sides == TRAIN) & clips["is_anomalous"]]
    if len(learnt):
        raise FieldError(
            "given.alarm",
            "expected allowed clips alone to train on, got the anomalous "
            f"{listed(learnt['video'])}",
        )
    _check_sources(clips, sides)
    _check_sides(clips, sides, settings)
    return sides


def _draw(clips: pd.DataFrame, settings: Split, open_sides: Sequence[str]) -> "pd.Series[str]":
    rng = np.random.default_rng(settings.seed)
    allowed, anomalous = (_open(shares, open_sides) for shares in _shares(settings))
    sides = pd.Series("", index=clips.index, dtype=str)
    is_anomalous = clips["is_anomalous"]
    is_mixed = ~is_anomalous & clips["source"].isin(clips.loc[is_anomalous, "source"])
    for chosen, shares in ((~is_anomalous & ~is_mixed, allowed), (is_anomalous, anomalous)):
        sides[chosen] = _assign_sources(clips[chosen], shares, rng)
    side_of = dict(zip(clips.loc[is_anomalous, "source"], sides[is_anomalous], strict=True))
    sides[is_mixed] = clips.loc[is_mixed, "source"].map(side_of)
    return sides


def _shares(settings: Split) -> tuple[dict[str, float], dict[str, float]]:
    """The sides that allowed and anomalous clips go to, and their shares."""
    seen = 1 - settings.test_fraction
    allowed = {
        TRAIN: (1 - settings.val_fraction) * seen,
        VAL: settings.val_fraction * seen,
        TEST: settings.test_fraction,
    }
    val = settings.anomalous_val_fraction
    anomalous = {VAL: val, TEST: 1 - val}
    return allowed, {side: share for side, share in anomalous.items() if share > 0}


def _open(shares: Mapping[str, float], open_sides: Sequence[str]) -> dict[str, float]:
    """Those of the sides that are drawn; where none is, all."""
    return {side: share for side, share in shares.items() if side in open_sides} or dict(shares)


def _check_sources(clips: pd.DataFrame, sides: "pd.Series[str]") -> None:
    """What is drawn keeps sources together; what is given may part them."""
    for source, own in sides.groupby(clips["source"]):
        if own.nunique() > 1:
            raise FieldError(
                "given.alarm",
                "expected the clips of a source (clip_group_pattern) on one side, got those of "
                f"{source} in {' and '.join(own.unique())}",
            )


def _check_sides(clips: pd.DataFrame, sides: "pd.Series[str]", settings: Split) -> None:
    is_anomalous = clips["is_anomalous"]
    allowed, anomalous = _shares(settings)
    for rows, wanted, kind in (
        (clips[~is_anomalous], allowed, "allowed"),
        (clips[is_anomalous], anomalous, "anomalous"),
    ):
        empty = [side for side in wanted if not (sides[rows.index] == side).any()]
        if empty:
            raise InputError(
                f"expected {kind} clips in {', '.join(wanted)}, found none for "
                f"{', '.join(empty)}: there are {len(rows)} {kind} clips of "
                f"{rows['source'].nunique()} sources (clip_group_pattern); more sources or "
                "other fractions may help"
            )


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
            "clip_group_pattern"
        )


def count_clips(clips: pd.DataFrame, sides: "pd.Series[str]") -> dict[str, dict[str, int]]:
    """Clips of each class, for each side."""
    counts = clips.groupby([sides, "class"]).size()
    return {
        side: {name: int(number) for name, number in counts[side].items()}
        for side in SIDES
        if side in counts.index.get_level_values(0)
    }
