"""Assigns clips to training, validation and test: whole sources, and each class by its share.

Allowed clips go to all three sides. Anomalous clips go to test, and on request to validation, but
never to training.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from vigil.domain.clips.windows import MIXED
from vigil.domain.sides import SIDES, TEST, TRAIN, VAL
from vigil.domain.splits.given import NOTHING_GIVEN, hold_given
from vigil.plumbing.errors import FieldError, InputError, listed
from vigil.settings.split import Split


def assign_clips(
    clips: pd.DataFrame, settings: Split, given: Mapping[str, str] = NOTHING_GIVEN
) -> "pd.Series[str]":
    """Assigns a side to each clip.

    A source with anomalous clips never goes to training: its allowed clips go to the side of its
    anomalous clips.

    Args:
        clips: `video`, `class`, `is_anomalous`, `source` and `digest` of each clip.
        given: the given sides, by the name of the video.

    Returns:
        `train`, `val` or `test`, with the index of `clips`.

    Raises:
        InputError: two sources hold the same clip; a given video does not exist, is anomalous and
            given for training, or has a source that is on another side too; or a side gets no
            allowed clips, or the test set no anomalous clips.
    """
    _check_different(clips)
    held = hold_given(clips["video"], given, "alarm")
    sides = held.sides
    _check_learnt(clips[(held.given == TRAIN) | (sides == TRAIN)])
    rows = clips[sides == ""]
    if len(rows):
        sides[rows.index] = _draw(rows, settings, held.open_sides)
    _check_sources(clips, sides)
    _check_sides(clips, sides, settings)
    return sides


def _check_learnt(clips: pd.DataFrame) -> None:
    """Checks that clips to train on are allowed behaviour."""
    anomalous = clips.loc[clips["is_anomalous"], "video"]
    if len(anomalous):
        raise FieldError(
            "given.alarm",
            f"expected only allowed clips for training, got the anomalous {listed(anomalous)}",
        )


def _draw(clips: pd.DataFrame, settings: Split, open_sides: Sequence[str]) -> "pd.Series[str]":
    rng = np.random.default_rng(settings.seed)
    allowed, anomalous = (
        {side: share for side, share in shares.items() if side in open_sides}
        for shares in _shares(settings)
    )
    sides = pd.Series("", index=clips.index, dtype=str)
    is_anomalous = clips["is_anomalous"]
    if is_anomalous.any() and not anomalous:
        raise FieldError(
            "given.alarm",
            "expected a side for each anomalous clip, since none is trained on, found none for "
            f"{listed(clips.loc[is_anomalous, 'video'])}",
        )
    source = clips["source"]
    has_anomaly = source.isin(source[is_anomalous])
    whole = is_anomalous & (clips["class"] != MIXED)
    # Only windows that count as anomalous make a side that can be measured, so they go first.
    for chosen, shares in (
        (~has_anomaly, allowed),
        (whole, anomalous),
        (is_anomalous & ~source.isin(source[whole]), anomalous),
    ):
        if chosen.any():
            sides[chosen] = _assign_sources(clips[chosen], shares, rng)
    side_of = dict(zip(source[sides != ""], sides[sides != ""], strict=True))
    return sides.where(sides != "", source.map(side_of))


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


def _check_sources(clips: pd.DataFrame, sides: "pd.Series[str]") -> None:
    """Checks that no source is on two sides. Given sides may separate a source."""
    for source, source_sides in sides.groupby(clips["source"]):
        if source_sides.nunique() > 1:
            raise FieldError(
                "given.alarm",
                "expected the clips of a source (clip_group_pattern) on one side, got those of "
                f"{source} in {' and '.join(source_sides.unique())}",
            )


def _check_sides(clips: pd.DataFrame, sides: "pd.Series[str]", settings: Split) -> None:
    is_anomalous = clips["is_anomalous"]
    allowed, anomalous = _shares(settings)
    for rows, wanted, kind in (
        (clips[~is_anomalous], allowed, "allowed"),
        (clips[is_anomalous & (clips["class"] != MIXED)], anomalous, "anomalous"),
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
    """Assigns each source, the largest first, to the side that lacks most clips of its classes.

    The lack of clips of all classes together decides between equal sides. The last sources of a
    class go to sides that have none of this class yet, so that three sources are enough for three
    sides.
    """
    counts = pd.crosstab(rows["source"], rows["class"])
    counts = counts.iloc[rng.permutation(len(counts))]
    counts = counts.iloc[np.argsort(-counts.sum(axis=1).to_numpy(), kind="stable")]
    # (sources, classes + 1): the clips of each source. The last column is the sum of all classes.
    table = np.column_stack([counts.to_numpy(), counts.sum(axis=1).to_numpy()]).astype(float)
    # (sides, classes + 1): the clips that each side still lacks, and the sources that it has.
    missing = np.array(list(shares.values()))[:, None] * table.sum(axis=0)
    num_sources = np.zeros(missing.shape, np.int64)
    # (classes + 1,): the sources that are not assigned yet.
    waiting = (table > 0).sum(axis=0)
    chosen = []
    for num_clips in table:
        has = num_clips > 0
        empty = num_sources == 0
        # Classes of this source that have no more sources left than sides without this class.
        urgent = has & (waiting <= empty.sum(axis=0)) & empty.any(axis=0)
        if urgent[-1]:  # a side without any clip comes before a side without a class
            urgent[:-1] = False
        open_sides = empty[:, urgent].any(axis=1) if urgent.any() else np.full(len(shares), True)
        # How much the source reduces each side's squared lack: per class, and of all classes.
        gain = missing**2 - (missing - num_clips) ** 2
        score = np.round(np.stack([gain[:, :-1].sum(axis=1), gain[:, -1]]), 6)
        score[:, ~open_sides] = -np.inf
        # The sides with the best first row, then the best second row; one of them by chance.
        best = np.flatnonzero((score == score[:, np.lexsort(score[::-1])[-1], None]).all(axis=0))
        side = int(rng.choice(best))
        missing[side] -= num_clips
        num_sources[side] += has
        waiting -= has
        chosen.append(list(shares)[side])
    return rows["source"].map(dict(zip(counts.index, chosen, strict=True)))


def _check_different(clips: pd.DataFrame) -> None:
    """Checks that no two sources hold the same clip, which could then be on two sides."""
    source = clips["source"]
    num_sources = source.groupby(clips["digest"], sort=False).nunique()
    for digest in num_sources.index[num_sources > 1]:
        same = clips.index[clips["digest"] == digest]
        other = source[same].ne(source[same[0]]).idxmax()
        raise InputError(
            f"{same[0]} and {other}: expected different clips, found the same content, which "
            "could be on two sides of the split; remove one, or give both the same source by "
            "clip_group_pattern"
        )


def count_clips(clips: pd.DataFrame, sides: "pd.Series[str]") -> dict[str, dict[str, int]]:
    """The number of clips of each class on each side."""
    counts = clips.groupby([sides, "class"]).size()
    return {
        side: {name: int(number) for name, number in counts[side].items()}
        for side in SIDES
        if side in counts.index.get_level_values(0)
    }
