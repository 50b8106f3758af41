"""Makes small sets for detection in each of the formats, the same objects in all of them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import cv2
import numpy as np
import pandas as pd

from vigil.domain.boxes import CORNERS
from vigil.domain.pictures.annotated import AnnotatedPictures

Box = tuple[str, float, float, float, float]
"""Class, x1, y1, x2, y2: 0-based, (x2, y2) exclusive."""

SIZE_WH = (60, 40)
BOXES: dict[str, list[Box]] = {
    "a.jpg": [("dog", 0, 0, 60, 40), ("cat", 10, 5, 22, 30)],
    "b.png": [("dog", 3, 4, 9, 12)],
    "c.jpg": [("bird", 30, 20, 50, 39), ("dog", 1, 1, 20, 20), ("dog", 25, 2, 45, 18)],
}


def write_pictures(folder: Path, names: Sequence[str], size_wh: tuple[int, int] = SIZE_WH) -> None:
    """A picture of its own noise for each name."""
    for number, name in enumerate(names):
        noise = np.random.default_rng(number).integers(0, 256, (*size_wh[::-1], 3), dtype=np.uint8)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(folder / name), noise)


def voc_object(label: str, *corners: Any, further: str = "") -> str:
    """An `<object>`; corners xmin, ymin, xmax, ymax as they stand in the file."""
    names = ("xmin", "ymin", "xmax", "ymax")
    inner = "".join(f"<{n}>{value}</{n}>" for n, value in zip(names, corners, strict=True))
    return f"<object><name>{escape(label)}</name>{further}<bndbox>{inner}</bndbox></object>"


def voc_xml(name: str, objects: Sequence[str], size_wh: tuple[Any, Any] | None = SIZE_WH) -> str:
    size = "" if size_wh is None else "<size><width>{}</width><height>{}</height></size>"
    return (
        f"<annotation><filename>{escape(name)}</filename>"
        f"{size.format(*(size_wh or ()))}{''.join(objects)}</annotation>"
    )


def write_voc(folder: Path, boxes: Mapping[str, Sequence[Box]] = BOXES) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, own in boxes.items():
        objects = [voc_object(label, x1 + 1, y1 + 1, x2, y2) for label, x1, y1, x2, y2 in own]
        (folder / f"{Path(name).stem}.xml").write_text(voc_xml(name, objects), encoding="utf-8")
    return folder


def coco_of(boxes: Mapping[str, Sequence[Box]] = BOXES) -> dict[str, Any]:
    """Ids begin at odd numbers and do not follow any order."""
    labels = sorted({label for own in boxes.values() for label, *_ in own})
    category_of = {label: 90 - number for number, label in enumerate(labels)}
    image_of = {name: 700 - 3 * number for number, name in enumerate(boxes)}
    annotations = [
        {
            "id": 11 * number,
            "image_id": image_of[name],
            "category_id": category_of[label],
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "area": (x2 - x1) * (y2 - y1),
            "iscrowd": 0,
        }
        for number, (name, (label, x1, y1, x2, y2)) in enumerate(
            (name, box) for name, own in boxes.items() for box in own
        )
    ]
    width, height = SIZE_WH
    return {
        "info": {"description": "ignored"},
        "images": [
            {"id": number, "file_name": name, "width": width, "height": height}
            for name, number in image_of.items()
        ],
        "annotations": annotations,
        "categories": [{"id": number, "name": label} for label, number in category_of.items()],
    }


def write_coco(file: Path, content: Any = None) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(coco_of() if content is None else content), encoding="utf-8")
    return file


def write_rtsd(file: Path, boxes: Mapping[str, Sequence[Box]] = BOXES) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = ["filename,x_from,y_from,width,height,sign_class,sign_id"]
    for name, own in boxes.items():
        lines += [f"{name},{x1},{y1},{x2 - x1},{y2 - y1},{c},7" for c, x1, y1, x2, y2 in own]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def detection_set(
    pictures: Sequence[Mapping[str, Any]], boxes: Sequence[tuple[str, str]], *classes: str
) -> AnnotatedPictures:
    """A set of pictures of 100x100 px, with boxes of one place given as (picture, class)."""
    defaults = {"width": 100, "height": 100, "video": "", "frame_index": -1}
    images = pd.DataFrame(
        [{**defaults, "sha256": f"of {p['file_name']}", **p} for p in pictures],
        columns=["file_name", *defaults, "sha256"],
    )
    corners = dict(zip(CORNERS, (10.0, 20.0, 30.0, 60.0), strict=True))
    flags = {"is_crowd": False, "is_difficult": False}
    table = pd.DataFrame(
        [{"image": image, "label": label, **corners, **flags} for image, label in boxes],
        columns=["image", "label", *CORNERS, *flags],
    )
    return AnnotatedPictures.of(images, table, classes or tuple({label for _, label in boxes}))
