"""Checks annotations against the pictures. Wrong ones are corrected, left out or an error."""

from collections.abc import Collection

import numpy as np
import pandas as pd

from vigil.domain.boxes import CORNERS
from vigil.domain.formats.reading.annotations import Annotations
from vigil.domain.formats.reading.findings import Findings
from vigil.domain.pictures.annotated import COUNTS
from vigil.plumbing.errors import FieldError, InputError, listed, shorten
from vigil.settings.import_detections import KeepingPolicy, Policy

NOT_FINITE = "box not finite"
REVERSED = "box reversed"
NO_AREA = "box without area"
OUTSIDE = "box outside its picture"
INVALID = (NOT_FINITE, REVERSED, NO_AREA, OUTSIDE)
CLIPPED = "box clipped to its picture"
TOO_SMALL = "box too small"
REPEATED = "box repeated"
CONTRADICTED = "box both to be ignored and to be counted"
CLASS_NOT_CHOSEN = "box of a class not chosen"
UNUSABLE = "picture missing or none"
DAMAGED = "picture damaged"
TOO_LARGE = "picture of too many pixels"
WRONG_SIZE = "picture of another size than the annotations say"
TURNED = "picture turned by EXIF"
NOT_TURNED = "picture not turned though EXIF asks for it"
SEVERAL = "picture of several pages or frames, the first taken"
EMPTY = "picture left without an object"
SAME_BYTES = "picture with the bytes of another"
UNLISTED = "picture without annotations"

MOVED_PX = 0.01
"""A corner that clipping moves by less than this was at the edge, before it was rounded."""


def choose_classes(
    annotations: Annotations, classes: Collection[str], findings: Findings
) -> Annotations:
    """Leaves out the boxes of other classes. Without any classes, all boxes stay.

    Raises:
        FieldError: a class that is not in the annotations; most likely it is misspelt.
    """
    if not classes:
        return annotations
    unknown = set(classes) - set(annotations.classes)
    if unknown:
        raise FieldError(
            "detection.classes",
            f"expected classes that occur ({listed(annotations.classes, 20)}), "
            f"got {listed(unknown)}",
        )
    boxes = annotations.boxes
    chosen = boxes["label"].isin(list(classes))
    left_out = boxes[~chosen]
    findings.note(CLASS_NOT_CHOSEN, left_out["place"] + ": " + left_out["label"])
    return Annotations(annotations.pictures, boxes[chosen], tuple(sorted(classes)))


def check_sizes(
    pictures: pd.DataFrame,
    sizes: pd.DataFrame,
    policy: KeepingPolicy,
    findings: Findings,
    remedy: str = "drop or keep",
) -> pd.DataFrame:
    """Compares the annotated sizes with those of the pictures, and takes the latter.

    Args:
        pictures: of `Annotations`; a width or height of 0 is unknown.
        sizes: `width` and `height` as decoded, with the same rows.
        policy: what to do with a picture of another size than annotated: an error, leave it out, or
            keep it with its boxes unchanged.
        remedy: the other policies that may be chosen, for the message.

    Raises:
        InputError: sizes differ, and `policy` is "error".
    """
    given = pictures[["width", "height"]].to_numpy()
    real = sizes[["width", "height"]].to_numpy()
    wrong = ((given != real) & (given != 0)).any(axis=1)
    offenders = [
        f"{row.place}: {shorten(row.file_name, 120)}: {a[0]}x{a[1]} annotated, {b[0]}x{b[1]} found"
        for row, a, b in zip(pictures[wrong].itertuples(), given[wrong], real[wrong], strict=True)
    ]
    findings.note(WRONG_SIZE, offenders)
    if offenders and policy == "error":
        raise InputError(
            f"{offenders[0]} ({len(offenders)} of {len(pictures)} pictures; turned by EXIF? "
            f"wrong_sizes: {remedy} goes on)"
        )
    checked = pictures.assign(width=real[:, 0], height=real[:, 1])
    return checked[~wrong] if policy == "drop" else checked


def check_boxes(
    boxes: pd.DataFrame,
    pictures: pd.DataFrame,
    *,
    invalid: Policy,
    min_side_px: float,
    findings: Findings,
) -> pd.DataFrame:
    """Clips boxes to their pictures, and leaves out invalid, small and repeated boxes.

    Left out are boxes that are not finite, reversed (x1 > x2 or y1 > y2), without area, completely
    outside, or with a side below `min_side_px` after clipping, and boxes that repeat another box of
    the same picture, class, corners and mask. If only some of such repeated boxes are to be
    ignored, the box that stays is ignored: nobody knows which was meant, and an ignored box does no
    harm in training or evaluation.

    Args:
        boxes: of `Annotations`, only those of the given pictures.
        pictures: of `Annotations`, with the true sizes.

    Raises:
        InputError: a box is invalid, and `invalid` is "error".
    """
    boxes = _once(boxes, findings)
    sizes = pictures.set_index("file_name").loc[boxes["image"], ["width", "height"]].to_numpy()
    x1, y1, x2, y2 = boxes[CORNERS].to_numpy().T
    width, height = sizes.T
    tests = (
        (NOT_FINITE, ~np.isfinite([x1, y1, x2, y2]).all(axis=0)),
        (REVERSED, (x1 > x2) | (y1 > y2)),
        (NO_AREA, (x1 == x2) | (y1 == y2)),
        (OUTSIDE, (x1 >= width) | (y1 >= height) | (x2 <= 0) | (y2 <= 0)),
    )
    # Each invalid box (N,) is noted under the first reason that applies.
    bad = np.zeros(len(boxes), dtype=bool)
    for reason, is_bad in tests:
        findings.note(reason, _described(boxes[is_bad & ~bad]))
        bad |= is_bad
    if bad.any() and invalid == "error":
        reason = next(reason for reason in INVALID if findings[reason])
        raise InputError(
            f"{findings[reason][0]}: {reason} ({int(bad.sum())} of {len(boxes)} boxes are invalid; "
            "invalid_boxes: drop leaves such out)"
        )
    boxes, sizes = boxes[~bad], sizes[~bad]
    before = boxes[CORNERS].to_numpy()
    after = np.clip(before, 0, np.concatenate([sizes, sizes], axis=1))
    moved = (np.abs(after - before) > MOVED_PX).any(axis=1)
    findings.note(CLIPPED, _described(boxes[moved]))
    small = (after[:, 2:] - after[:, :2]).min(axis=1, initial=np.inf) < min_side_px
    findings.note(TOO_SMALL, _described(boxes[small]))
    return boxes.assign(**dict(zip(CORNERS, after.T, strict=True)))[~small]


def _once(boxes: pd.DataFrame, findings: Findings) -> pd.DataFrame:
    """Leaves out repeated boxes; the first one is ignored if any of them is."""
    # Two objects may have the same box, but not the same mask.
    key = ["image", "label", *CORNERS, *([COUNTS] if COUNTS in boxes else [])]
    repeated = boxes.duplicated(key)
    if not repeated.any():
        return boxes
    several = boxes[boxes.duplicated(key, keep=False)]
    contradicted = several[
        several.groupby(key, dropna=False)["is_difficult"].transform("nunique") > 1
    ]
    crowds = several[several.groupby(key, dropna=False)["is_crowd"].transform("nunique") > 1]
    boxes = boxes.copy()
    boxes.loc[contradicted.index, "is_difficult"] = True
    boxes.loc[crowds.index, "is_crowd"] = True
    changed = contradicted.index.union(crowds.index)
    findings.note(CONTRADICTED, _described(boxes[boxes.index.isin(changed) & ~repeated]))
    findings.note(REPEATED, _described(boxes[repeated]))
    return boxes[~repeated]


def _described(boxes: pd.DataFrame) -> list[str]:
    """Each box with its place, label and corners, for messages."""
    return [
        f"{box.place}: {box.label} [{box.x1:.6g}, {box.y1:.6g}, {box.x2:.6g}, {box.y2:.6g}]"
        for box in boxes.itertuples()
    ]


def note_same_bytes(images: pd.DataFrame, findings: Findings) -> None:
    """Notes the pictures that have the bytes of another, in groups.

    Args:
        images: of `AnnotatedPictures` or `MaskedPictures`.
    """
    same = images[images["sha256"].duplicated(keep=False)]
    findings.note(SAME_BYTES, same.sort_values(["sha256", "file_name"])["file_name"])


def note_turned(turned: "pd.Series[str]", findings: Findings) -> None:
    """Notes the pictures whose EXIF asks for a turn.

    Args:
        turned: `TURNED`, `NOT_TURNED` or empty, by the picture's name.
    """
    turned = turned.sort_index()
    for reason in (TURNED, NOT_TURNED):
        findings.note(reason, turned[turned == reason].index)


def drop_empty(
    pictures: pd.DataFrame, with_object: Collection[str], findings: Findings
) -> pd.DataFrame:
    """Leaves out the pictures without an object."""
    empty = ~pictures["file_name"].isin(list(with_object))
    findings.note(EMPTY, pictures.loc[empty, "file_name"])
    return pictures[~empty]
