"""The content of files with masks in one form, before it is compared with the pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from vigil.domain.formats.reading.annotations import PICTURE_DTYPES

OBJECT_DTYPES = {
    "image": "str",
    "label": "str",
    "counts": "str",
    "is_crowd": "bool",
    "is_difficult": "bool",
    "place": "str",
}
EMPTY = "mask without a pixel"
OUTSIDE = "polygon outside its picture"
CLIPPED = "polygon clipped to its picture"
FEW_POINTS = "polygon with fewer than three corners"
NOT_FINITE = "polygon with a corner that is not finite"
CROSSING = "polygon that crosses itself"
NO_MASK = "annotation without a mask"
OTHER_REGION = "region that is neither a brush nor a polygon"
INVALID = (EMPTY, OUTSIDE, FEW_POINTS, NOT_FINITE, NO_MASK, OTHER_REGION)


@dataclass(frozen=True)
class Masks:
    """Pictures and masks as in the files. Each mask has the size of its picture, as told there.

    Attributes:
        pictures: as in `vigil.domain.formats.reading.annotations`; 0 for a size that is not told.
        objects: `image` (a file name of `pictures`), `label`, `counts` (compressed RLE),
            `is_crowd`, `is_difficult`; `place`, the place in the files, for messages.
        classes: the classes that the format declares, or else all labels that occur, sorted.
        tells_all: whether the format gives every pixel a class; then a pixel without an object
            counts neither way.
    """

    pictures: pd.DataFrame
    objects: pd.DataFrame
    classes: tuple[str, ...]
    tells_all: bool = False

    @classmethod
    def of(
        cls,
        pictures: Mapping[str, Sequence[Any]],
        objects: Mapping[str, Sequence[Any]],
        classes: Sequence[str] | None = None,
        *,
        tells_all: bool = False,
    ) -> "Masks":
        """Makes the tables from columns. Without `classes`, all labels that occur are classes."""
        labels = set(objects["label"]) if classes is None else classes
        return cls(
            pd.DataFrame(pictures, columns=list(PICTURE_DTYPES)).astype(PICTURE_DTYPES),
            pd.DataFrame(objects, columns=list(OBJECT_DTYPES)).astype(OBJECT_DTYPES),
            tuple(sorted(labels)),
            tells_all,
        )

    def renamed(self, names: Sequence[str]) -> "Masks":
        """Gives the pictures, in order, other names."""
        name_of = dict(zip(self.pictures["file_name"], names, strict=True))
        return replace(
            self,
            pictures=self.pictures.assign(file_name=list(names)),
            objects=self.objects.assign(image=self.objects["image"].map(name_of).astype("str")),
        )


def no_objects() -> dict[str, list[Any]]:
    """Empty columns of objects, to fill."""
    return {key: [] for key in OBJECT_DTYPES}


def no_pictures() -> dict[str, list[Any]]:
    """Empty columns of pictures, to fill."""
    return {key: [] for key in PICTURE_DTYPES}


def add_picture(
    pictures: dict[str, list[Any]], file_name: str, size_wh: tuple[int, int], place: str
) -> None:
    """Adds a picture that is not a frame of a video."""
    values = (file_name, *size_wh, "", -1, place)
    for key, value in zip(PICTURE_DTYPES, values, strict=True):
        pictures[key].append(value)


def add_object(
    objects: dict[str, list[Any]],
    image: str,
    label: str,
    counts: str,
    place: str,
    *,
    is_crowd: bool = False,
    is_difficult: bool = False,
) -> None:
    """Adds an object."""
    values = (image, label, counts, is_crowd, is_difficult, place)
    for key, value in zip(OBJECT_DTYPES, values, strict=True):
        objects[key].append(value)
