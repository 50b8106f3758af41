"""Assigns pictures with boxes to train, val and test so that none is seen on two sides.

Frames of videos follow `assign_videos`: whole videos, else blocks of time. Other pictures are
spread by iterative stratification over the classes they show (Sechidis, Tsoumakas and Vlahavas, On
the Stratification of Multi-Label Data, ECML PKDD 2011), copies staying together.
"""

from collections.abc import Hashable, Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
from iterstrat.ml_stratifiers import IterativeStratification

from vigil.domain.pictures.annotated import DetectionSet
from vigil.domain.splits.classifier import assign_videos
from vigil.domain.splits.sides import SIDES, TEST, TRAIN, VAL
from vigil.plumbing.errors import InputError

DROPPED_COPY = "dropped: same bytes as on another side"


def assign_pictures(
    detections: DetectionSet,
    *,
    seed: int,
    val_fraction: float,
    test_fraction: float,
    test_videos: Sequence[str],
    gap_frames: int,
) -> "pd.Series[str]":
    """A side for each picture.

    Args:
        seed, val_fraction, test_fraction, test_videos, gap_frames: see `assign_videos`; without any
            video, `test_videos` and `gap_frames` mean nothing.

    Returns:
        By picture: `train`, `val`, `test`, `DROPPED_GAP` or `DROPPED_COPY`.

    Raises:
        InputError: see `assign_videos`; or a side stays without an object.
    """
    images = detections.images
    presence = class_presence(detections)
    is_frame = images["video"] != ""
    sides = pd.Series("", index=images.index, dtype=str)
    if is_frame.any():
        frames = images[is_frame]
        sides[is_frame] = assign_videos(
            frames.assign(track="", first_frame=frames["frame_index"], num_frames=1),
            presence[is_frame],
            seed=seed,
            val_fraction=val_fraction,
            test_fraction=test_fraction,
            test_videos=test_videos,
            gap_frames=gap_frames,
        )
    if not is_frame.all():
        shares = {VAL: (1 - test_fraction) * val_fraction, TEST: test_fraction}
        shares[TRAIN] = 1 - sum(shares.values())
        sides[~is_frame] = stratify(
            presence[~is_frame], find_copies(images[~is_frame]), shares, seed
        )
    sides = _drop_copies(images, sides)
    for side in SIDES:
        if not presence[sides == side].any(axis=None):
            raise InputError(
                f"split: expected objects in {side}, found none ({len(images)} pictures; other "
                "fractions, a shorter gap or more pictures may help)"
            )
    return sides


def class_presence(detections: DetectionSet) -> pd.DataFrame:
    """By picture and class: whether it shows an object of that class that is not to be ignored."""
    boxes = detections.boxes[~detections.is_ignored]
    shown = pd.crosstab(boxes["image"], boxes["label"]) > 0
    table = shown.reindex(
        index=detections.images.index, columns=list(detections.classes), fill_value=False
    )
    return table.astype(bool)


def find_copies(images: pd.DataFrame) -> "pd.Series[int]":
    """A number for each picture, the same for those that may be one and the same.

    That is those of the same bytes, and those whose file names are equal but for folder, ending and
    case; also where a third picture is what links two.
    """
    stems = [PurePosixPath(name).stem.casefold() for name in images["file_name"]]
    group_of: dict[Hashable, int] = {}
    parents = list(range(len(images)))

    def root_of(number: int) -> int:
        while parents[number] != number:
            parents[number] = parents[parents[number]]
            number = parents[number]
        return number

    for number, keys in enumerate(zip(stems, images["sha256"], strict=True)):
        for key in enumerate(keys):
            other = root_of(group_of.setdefault(key, number))
            parents[root_of(number)] = other
    return pd.Series([root_of(number) for number in range(len(images))], images.index)


def stratify(
    presence: pd.DataFrame, groups: "pd.Series[int]", shares: dict[str, float], seed: int
) -> "pd.Series[str]":
    """Spreads groups of pictures so that each side has its share of the pictures of each class.

    Args:
        presence: of `class_presence`.
        groups: what stays together; a group shows what its pictures show.
        shares: of the sides.
    """
    by_group = presence.groupby(groups, sort=True).any()
    # Pictures of nothing are spread like a class of their own.
    labels = by_group.assign(nothing=~by_group.any(axis=1)).to_numpy()
    rng = np.random.RandomState(seed)
    order = rng.permutation(len(labels))
    names = list(shares)
    chosen = IterativeStratification(labels[order], np.array(list(shares.values())), rng)
    side_of = pd.Series(np.array(names)[chosen], by_group.index[order], dtype=str)
    return groups.map(side_of)


def _drop_copies(images: pd.DataFrame, sides: "pd.Series[str]") -> "pd.Series[str]":
    """Of frames of the same bytes on several sides, leaves those of one: test before val."""
    sides = sides.copy()
    used = sides[sides.isin(SIDES)]
    for _, own in used.groupby(images.loc[used.index, "sha256"]):
        if own.nunique() > 1:
            home = next(side for side in (TEST, VAL) if (own == side).any())
            sides[own.index[own != home]] = DROPPED_COPY
    return sides


def tabulate_sides(detections: DetectionSet, sides: "pd.Series[str]") -> dict[str, Any]:
    """What each side has of each class, to be looked at: numbers and shares of what is not dropped.

    Returns:
        `pictures` and `pictures_without_object` by side and reason of dropping, and `by_class`, in
        which each side has `pictures`, `boxes` and their shares of the class over all sides.
    """
    presence = class_presence(detections)
    objects = detections.boxes[~detections.is_ignored]
    boxes = pd.crosstab(objects["label"], objects["image"].map(sides))
    pictures = presence.groupby(sides).sum().T
    reasons = sorted(set(sides) - set(SIDES))
    columns = [*SIDES, *reasons]
    boxes = boxes.reindex(index=presence.columns, columns=columns, fill_value=0)
    pictures = pictures.reindex(columns=columns, fill_value=0)
    is_empty = ~presence.any(axis=1)
    by_class: dict[str, Any] = {}
    for label in detections.classes:
        sums = {
            name: max(int(table.loc[label, list(SIDES)].sum()), 1)
            for name, table in (("pictures", pictures), ("boxes", boxes))
        }
        by_class[label] = {
            side: {
                "pictures": int(pictures.loc[label, side]),
                "boxes": int(boxes.loc[label, side]),
                "share_of_pictures": round(pictures.loc[label, side] / sums["pictures"], 4),
                "share_of_boxes": round(boxes.loc[label, side] / sums["boxes"], 4),
            }
            for side in SIDES
        }
    return {
        "pictures": {name: int((sides == name).sum()) for name in columns},
        "pictures_without_object": {
            name: int((is_empty & (sides == name)).sum()) for name in columns
        },
        "by_class": by_class,
    }
