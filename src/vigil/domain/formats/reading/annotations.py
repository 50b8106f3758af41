"""The content of annotation files in one form, before it is compared with the pictures."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from vigil.domain.boxes import CORNERS
from vigil.domain.pictures.annotated import COUNTS
from vigil.plumbing.errors import InputError, shorten

PICTURE_DTYPES = {
    "file_name": "str",
    "width": "int64",
    "height": "int64",
    "video": "str",
    "frame_index": "int64",
    "place": "str",
}
BOX_DTYPES = {
    "image": "str",
    "label": "str",
    **dict.fromkeys(CORNERS, "float64"),
    "is_crowd": "bool",
    "is_difficult": "bool",
    "place": "str",
}


@dataclass(frozen=True)
class Annotations:
    """Pictures and boxes as in the files, correct or not.

    Attributes:
        pictures: `file_name`, which is unique; `width` and `height` in px, 0 where unknown; `video`
            and `frame_index`, "" and -1 for a picture that is not a frame of a video; `place`, the
            place in the files, for messages.
        boxes: `image` (a file name of `pictures`), `label`, `x1`, `y1`, `x2`, `y2` in px, 0-based,
            where (x2, y2) is exclusive; `is_crowd`, `is_difficult`; `place`. Where objects have
            masks, `counts` is a mask as compressed RLE.
        classes: the classes that the format declares, or else all labels that occur, sorted.
    """

    pictures: pd.DataFrame
    boxes: pd.DataFrame
    classes: tuple[str, ...]

    @classmethod
    def of(
        cls,
        pictures: Mapping[str, Sequence[Any]],
        boxes: Mapping[str, Sequence[Any]],
        classes: Sequence[str] | None = None,
    ) -> "Annotations":
        """Makes the tables from columns. Without `classes`, all labels that occur are classes."""
        labels = set(boxes["label"]) if classes is None else classes
        dtypes = BOX_DTYPES | ({COUNTS: "str"} if COUNTS in boxes else {})
        return cls(
            pd.DataFrame(pictures, columns=list(PICTURE_DTYPES)).astype(PICTURE_DTYPES),
            pd.DataFrame(boxes, columns=list(dtypes)).astype(dtypes),
            tuple(sorted(labels)),
        )

    @classmethod
    def joined(cls, parts: Sequence["Annotations"]) -> "Annotations":
        """The pictures, boxes and classes of several files.

        Raises:
            InputError: a picture is in two files.
        """
        pictures = pd.concat([part.pictures for part in parts], ignore_index=True)
        repeated = pictures["file_name"].duplicated()
        if repeated.any():
            name = pictures.loc[repeated, "file_name"].iloc[0]
            first, second = pictures.loc[pictures["file_name"] == name, "place"].iloc[:2]
            raise InputError(
                f"{second}: expected each picture in one file, got {shorten(name)}, which is also "
                f"{first}"
            )
        classes = {label for part in parts for label in part.classes}
        boxes = pd.concat([part.boxes for part in parts], ignore_index=True)
        return cls(pictures, boxes, tuple(sorted(classes)))

    def without(self, file_names: Collection[str]) -> "Annotations":
        """Leaves out some pictures and their boxes. The classes stay."""
        pictures = self.pictures[~self.pictures["file_name"].isin(list(file_names))]
        boxes = self.boxes[~self.boxes["image"].isin(list(file_names))]
        return Annotations(pictures, boxes, self.classes)

    def renamed(self, name_of: Mapping[str, str]) -> "Annotations":
        """Gives pictures the names in `name_of`. Other pictures keep their names."""
        pictures = self.pictures.assign(
            file_name=self.pictures["file_name"].map(lambda name: name_of.get(name, name))
        )
        boxes = self.boxes.assign(
            image=self.boxes["image"].map(lambda name: name_of.get(name, name))
        )
        return Annotations(pictures.astype(PICTURE_DTYPES), boxes.astype(BOX_DTYPES), self.classes)
