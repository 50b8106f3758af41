"""Pictures, the boxes of objects on them, and their file: COCO instances JSON.

In addition to the keys of the format, an image in the file has `video`, `frame_index` and `sha256`,
and an annotation has `ignore`. Where objects have masks, `segmentation` is compressed RLE.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from vigil.domain.boxes import CORNERS, Boxes
from vigil.domain.pictures.coco_file import write_instances
from vigil.domain.pictures.run_lengths import area, check_runs, decompress
from vigil.plumbing.errors import InputError, listed, shorten
from vigil.plumbing.records import read_json

COORDINATE_DECIMALS = 3
IMAGE_DTYPES = {
    "file_name": "str",
    "width": "int64",
    "height": "int64",
    "video": "str",
    "frame_index": "int64",
    "sha256": "str",
}
BOX_DTYPES = {
    "image": "str",
    "label": "str",
    **dict.fromkeys(CORNERS, "float64"),
    "is_crowd": "bool",
    "is_difficult": "bool",
}
COUNTS = "counts"
"""The column of masks as compressed RLE, in tables of objects that have masks."""


@dataclass(frozen=True)
class AnnotatedPictures:
    """Pictures with boxes.

    Attributes:
        images: a row for each picture, with or without boxes. The index `id` and `file_name` are
            both the path below the folder of pictures, where an archive is treated as a folder
            ("door.mp4.zip/000012.jpg"). `width` and `height` are in px, as decoded. `video` and
            `frame_index` are "" and -1 for a picture that is not a frame of a video. `sha256` is
            that of the file's bytes.
        boxes: a row for each box: `image` (the picture's id), `label`, and `x1`, `y1`, `x2`, `y2`
            in px, within the picture, where (x2, y2) is exclusive. `is_crowd` marks one box around
            many objects, `is_difficult` an object that is hard to see. Such boxes are ignored in
            training, and as objects to detect. In a set with masks, `counts` is the mask of the
            object as compressed RLE.
        classes: names of the classes, sorted; some may have no box.
    """

    images: pd.DataFrame
    boxes: pd.DataFrame
    classes: tuple[str, ...]

    @classmethod
    def of(
        cls, images: pd.DataFrame, boxes: pd.DataFrame, classes: tuple[str, ...]
    ) -> "AnnotatedPictures":
        """Sorts pictures by name and boxes by picture, and rounds corners as in the file.

        Args:
            images: the columns of `images` above, in any order, with any index.
            boxes: the columns of `boxes`, likewise, with or without `counts`. The boxes of one
                picture keep their order.
        """
        images = sort_pictures(images)
        dtypes = BOX_DTYPES | ({COUNTS: "str"} if COUNTS in boxes else {})
        boxes = boxes[list(dtypes)].astype(dtypes)
        boxes[CORNERS] = boxes[CORNERS].round(COORDINATE_DECIMALS) + 0.0  # without minus zeros
        boxes = boxes.sort_values("image", kind="stable", ignore_index=True)
        return cls(images, boxes, tuple(sorted(classes)))

    def select(self, ids: Sequence[str]) -> "AnnotatedPictures":
        """The pictures with the given ids, in the order of the ids, and their boxes.

        Raises:
            InputError: an id that no picture has.
        """
        images = choose_pictures(self.images, ids)
        boxes = self.boxes[self.boxes["image"].isin(set(ids))].reset_index(drop=True)
        return AnnotatedPictures(images, boxes, self.classes)

    def digest(self) -> str:
        """SHA-256 of the tables of pictures and boxes and of all classes, in hexadecimal."""
        content = (self.images.to_csv(), self.boxes.to_csv(), *self.classes)
        return hashlib.sha256(repr(content).encode()).hexdigest()

    @property
    def has_masks(self) -> bool:
        """Whether each object has a mask."""
        return COUNTS in self.boxes

    @property
    def is_ignored(self) -> "pd.Series[bool]":
        """(boxes,): whether a box is ignored in training, and as an object to detect."""
        return self.boxes["is_crowd"] | self.boxes["is_difficult"]


def sort_pictures(images: pd.DataFrame) -> pd.DataFrame:
    """The columns of `AnnotatedPictures.images`, by name, and with their index."""
    images = images[list(IMAGE_DTYPES)].astype(IMAGE_DTYPES).sort_values("file_name")
    return images.set_index(pd.Index(images["file_name"], name="id"))


def choose_pictures(images: pd.DataFrame, ids: Sequence[str]) -> pd.DataFrame:
    """The rows of the ids, in their order.

    Raises:
        InputError: an id that no picture has.
    """
    if unknown := set(ids) - set(images.index):
        raise InputError(
            "expected the pictures of the split among the imported pictures, found no "
            f"{listed(unknown)}"
        )
    return images.loc[list(ids)]


def write_annotated(detections: AnnotatedPictures, path: Path) -> None:
    """Writes COCO instances JSON; ids count from 1 in the order of the tables."""
    images, boxes = detections.images, detections.boxes
    number_of = pd.Series(range(1, len(images) + 1), images.index)
    category_of = {name: number for number, name in enumerate(detections.classes, start=1)}
    corners = boxes[CORNERS].to_numpy()
    xywh = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    xywh = xywh.round(COORDINATE_DECIMALS)
    areas = (xywh[:, 2] * xywh[:, 3]).round(COORDINATE_DECIMALS)
    masks = _segmentations(detections)
    write_instances(
        path,
        annotations=(
            {
                "id": number,
                "image_id": image_id,
                "category_id": category_of[label],
                "bbox": bbox,
                "area": area,
                "iscrowd": int(is_crowd),
                "ignore": int(is_difficult),
                **mask,
            }
            for number, (image_id, label, bbox, area, is_crowd, is_difficult, mask) in enumerate(
                zip(
                    number_of[boxes["image"]].tolist(),
                    boxes["label"].tolist(),
                    xywh.tolist(),
                    areas.tolist(),
                    boxes["is_crowd"].tolist(),
                    boxes["is_difficult"].tolist(),
                    masks,
                    strict=True,
                ),
                start=1,
            )
        ),
        categories=[{"id": number, "name": name} for name, number in category_of.items()],
        images=(
            {"id": number, **values}
            for number, values in enumerate(images.to_dict("records"), start=1)
        ),
    )


def _segmentations(known: AnnotatedPictures) -> list[dict[str, Any]]:
    """What the mask of each object adds to its annotation; nothing in a set without masks."""
    if not known.has_masks:
        return [{}] * len(known.boxes)
    sizes = known.images.loc[known.boxes["image"], ["height", "width"]].to_numpy().tolist()
    texts = known.boxes[COUNTS].tolist()
    return [
        {"segmentation": {"size": size, "counts": text}, "area": area(decompress(text))}
        for size, text in zip(sizes, texts, strict=True)
    ]


def read_annotated(path: Path) -> AnnotatedPictures:
    """Reads a file of `write_annotated` into the same tables.

    Raises:
        InputError: no such file, or not in that format: a key is missing or has a wrong type, an
            id refers to nothing, an id or a name occurs twice, a box leaves its picture, only some
            objects have a mask, or a mask is empty or of another size than its picture.
    """
    content = read_json(path)
    try:
        detections = _parse(content)
        _check(detections)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{path}: expected what import_detections writes, got: {shorten(str(error), 120)}"
        ) from None
    return detections


def _parse(content: Any) -> AnnotatedPictures:
    numbers = [_whole(entry["id"]) for entry in content["images"]]
    images = pd.DataFrame(
        {
            key: [(_text if dtype == "str" else _whole)(entry[key]) for entry in content["images"]]
            for key, dtype in IMAGE_DTYPES.items()
        }
    ).astype(IMAGE_DTYPES)
    name_of = dict(zip(numbers, images["file_name"].tolist(), strict=True))
    label_of = {_whole(entry["id"]): _text(entry["name"]) for entry in content["categories"]}
    if len(name_of) < len(numbers) or len(label_of) < len(content["categories"]):
        raise ValueError("an id that occurs twice")
    annotations = content["annotations"]
    xywh = _boxes([entry["bbox"] for entry in annotations])
    corners = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)
    boxes = pd.DataFrame(
        {
            "image": [name_of[_whole(entry["image_id"])] for entry in annotations],
            "label": [label_of[_whole(entry["category_id"])] for entry in annotations],
            **dict(zip(CORNERS, corners.round(COORDINATE_DECIMALS).T, strict=True)),
            "is_crowd": [bool(_whole(entry["iscrowd"])) for entry in annotations],
            "is_difficult": [bool(_whole(entry["ignore"])) for entry in annotations],
        }
    ).astype(BOX_DTYPES)
    has_mask = ["segmentation" in entry for entry in annotations]
    if any(has_mask):
        if not all(has_mask):
            raise ValueError("masks of some objects alone")
        boxes[COUNTS] = [_text(entry["segmentation"]["counts"]) for entry in annotations]
    images = images.set_index(pd.Index(images["file_name"], name="id"))
    return AnnotatedPictures(images, boxes, tuple(sorted(label_of.values())))


def _check(detections: AnnotatedPictures) -> None:
    images, boxes = detections.images, detections.boxes
    if not images.index.is_unique or len(set(detections.classes)) < len(detections.classes):
        raise ValueError("a name that occurs twice")
    corners = boxes[CORNERS].to_numpy()
    sizes = images.loc[boxes["image"], ["width", "height"]].to_numpy()
    is_inside = np.isfinite(corners).all() and (corners[:, :2] >= 0).all()
    if not is_inside or (corners[:, 2:] > sizes).any() or (corners[:, 2:] < corners[:, :2]).any():
        raise ValueError("a box that leaves its picture")
    if detections.has_masks:
        for (width, height), text in zip(sizes.tolist(), boxes[COUNTS], strict=True):
            runs = decompress(text)
            check_runs(runs, (height, width))
            if not area(runs):
                raise ValueError("a mask without a pixel")


def _boxes(values: list[Any]) -> Boxes:
    boxes: npt.NDArray[np.float64] = np.array(values, dtype=np.float64)
    if len(values) and boxes.shape != (len(values), 4):
        raise ValueError("a bbox that does not have four numbers")
    return boxes.reshape(-1, 4)


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise TypeError(f"{value!r} instead of a whole number")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} instead of a text")
    return value
