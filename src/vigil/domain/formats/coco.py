"""COCO instances JSON of any origin; `vigil.domain.pictures.coco_file` says what the format is.

Beyond it, `ignore` of an annotation and `video` and `frame_index` of an image are understood.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vigil.domain.formats.annotations import Annotations
from vigil.domain.pictures.annotated import CORNERS
from vigil.plumbing.errors import InputError, shorten
from vigil.plumbing.records import read_json


def read_coco(file: Path) -> Annotations:
    """Reads a file of instances; masks and keypoints in it are not looked at.

    Raises:
        InputError: no such file, not of the form, an id or name that occurs twice, or an annotation
            of an image or a category that is not listed.
    """
    content = read_json(file)
    if not isinstance(content, dict):
        raise InputError(f"{file}: expected COCO instances, got {shorten(content)}")
    label_of: dict[int, str] = {}
    for place, entry in _entries(content, "categories", file):
        number, name = _whole(entry, "id", place), _text(entry, "name", place)
        if number in label_of or name in label_of.values():
            raise InputError(f"{place}: expected ids and names once, got {shorten(name)} again")
        label_of[number] = name
    pictures: dict[str, list[Any]] = {
        key: [] for key in ("file_name", "width", "height", "video", "frame_index", "place")
    }
    name_of: dict[int, str] = {}
    known: set[str] = set()
    for place, entry in _entries(content, "images", file):
        number, name = _whole(entry, "id", place), _text(entry, "file_name", place)
        if number in name_of or name in known:
            raise InputError(f"{place}: expected ids and names once, got {shorten(name)} again")
        name_of[number] = name
        known.add(name)
        pictures["file_name"].append(name)
        pictures["width"].append(_whole(entry, "width", place))
        pictures["height"].append(_whole(entry, "height", place))
        is_frame = bool(entry.get("video"))
        pictures["video"].append(_text(entry, "video", place) if is_frame else "")
        pictures["frame_index"].append(_whole(entry, "frame_index", place) if is_frame else -1)
        pictures["place"].append(place)
    boxes: dict[str, list[Any]] = {
        key: [] for key in ("image", "label", "is_crowd", "is_difficult", "place")
    }
    xywh = []
    for place, entry in _entries(content, "annotations", file):
        boxes["image"].append(_known(entry, "image_id", name_of, place))
        boxes["label"].append(_known(entry, "category_id", label_of, place))
        boxes["is_crowd"].append(_flag(entry, "iscrowd", place))
        boxes["is_difficult"].append(_flag(entry, "ignore", place))
        boxes["place"].append(place)
        xywh.append(_bbox(entry, place))
    x, y, width, height = np.array(xywh, dtype=np.float64).reshape(-1, 4).T
    with np.errstate(all="ignore"):  # what is not finite is told later, beside what else is wrong
        corners = (x, y, x + width, y + height)
    boxes.update(zip(CORNERS, (corner.tolist() for corner in corners), strict=True))
    return Annotations.of(pictures, boxes, list(label_of.values()))


def _entries(content: Mapping[str, Any], key: str, file: Path) -> Iterator[tuple[str, Any]]:
    entries = content.get(key)
    if not isinstance(entries, list):
        raise InputError(f"{file}: expected a list of {key}, got {shorten(entries)}")
    for number, entry in enumerate(entries, start=1):
        place = f"{file}: {key} {number}"
        if not isinstance(entry, dict):
            raise InputError(f"{place}: expected keys and values, got {shorten(entry)}")
        yield place, entry


def _whole(entry: Mapping[str, Any], key: str, place: str) -> int:
    value = entry.get(key)
    if type(value) is not int or not -1 <= value < 2**53:
        raise InputError(f"{place}: expected a whole number as {key}, got {shorten(value)}")
    return value


def _text(entry: Mapping[str, Any], key: str, place: str) -> str:
    value = entry.get(key)
    is_text = isinstance(value, str) and value and not any("\ud800" <= c <= "\udfff" for c in value)
    if not is_text:
        raise InputError(f"{place}: expected a text as {key}, got {shorten(value)}")
    return str(value)


def _flag(entry: Mapping[str, Any], key: str, place: str) -> bool:
    value = entry.get(key, 0)
    if value not in (0, 1):
        raise InputError(f"{place}: expected 0 or 1 as {key}, got {shorten(value)}")
    return bool(value)


def _known(entry: Mapping[str, Any], key: str, names: Mapping[int, str], place: str) -> str:
    number = _whole(entry, key, place)
    if number not in names:
        raise InputError(f"{place}: expected a {key} that the file lists, got {number}")
    return names[number]


def _bbox(entry: Mapping[str, Any], place: str) -> list[float]:
    bbox = entry.get("bbox")
    if (
        not isinstance(bbox, list)
        or len(bbox) != 4
        or not all(type(value) in (int, float) for value in bbox)
    ):
        raise InputError(f"{place}: expected [x, y, width, height] as bbox, got {shorten(bbox)}")
    try:
        return [float(value) for value in bbox]
    except OverflowError:
        raise InputError(f"{place}: expected numbers of px as bbox, got {shorten(bbox)}") from None
