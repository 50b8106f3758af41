"""Assigns pictures with boxes to training, validation and test, so that none is on two sides.

Frames of videos are assigned by `assign_videos`: as whole videos, or else in blocks of time. Other
pictures are spread by iterative stratification over the classes that they show (Sechidis, Tsoumakas
and Vlahavas, On the Stratification of Multi-Label Data, ECML PKDD 2011). Copies of a picture stay
together.
"""

from collections.abc import Callable, Hashable, Mapping
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
from iterstrat.ml_stratifiers import IterativeStratification

from vigil.domain.pictures.annotated import AnnotatedPictures
from vigil.domain.sides import SIDES, TEST, TRAIN, VAL
from vigil.domain.splits.classifier import assign_videos
from vigil.domain.splits.given import NOTHING_GIVEN, Branch, hold_given
from vigil.plumbing.errors import FieldError, InputError, listed
from vigil.settings.split import Split

DROPPED_COPY = "dropped: same bytes as on another side"


def assign_pictures(
    known: AnnotatedPictures,
    settings: Split,
    given: Mapping[str, str] = NOTHING_GIVEN,
    branch: Branch = "detector",
) -> "pd.Series[str]":
    """Assigns a side to each picture.

    `test_videos` and `gap_frames` have no effect if no picture is a frame of a video.

    Args:
        given: sides that are given: of videos, if the pictures are their frames, else of pictures.
        branch: the branch that the pictures are split for, for messages.

    Returns:
        By picture: `train`, `val`, `test`, `DROPPED_GAP` or `DROPPED_COPY`.

    Raises:
        FieldError: see `assign_videos`; a given name does not exist; or sides are given for a set
            of both frames of videos and other pictures.
        InputError: a side has no object.
    """
    images = known.images
    presence = class_presence(known)
    is_frame = images["video"] != ""
    if given and is_frame.any() and not is_frame.all():
        raise FieldError(
            f"given.{branch}",
            "expected either frames of videos or other pictures, "
            f"got {is_frame.sum()} and {(~is_frame).sum()}",
        )
    sides = pd.Series("", index=images.index, dtype=str)
    if is_frame.any():
        frames = images[is_frame].assign(track="", num_frames=1)
        frames["first_frame"] = frames["frame_index"]
        sides[is_frame] = assign_videos(frames, presence[is_frame], settings, given, branch)
    if not is_frame.all():
        pictures = images[~is_frame]
        sides[~is_frame] = _assign_stills(pictures, presence[~is_frame], settings, given, branch)
    sides = _drop_copies(images, sides)
    num_copies = int((sides == DROPPED_COPY).sum())
    copies = f", {num_copies} of them left out as copies of pictures on another side"
    for side in SIDES:
        if not presence[sides == side].any(axis=None):
            raise InputError(
                f"expected objects in {side}, found none ({len(images)} pictures"
                f"{copies if num_copies else ''}; other fractions, a shorter gap or more pictures "
                "may help)"
            )
    return sides


def _assign_stills(
    images: pd.DataFrame,
    presence: pd.DataFrame,
    settings: Split,
    given: Mapping[str, str],
    branch: Branch,
) -> "pd.Series[str]":
    """Spreads pictures that are not frames of a video. Copies of a picture stay together."""
    sides, open_sides, _ = hold_given(images["file_name"], given, branch)
    rest = images[sides == ""]
    if len(rest):
        test = settings.test_fraction if TEST in open_sides else 0.0
        val = (1 - test) * settings.val_fraction if VAL in open_sides else 0.0
        shares = {side: share for side, share in ((VAL, val), (TEST, test)) if share}
        shares[TRAIN] = 1 - sum(shares.values())
        drawn = stratify(presence.loc[rest.index], find_copies(rest), shares, settings.seed)
        sides[rest.index] = drawn
    return sides


def class_presence(known: AnnotatedPictures) -> pd.DataFrame:
    """Whether each picture shows an object of each class, without objects that are ignored."""
    boxes = known.boxes[~known.is_ignored]
    shown = pd.crosstab(boxes["image"], boxes["label"]) > 0
    table = shown.reindex(index=known.images.index, columns=list(known.classes), fill_value=False)
    return table.astype(bool)


def find_copies(images: pd.DataFrame) -> "pd.Series[int]":
    """A group number for each picture. Pictures that may be copies have the same number.

    Pictures may be copies if their bytes are equal, or if their file names differ only in folder,
    ending and case. Two pictures also belong together if both may be copies of a third.
    """
    stems = [PurePosixPath(name).stem.casefold() for name in images["file_name"]]
    # A forest of pictures (union-find): all pictures of a tree may be copies.
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
        presence: the table that `class_presence` returns.
        groups: the group number of each picture. A group stays together, and shows all classes that
            its pictures show.
        shares: the share of each side.
    """
    by_group = presence.groupby(groups, sort=True).any()
    # Pictures without objects are spread like a separate class.
    labels = by_group.assign(nothing=~by_group.any(axis=1)).to_numpy()
    rng = np.random.RandomState(seed)
    order = rng.permutation(len(labels))
    names = list(shares)
    chosen = IterativeStratification(labels[order], np.array(list(shares.values())), rng)
    side_of = pd.Series(np.array(names)[chosen], by_group.index[order], dtype=str)
    return groups.map(side_of)


def _drop_copies(images: pd.DataFrame, sides: "pd.Series[str]") -> "pd.Series[str]":
    """Keeps frames with the same bytes on one side only: on test, or else on validation."""
    sides = sides.copy()
    used = sides[sides.isin(SIDES)]
    for _, copy_sides in used.groupby(images.loc[used.index, "sha256"]):
        if copy_sides.nunique() > 1:
            kept_side = next(side for side in (TEST, VAL) if (copy_sides == side).any())
            sides[copy_sides.index[copy_sides != kept_side]] = DROPPED_COPY
    return sides


def tabulate_sides(known: AnnotatedPictures, sides: "pd.Series[str]") -> dict[str, Any]:
    """Numbers and shares of each class on each side, for a person to check.

    Returns:
        `pictures` and `pictures_without_object` by side and by reason for dropping, and `by_class`,
        where each side has `pictures`, `boxes` and their shares of all sides' sum for the class.
    """
    presence = class_presence(known)
    objects = known.boxes[~known.is_ignored]
    boxes = pd.crosstab(objects["label"], objects["image"].map(sides))
    pictures = presence.groupby(sides).sum().T
    reasons = sorted(set(sides) - set(SIDES))
    columns = [*SIDES, *reasons]
    boxes = boxes.reindex(index=presence.columns, columns=columns, fill_value=0)
    pictures = pictures.reindex(columns=columns, fill_value=0)
    is_empty = ~presence.any(axis=1)
    by_class: dict[str, Any] = {}
    for label in known.classes:
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


def summarise(table: dict[str, Any]) -> str:
    """A text with a line for the pictures, for each class, and for each side without a class."""
    return summarise_sides(table, "boxes", lambda counts: f"{counts['share_of_boxes']:.0%}")


def summarise_sides(
    table: dict[str, Any], objects: str, share_of: Callable[[Mapping[str, Any]], str]
) -> str:
    """The same of any objects.

    Args:
        table: the result of `tabulate_sides`.
        objects: their name in the table.
        share_of: returns the text of their share from what the table has of a class on a side.
    """
    lines = [f"pictures: {table['pictures']}"]
    for label, by_side in table["by_class"].items():
        shares = ", ".join(
            f"{side} {counts[objects]} ({share_of(counts)})" for side, counts in by_side.items()
        )
        lines.append(f"  {objects} of {listed([label])}: {shares}")
    for side in SIDES:
        lacking = [name for name, counts in table["by_class"].items() if not counts[side][objects]]
        if lacking:
            lines.append(f"  warning: no {listed(lacking)} in {side}")
    return "\n".join(lines)
