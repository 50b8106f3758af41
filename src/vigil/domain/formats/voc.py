"""Pascal VOC: one XML file for each picture.

Corners are 1-based pixel numbers, both inclusive: (1, 1, w, h) is the whole picture. So says the
development kit ("the top-left pixel in the image has coordinates (1,1)", and its `VOCevaldet.m`
takes `xmax - xmin + 1` for a width): http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/.
0-based and exclusive at the far end, that is x1 = xmin - 1, y1 = ymin - 1, x2 = xmax, y2 = ymax.
"""

import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from pathlib import Path
from typing import Any, NoReturn

from vigil.domain.formats.annotations import Annotations
from vigil.plumbing.errors import InputError, shorten
from vigil.plumbing.progress import progress


class _WithoutDoctype(ElementTree.TreeBuilder):
    """Entities, bombs among them, can be declared in a document type alone; VOC has none."""

    def doctype(self, *_: object) -> NoReturn:
        raise ValueError("a document type")


def read_voc(root: Path) -> Annotations:
    """Reads all XML files of a folder and its sub-folders.

    A picture lies at the XML's place below `root`, under the name its `filename` says. `difficult`
    is kept; parts of objects are not read.

    Raises:
        InputError: no such folder, no XML in it, two files for one picture, or a file that is not
            of the form: malformed, with a document type, without name, size, class or corner.
    """
    if not root.is_dir():
        raise InputError(f"{root}: expected a folder of VOC's XML files, found none")
    files = sorted(root.rglob("*.xml"))
    if not files:
        raise InputError(f"{root}: expected VOC's XML files, found none")
    pictures: dict[str, list[Any]] = defaultdict(list)
    boxes: dict[str, list[Any]] = defaultdict(list)
    boxes["label"] = []
    told: dict[str, Path] = {}
    for file in progress(files, "read VOC", "file"):
        annotation = _parse(file)
        folder = file.relative_to(root).parent
        name = (folder / _text(annotation, "filename", file)).as_posix()
        if name in told:
            raise InputError(f"{file}: expected one file for each picture, {told[name]} has {name}")
        told[name] = file
        pictures["file_name"].append(name)
        pictures["width"].append(_whole(annotation, "size/width", file))
        pictures["height"].append(_whole(annotation, "size/height", file))
        pictures["place"].append(str(file))
        for number, element in enumerate(annotation.findall("object"), start=1):
            place = f"{file}: object {number}"
            boxes["image"].append(name)
            boxes["label"].append(_text(element, "name", place))
            boxes["x1"].append(_number(element, "bndbox/xmin", place) - 1)
            boxes["y1"].append(_number(element, "bndbox/ymin", place) - 1)
            boxes["x2"].append(_number(element, "bndbox/xmax", place))
            boxes["y2"].append(_number(element, "bndbox/ymax", place))
            is_told = (element.findtext("difficult") or "").strip() != ""
            boxes["is_difficult"].append(is_told and bool(_number(element, "difficult", place)))
            boxes["place"].append(place)
    boxes["is_crowd"] = [False] * len(boxes["label"])
    pictures["video"], pictures["frame_index"] = [""] * len(files), [-1] * len(files)
    return Annotations.of(pictures, boxes)


def _parse(file: Path) -> ElementTree.Element:
    try:
        parser = ElementTree.XMLParser(target=_WithoutDoctype())
        annotation: ElementTree.Element = ElementTree.fromstring(file.read_bytes(), parser)
    except (ElementTree.ParseError, ValueError, LookupError, OSError) as error:
        raise InputError(f"{file}: expected VOC's XML, got: {shorten(str(error), 120)}") from None
    if annotation.tag != "annotation":
        raise InputError(f"{file}: expected an <annotation>, got <{annotation.tag[:40]}>")
    return annotation


def _text(element: ElementTree.Element, path: str, place: object) -> str:
    text = (element.findtext(path) or "").strip()
    if not text:
        raise InputError(f"{place}: expected {path}, found none")
    return text


def _number(element: ElementTree.Element, path: str, place: object) -> float:
    text = _text(element, path, place)
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{place}: expected a number as {path}, got {shorten(text)}") from None


def _whole(element: ElementTree.Element, path: str, place: object) -> int:
    number = _number(element, path, place)
    if not 0 <= number < 2**31 or number != int(number):
        raise InputError(f"{place}: expected a whole number of px as {path}, got {number}")
    return int(number)
