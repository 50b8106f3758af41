"""Reads COCO instances JSON from any program. `vigil.domain.pictures.coco_file` has its source.

In addition to the format, `ignore` of an annotation is read, CVAT's `attributes.rotation`, and
`video` and `frame_index` of an image.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vigil.domain.boxes import CORNERS
from vigil.domain.formats.reading.annotations import Annotations
from vigil.domain.formats.reading.categories import Category, names_of, roots_of
from vigil.domain.formats.reading.findings import NO_SIZE, ROOT, SPACES, TURNED, Entry, Findings
from vigil.domain.formats.reading.values import Values
from vigil.domain.formats.rotation import (
    ROTATION,
    UNKNOWN_KEYS,
    check_upright,
    degrees_of,
    enclosing,
)
from vigil.plumbing.errors import InputError, shorten
from vigil.plumbing.records import read_json
from vigil.settings.import_detections import Policy


def read_coco(file: Path, malformed: Policy, findings: Findings) -> Annotations:
    """Reads a file of instances. Its masks and keypoints are ignored.

    Args:
        malformed: what to do with a category, image or annotation that does not have the form, or
            an annotation whose image or category is not listed: an error, or leave it out.

    Raises:
        InputError: no such file, not of the form, an id or name that occurs twice, or a malformed
            entry if `malformed` is "error".
    """
    content = read_json(file, is_foreign=True)
    if not isinstance(content, dict):
        raise InputError(f"{file}: expected COCO instances, got {shorten(content)}")
    entry_of, values = Entry(malformed, findings), Values(findings)
    categories = _categories(content, file, entry_of, values, findings)
    label_of = {one.id: one.name for one in categories}
    used: set[int] = set()
    pictures, name_of = _pictures(content, file, entry_of, values, findings)
    boxes: dict[str, list[Any]] = {
        key: [] for key in ("image", "label", "is_crowd", "is_difficult", "place", *CORNERS)
    }
    for place, entry in _entries(content, "annotations", file):
        with entry_of:
            box = _box(entry, name_of, label_of, values, place)
            is_turned = _turn(entry, box, place)
            used.add(box.pop("category"))
            for key, value in box.items():
                boxes[key].append(value)
            if is_turned:
                findings.note(TURNED, [place])
    roots = roots_of(categories, used)
    findings.note(ROOT, [f"{file}: {one.name}" for one in roots])
    classes = names_of([one for one in categories if one not in roots])
    return Annotations.of(pictures, boxes, classes)


def _categories(
    content: Mapping[str, Any], file: Path, entry_of: Entry, values: Values, findings: Findings
) -> list[Category]:
    """The categories in order, each id once."""
    categories: dict[int, Category] = {}
    for place, entry in _entries(content, "categories", file):
        number, name = None, None
        with entry_of:
            text = values.text(_of(entry, place).get("name"), "name", place)
            number, name = values.whole(entry.get("id"), "id", place), text.strip()
        if number is None or name is None:
            continue
        if number in categories:
            raise InputError(f"{place}: expected each id and name once, got {shorten(name)} again")
        if name != text:
            findings.note(SPACES, [f"{place}: {shorten(text)}"])
        categories[number] = Category(number, name, entry.get("supercategory"), place)
    return list(categories.values())


def _pictures(
    content: Mapping[str, Any], file: Path, entry_of: Entry, values: Values, findings: Findings
) -> tuple[dict[str, list[Any]], dict[int, str]]:
    """The columns of the table of pictures, and the name of each picture by its id."""
    pictures: dict[str, list[Any]] = {
        key: [] for key in ("file_name", "width", "height", "video", "frame_index", "place")
    }
    name_of: dict[int, str] = {}
    known: set[str] = set()
    for place, entry in _entries(content, "images", file):
        number, name, picture = None, None, None
        with entry_of:
            picture = _picture(entry, values, place)
            number, name = values.whole(entry.get("id"), "id", place), picture["file_name"]
        if picture is None or number is None or name is None:
            continue
        if number in name_of or name in known:
            raise InputError(f"{place}: expected each id and name once, got {shorten(name)} again")
        name_of[number] = name
        known.add(name)
        if not picture["width"] or not picture["height"]:
            findings.note(NO_SIZE, [f"{place}: {shorten(name, 120)}"])
        for key, value in picture.items():
            pictures[key].append(value)
    return pictures, name_of


def _entries(content: Mapping[str, Any], key: str, file: Path) -> Iterator[tuple[str, Any]]:
    entries = content.get(key)
    if not isinstance(entries, list):
        raise InputError(f"{file}: expected a list of {key}, got {shorten(entries)}")
    for number, entry in enumerate(entries, start=1):
        yield f"{file}: {key} {number}", entry


def _of(entry: Any, place: str) -> Mapping[str, Any]:
    if not isinstance(entry, dict):
        raise InputError(f"{place}: expected keys and values, got {shorten(entry)}")
    return entry


def _picture(entry: Any, values: Values, place: str) -> dict[str, Any]:
    name = values.text(_of(entry, place).get("file_name"), "file_name", place)
    is_frame = bool(entry.get("video"))
    return {
        "file_name": name,
        "width": values.side(entry.get("width"), "width", place),
        "height": values.side(entry.get("height"), "height", place),
        "video": values.text(entry["video"], "video", place) if is_frame else "",
        "frame_index": (
            values.whole(entry.get("frame_index"), "frame_index", place) if is_frame else -1
        ),
        "place": place,
    }


def _box(
    entry: Any,
    name_of: Mapping[int, str],
    label_of: Mapping[int, str],
    values: Values,
    place: str,
) -> dict[str, Any]:
    bbox = _of(entry, place).get("bbox")
    if not isinstance(bbox, list) or len(bbox) != 4:
        raise InputError(f"{place}: expected [x, y, width, height] as bbox, got {shorten(bbox)}")
    x, y, width, height = (values.number(value, "bbox", place) for value in bbox)
    image = _known(entry, "image_id", name_of, values, place)
    category = _known(entry, "category_id", label_of, values, place)
    return {
        "image": name_of[image],
        "category": category,
        "label": label_of[category],
        "is_crowd": values.flag(entry.get("iscrowd", 0), "iscrowd", place),
        "is_difficult": values.flag(entry.get("ignore", 0), "ignore", place),
        "place": place,
        # Corners that are not finite are noted later, with all other checks of boxes.
        **dict(zip(CORNERS, (x, y, x + width, y + height), strict=True)),
    }


def _turn(entry: Mapping[str, Any], box: dict[str, Any], place: str) -> bool:
    """Replaces a turned box by the upright box around it, and tells whether it was turned."""
    for key in UNKNOWN_KEYS:
        if key in entry:
            check_upright(entry[key], key, place)
    attributes = entry.get("attributes")
    if not isinstance(attributes, dict):
        return False
    degrees = degrees_of(attributes.get(ROTATION), f"attributes.{ROTATION}", place)
    if not degrees % 360:
        return False
    x1, y1, x2, y2 = (box[corner] for corner in CORNERS)
    box.update(zip(CORNERS, enclosing((x1, y1, x2, y2), degrees), strict=True))
    return True


def _known(
    entry: Mapping[str, Any], key: str, names: Mapping[int, str], values: Values, place: str
) -> int:
    number = values.whole(entry.get(key), key, place)
    if number not in names:
        raise InputError(f"{place}: expected a {key} that the file lists, got {number}")
    return number
