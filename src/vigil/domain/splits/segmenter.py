"""Assigns pictures with masks to training, validation and test, as pictures with boxes are."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from vigil.domain.masks.masked import MaskedPictures
from vigil.domain.pictures.annotated import AnnotatedPictures
from vigil.domain.sides import SIDES
from vigil.domain.splits.detector import assign_pictures, summarise_sides
from vigil.domain.splits.given import NOTHING_GIVEN
from vigil.settings.split import Split


def with_boxes(known: MaskedPictures) -> AnnotatedPictures:
    """The pictures with the bounds of each mask as a box; the background is no class of boxes."""
    classes = tuple(name for name in known.classes if name != known.background)
    return AnnotatedPictures.of(known.images, known.objects, classes)


def assign_masked(
    known: MaskedPictures, settings: Split, given: Mapping[str, str] = NOTHING_GIVEN
) -> "pd.Series[str]":
    """Assigns a side to each picture; see `assign_pictures`.

    Of `test_videos`, only those count that have pictures with masks: the parameter names videos of
    the whole pipeline, and the masks may belong to others.
    """
    own = tuple(name for name in settings.test_videos if name in set(known.images["video"]))
    settings = settings.model_copy(update={"test_videos": own})
    return assign_pictures(with_boxes(known), settings, given, "segmenter")


def tabulate_sides(known: MaskedPictures, sides: "pd.Series[str]") -> dict[str, Any]:
    """Numbers of pictures by side, and of each class: masks and shares of the side's pixels."""
    objects = known.objects[~known.is_ignored]
    side_of = objects["image"].map(sides)
    pixels = (known.images["width"] * known.images["height"]).groupby(sides).sum()
    reasons = sorted(set(sides) - set(SIDES))
    by_class: dict[str, Any] = {}
    for label in known.classes:
        if label == known.background:
            continue
        of_class = objects["label"] == label
        by_class[label] = {
            side: {
                "pictures": int(objects.loc[of_class & (side_of == side), "image"].nunique()),
                "masks": int((of_class & (side_of == side)).sum()),
                "share_of_pixels": round(
                    float(objects.loc[of_class & (side_of == side), "area"].sum() / pixels[side]), 5
                ),
            }
            for side in SIDES
        }
    return {
        "pictures": {name: int((sides == name).sum()) for name in (*SIDES, *reasons)},
        "by_class": by_class,
    }


def summarise(table: dict[str, Any]) -> str:
    """A text with a line for the pictures, for each class, and for each side without a class."""
    return summarise_sides(
        table, "masks", lambda counts: f"{counts['share_of_pixels']:.1%} of its pixels"
    )
