"""Reads Pascal VOC annotations: one XML file for each picture.

Corners are 1-based pixel numbers, both inclusive: (1, 1, w, h) is the whole picture. The
development kit defines it ("the top-left pixel in the image has coordinates (1,1)", and its
`VOCevaldet.m` computes a width as `xmax - xmin + 1`):
http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/. The 0-based corners, exclusive at the far
end, are x1 = xmin - 1, y1 = ymin - 1, x2 = xmax, y2 = ymax.
"""

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

from vigil.domain.formats.encodings import text_of_xml
from vigil.domain.formats.reading.annotations import BOX_DTYPES, PICTURE_DTYPES, Annotations
from vigil.domain.formats.reading.findings import (
    ENCODING,
    HIDDEN,
    NO_SIZE,
    SEVERAL_BOXES,
    TURNED,
    Entry,
    Findings,
)
from vigil.domain.formats.reading.values import Values, number_of
from vigil.domain.formats.rotation import (
    ROTATION,
    UNKNOWN_KEYS,
    Corners,
    check_upright,
    degrees_of,
    enclosing,
)
from vigil.domain.formats.voc_naming import Naming
from vigil.plumbing.errors import InputError, shorten
from vigil.plumbing.folders import is_hidden, with_ending
from vigil.plumbing.progress import progress
from vigil.settings.import_detections import Policy

KNOWN_TAGS = {
    *("annotation", "filename", "size", "width", "height", "object", "name", "difficult"),
    *("bndbox", "xmin", "ymin", "xmax", "ymax", "attributes", "attribute", "value", ROTATION),
}
"""The elements that are read. In other letters, `Object`, they would be overlooked."""


class _WithoutDoctype(ElementTree.TreeBuilder):
    """Refuses a document type: only it can declare entities, such as bombs. VOC has none."""

    def doctype(self, *_: object) -> NoReturn:
        raise ValueError("a document type")


def read_voc(
    root: Path,
    malformed: Policy,
    findings: Findings,
    present: Callable[[], Iterable[str]] = lambda: (),
) -> Annotations:
    """Reads all XML files of a folder and its sub-folders, except for hidden files.

    The name of a picture is the folder of the XML file below `root`, and its `filename`. Where the
    XML file has another name, and only the picture with the name of the XML file exists in the
    same folder, it is that picture.
    `difficult` is kept; parts of objects are not read. An object may have several boxes. CVAT's
    attribute `rotation` is applied.

    Args:
        malformed: what to do with a file that does not have the form (malformed, with a document
            type, without `filename`, with an `object` elsewhere than in the `annotation`, one of
            several files for a picture, or named as one picture with another as `filename`), or
            with an object that does not (without class or corner, or with two that differ): an
            error, or leave it out.
        present: gives the names of the files of pictures; called where names differ.

    Raises:
        InputError: no such folder, no XML in it, or a malformed file or object if `malformed` is
            "error".
    """
    if not root.is_dir():
        raise InputError(f"{root}: expected a folder of VOC's XML files, found none")
    paths = with_ending(root.rglob("*"), ".xml")
    files = [file for file in paths if not is_hidden(file.relative_to(root))]
    findings.note(HIDDEN, sorted(set(paths) - set(files)))
    if not files:
        raise InputError(f"{root}: expected VOC's XML files, found none")
    entry, values = Entry(malformed, findings), Values(findings)
    naming = Naming(present, findings)
    pictures: dict[str, list[Any]] = {key: [] for key in PICTURE_DTYPES}
    boxes: dict[str, list[Any]] = {key: [] for key in BOX_DTYPES}
    file_of: dict[str, Path] = {}
    several: set[str] = set()
    for file in progress(files, "read VOC", "file"):
        annotation = None
        with entry:
            annotation = _parse(file, findings)
            folder = file.relative_to(root).parent
            told = naming.choose(_text(annotation, "filename", file), file, folder)
            name = (folder / told).as_posix()
            sides = [_side(annotation, f"size/{key}", file) for key in ("width", "height")]
            if name in file_of:
                several.add(name)
                raise InputError(
                    f"{file}: expected one file for each picture, {file_of[name]} has {name}"
                )
            file_of[name] = file
            _append(pictures, name, *sides, "", -1, str(file))
            if not all(sides):
                findings.note(NO_SIZE, [file])
        elements = [] if annotation is None else annotation.findall("object")
        for number, element in enumerate(elements, start=1):
            with entry:
                for row in _rows_of(element, f"{file}: object {number}", values, findings):
                    _append(boxes, name, *row)
    annotations = Annotations.of(pictures, boxes)
    return annotations.without(several) if several else annotations


def _rows_of(
    element: ElementTree.Element, place: str, values: Values, findings: Findings
) -> list[tuple[Any, ...]]:
    """The columns of `BOX_DTYPES`, but for the picture, of each box of an object."""
    label = _text(element, "name", place)
    is_difficult = values.flag(_difficult(element, place), "difficult", place)
    corners = _corners(element, place)
    if degrees := _degrees(element, place):
        corners = [enclosing(corner, degrees) for corner in corners]
        findings.note(TURNED, [place])
    if len(corners) > 1:
        findings.note(SEVERAL_BOXES, [f"{place}: {len(corners)} of {label}"])
    return [(label, *corner, False, is_difficult, place) for corner in corners]


def _append(columns: dict[str, list[Any]], *row: Any) -> None:
    for column, value in zip(columns.values(), row, strict=True):
        column.append(value)


def _parse(file: Path, findings: Findings) -> ElementTree.Element:
    try:
        text, is_otherwise = text_of_xml(file.read_bytes())
        parser = ElementTree.XMLParser(target=_WithoutDoctype())
        annotation: ElementTree.Element = ElementTree.fromstring(text, parser)
    except (ElementTree.ParseError, ValueError, LookupError, OSError) as error:
        raise InputError(f"{file}: expected VOC's XML, got: {shorten(str(error), 120)}") from None
    if annotation.tag != "annotation":
        raise InputError(f"{file}: expected an <annotation>, got <{annotation.tag[:40]}>")
    _check_tags(annotation, file)
    if is_otherwise:
        findings.note(ENCODING, [file])
    return annotation


def _check_tags(annotation: ElementTree.Element, file: Path) -> None:
    """Refuses an `object` elsewhere than in the `annotation`, and known elements in other letters.

    They would be overlooked, and their picture taken for one without objects.
    """
    num_objects = len(annotation.findall("object"))
    for element in annotation.iter():
        if element.tag in KNOWN_TAGS:
            num_objects -= element.tag == "object"
            continue
        tag = str(element.tag).rpartition("}")[2].lower()  # without an XML namespace
        if tag in KNOWN_TAGS:
            raise InputError(f"{file}: expected <{tag}>, got <{str(element.tag)[:40]}>")
    if num_objects:
        raise InputError(
            f"{file}: expected each <object> directly in the <annotation>, found "
            f"{-num_objects} elsewhere"
        )


def _corners(element: ElementTree.Element, place: str) -> list[Corners]:
    """x1, y1, x2, y2 of each `bndbox`. Some tools write several of them into one object."""
    if next(element.iter("robndbox"), None) is not None:
        raise InputError(f"{place}: expected bndbox, found robndbox, a turned box of roLabelImg")
    corners: list[Corners] = []
    for bndbox in element.findall("bndbox") or [ElementTree.Element("bndbox")]:
        xmin, ymin, xmax, ymax = (
            _number(bndbox, key, place) for key in ("xmin", "ymin", "xmax", "ymax")
        )
        corners.append((xmin - 1, ymin - 1, xmax, ymax))
    return corners


def _degrees(element: ElementTree.Element, place: str) -> float:
    """The angle by which CVAT says the box is turned; 0 where there is none."""
    for one in (*element, *element.findall("bndbox/*")):
        if one.tag in UNKNOWN_KEYS:
            check_upright((one.text or "").strip(), one.tag, place)
    found = {
        degrees_of(_only(attribute, "value", place), ROTATION, place) % 360
        for attribute in element.findall("attributes/attribute")
        if _only(attribute, "name", place) == ROTATION
    }
    if len(found) > 1:
        raise InputError(f"{place}: expected one {ROTATION}, found {sorted(found)}")
    return found.pop() if found else 0.0


def _difficult(element: ElementTree.Element, place: str) -> int | str:
    """0 or 1 as a number, and any other text as it is. A missing value and "Unspecified" are 0."""
    text = _only(element, "difficult", place)
    if text in ("", "0", "1", "Unspecified"):
        return 1 if text == "1" else 0
    return text


def _only(element: ElementTree.Element, path: str, place: object) -> str:
    """The text of the element under a path, without spaces around it; empty if there is none.

    Raises:
        InputError: there are several whose texts differ.
    """
    found = element.findall(path)
    text = (found[0].text or "").strip() if found else ""
    if len(found) > 1 and any((other.text or "").strip() != text for other in found):
        texts = [(other.text or "").strip() for other in found]
        raise InputError(f"{place}: expected one {path}, found {shorten(texts)}")
    return text


def _text(element: ElementTree.Element, path: str, place: object) -> str:
    text = _only(element, path, place)
    if not text:
        raise InputError(f"{place}: expected {path}, found none")
    return text


def _number(bndbox: ElementTree.Element, key: str, place: str) -> float:
    text = _only(bndbox, key, place)
    if not text:
        raise InputError(f"{place}: expected bndbox/{key}, found none")
    if (number := number_of(text)) is None:
        raise InputError(f"{place}: expected a number as bndbox/{key}, got {shorten(text)}")
    return number


def _side(annotation: ElementTree.Element, path: str, file: Path) -> int:
    """A width or height in px; 0 where it is unknown: missing, empty, -1 or 0."""
    text = _only(annotation, path, file)
    number = number_of(text) if text else 0
    if number is None:
        raise InputError(f"{file}: expected a number as {path}, got {shorten(text)}")
    if not -1 <= number < 2**31 or number != int(number):
        raise InputError(f"{file}: expected a whole number of px as {path}, got {number}")
    return max(0, int(number))
