"""Pictures, the masks of objects in them, and their file: COCO instances JSON with compressed RLE.

In addition to the keys of the format, an image has `video`, `frame_index` and `sha256`, an
annotation has `ignore`, and the category of pixels without an object has `is_background`.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vigil.domain.boxes import CORNERS
from vigil.domain.pictures.annotated import IMAGE_DTYPES, choose_pictures, sort_pictures
from vigil.domain.pictures.coco_file import write_instances
from vigil.domain.pictures.run_lengths import area, box_of, check_runs, decompress
from vigil.plumbing.errors import InputError, shorten
from vigil.plumbing.records import read_json

OBJECT_DTYPES = {
    "image": "str",
    "label": "str",
    "counts": "str",
    **dict.fromkeys((*CORNERS, "area"), "int64"),
    "is_crowd": "bool",
    "is_difficult": "bool",
}
MOST_CLASSES = 255
"""A map of classes has one byte for each pixel, and the last value marks pixels to be ignored."""


@dataclass(frozen=True)
class MaskedPictures:
    """Pictures and the masks of objects in them. A region of a street or of the sky is one object.

    Attributes:
        images: a row for each picture, as in `vigil.domain.pictures.annotated`.
        objects: a row for each object: `image` (the picture's id), `label`, `counts` (the mask as
            compressed RLE), `x1`, `y1`, `x2`, `y2` (its bounds in px, where (x2, y2) is exclusive),
            `area` in px, `is_crowd` (many objects in one mask) and `is_difficult`. Pixels of the
            latter two count neither way.
        classes: names of the classes, sorted; some may have no object.
        background: the class of all pixels without an object; "": such pixels count neither way.
    """

    images: pd.DataFrame
    objects: pd.DataFrame
    classes: tuple[str, ...]
    background: str

    @classmethod
    def of(
        cls,
        images: pd.DataFrame,
        objects: pd.DataFrame,
        classes: Sequence[str],
        background: str,
    ) -> "MaskedPictures":
        """Sorts pictures by name and objects by picture, and measures the masks.

        Args:
            images: the columns of `images` above, in any order, with any index.
            objects: `image`, `label`, `counts`, `is_crowd` and `is_difficult`. The objects of one
                picture keep their order.
        """
        images = sort_pictures(images)
        runs = [decompress(text) for text in objects["counts"]]
        heights = images.loc[objects["image"], "height"]
        boxes = [box_of(one, height) for one, height in zip(runs, heights, strict=True)]
        corners = dict(zip(CORNERS, np.array(boxes, np.int64).reshape(-1, 4).T, strict=True))
        objects = objects.assign(**corners, area=[area(one) for one in runs])
        objects = objects[list(OBJECT_DTYPES)].astype(OBJECT_DTYPES)
        objects = objects.sort_values("image", kind="stable", ignore_index=True)
        names = {*classes, *([background] if background else [])}
        return cls(images, objects, tuple(sorted(names)), background)

    def select(self, ids: Sequence[str]) -> "MaskedPictures":
        """The pictures with the given ids, in the order of the ids, and their objects.

        Raises:
            InputError: an id that no picture has.
        """
        images = choose_pictures(self.images, ids)
        objects = self.objects[self.objects["image"].isin(set(ids))].reset_index(drop=True)
        return MaskedPictures(images, objects, self.classes, self.background)

    def digest(self) -> str:
        """SHA-256 of the tables of pictures and objects and of all classes, in hexadecimal."""
        content = (self.images.to_csv(), self.objects.to_csv(), *self.classes, self.background)
        return hashlib.sha256(repr(content).encode()).hexdigest()

    @property
    def is_ignored(self) -> "pd.Series[bool]":
        """(objects,): whether the pixels of an object count neither way."""
        return self.objects["is_crowd"] | self.objects["is_difficult"]


def write_masked(known: MaskedPictures, path: Path) -> None:
    """Writes COCO instances JSON; ids count from 1 in the order of the tables."""
    number_of = pd.Series(range(1, len(known.images) + 1), known.images.index)
    category_of = {name: number for number, name in enumerate(known.classes, start=1)}
    write_instances(
        path,
        annotations=_annotations(known, number_of, category_of),
        categories=[
            {"id": number, "name": name, "is_background": int(name == known.background)}
            for name, number in category_of.items()
        ],
        images=(
            {"id": number, **values}
            for number, values in enumerate(known.images.to_dict("records"), start=1)
        ),
    )


def _annotations(
    known: MaskedPictures, number_of: "pd.Series[int]", category_of: dict[str, int]
) -> Iterator[dict[str, Any]]:
    sizes = known.images.loc[known.objects["image"], ["height", "width"]].to_numpy().tolist()
    images = number_of[known.objects["image"]].tolist()
    for number, (row, image, size) in enumerate(
        zip(known.objects.to_dict("records"), images, sizes, strict=True), start=1
    ):
        x1, y1, x2, y2 = (row[corner] for corner in CORNERS)
        yield {
            "id": number,
            "image_id": image,
            "category_id": category_of[row["label"]],
            "segmentation": {"size": size, "counts": row["counts"]},
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "area": row["area"],
            "iscrowd": int(row["is_crowd"]),
            "ignore": int(row["is_difficult"]),
        }


def read_masked(path: Path) -> MaskedPictures:
    """Reads a file of `write_masked` into the same tables.

    Raises:
        InputError: no such file, or not in that format: a key is missing or has a wrong type, an
            id refers to nothing, an id or a name occurs twice, or a mask is not of its picture.
    """
    content = read_json(path)
    try:
        return _parse(content)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{path}: expected what import_masks writes, got: {shorten(str(error), 120)}"
        ) from None


def _parse(content: Any) -> MaskedPictures:
    images = pd.DataFrame(content["images"], columns=["id", *IMAGE_DTYPES])
    labels = pd.DataFrame(content["categories"], columns=["id", "name", "is_background"])
    for table in (images["id"], images["file_name"], labels["id"], labels["name"]):
        if table.duplicated().any():
            raise ValueError("an id or a name that occurs twice")
    background = labels.loc[labels["is_background"] == 1, "name"].tolist()
    if len(background) > 1:
        raise ValueError("several classes of background")
    names = images.set_index("id")["file_name"]
    sizes = images.set_index("file_name")[["height", "width"]].astype("int64")
    label_of = labels.set_index("id")["name"]
    objects = pd.DataFrame(
        {
            "image": [names[entry["image_id"]] for entry in content["annotations"]],
            "label": [label_of[entry["category_id"]] for entry in content["annotations"]],
            "counts": [str(e["segmentation"]["counts"]) for e in content["annotations"]],
            "is_crowd": [bool(entry["iscrowd"]) for entry in content["annotations"]],
            "is_difficult": [bool(entry["ignore"]) for entry in content["annotations"]],
        }
    )
    for image, counts in zip(objects["image"], objects["counts"], strict=True):
        height, width = sizes.loc[image]
        check_runs(decompress(counts), (int(height), int(width)))
    return MaskedPictures.of(images, objects, label_of.tolist(), (background or [""])[0])
