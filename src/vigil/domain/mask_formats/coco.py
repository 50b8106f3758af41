"""Reads masks of COCO instances JSON: polygons, and run lengths as a list or compressed.

An annotation with `iscrowd` is a region of many objects: its pixels count neither way. Neither do
those in the box of an annotation without a usable mask.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vigil.domain.boxes import pairwise_iou
from vigil.domain.formats.reading.categories import Category, names_of, roots_of
from vigil.domain.formats.reading.findings import ROOT, SPACES, Entry, Findings
from vigil.domain.formats.reading.values import Values
from vigil.domain.mask_formats.masks import (
    EMPTY,
    NO_MASK,
    Masks,
    add_object,
    no_objects,
    no_pictures,
)
from vigil.domain.mask_formats.polygons import Points, Polygons, ring_of
from vigil.domain.mask_formats.unmasked import Corners, Unmasked
from vigil.domain.pictures.run_lengths import Runs, area, box_of, check_runs, compress, decompress
from vigil.plumbing.errors import InputError, shorten
from vigil.plumbing.records import read_json
from vigil.settings.import_detections import Policy

OTHER_BOX = "mask that its bbox contradicts"
LEAST_IOU, ROUNDED_PX = 0.5, 2.0
"""A bbox contradicts a mask if its IoU with the mask's own box is less, and a side is off by more:
of a mask of few pixels, the IoU is small where programs round differently."""


class CocoMasks:
    """Reads one file."""

    def __init__(self, file: Path, malformed: Policy, findings: Findings) -> None:
        """Args: malformed: what to do with a malformed entry."""
        self._file, self._findings = file, findings
        self._entry, self._values = Entry(malformed, findings), Values(findings)
        self._polygons, self._unmasked = Polygons(findings), Unmasked(findings)
        self._categories: dict[int, Category] = {}
        self._used: set[int] = set()
        self._met_shares = self._met_px = False
        self._picture_of: dict[int, tuple[str, tuple[int, int]]] = {}

    def read(self) -> Masks:
        """The pictures and masks.

        Raises:
            InputError: no such file, not of the form, an id or name that occurs twice, or a
                malformed entry where this is an error. Wrong masks are noted and left out.
        """
        content = read_json(self._file, is_foreign=True)
        if not isinstance(content, dict):
            raise InputError(f"{self._file}: expected COCO instances, got {shorten(content)}")
        for place, entry in self._entries(content, "categories"):
            with self._entry:
                self._add_category(entry, place)
        pictures, objects = no_pictures(), no_objects()
        for place, entry in self._entries(content, "images"):
            with self._entry:
                self._add_picture(entry, place, pictures)
        for place, entry in self._entries(content, "annotations"):
            with self._entry:
                self._add_object(entry, place, objects)
        if self._met_shares and not self._met_px:
            raise InputError(
                f"{self._file}: expected polygons in px, got corners from 0 to 1 alone, as shares "
                "of the pictures' sides"
            )
        self._unmasked.add_boxes(objects)
        return Masks.of(pictures, objects, self._classes())

    def _classes(self) -> list[str]:
        categories = list(self._categories.values())
        roots = roots_of(categories, self._used)
        self._findings.note(ROOT, [f"{self._file}: {one.name}" for one in roots])
        return names_of([one for one in categories if one not in roots])

    def _entries(self, content: Mapping[str, Any], key: str) -> list[tuple[str, Any]]:
        entries = content.get(key)
        if not isinstance(entries, list):
            raise InputError(f"{self._file}: expected a list of {key}, got {shorten(entries)}")
        return [(f"{self._file}: {key} {n}", one) for n, one in enumerate(entries, start=1)]

    def _add_category(self, entry: Any, place: str) -> None:
        text = self._values.text(_of(entry, place).get("name"), "name", place)
        number = self._values.whole(entry.get("id"), "id", place)
        if text != text.strip():
            self._findings.note(SPACES, [f"{place}: {shorten(text)}"])
        if number in self._categories:
            raise InputError(f"{place}: expected each id and name once, got {shorten(text)} again")
        self._categories[number] = Category(number, text.strip(), entry.get("supercategory"), place)

    def _add_picture(self, entry: Any, place: str, pictures: dict[str, list[Any]]) -> None:
        name = self._values.text(_of(entry, place).get("file_name"), "file_name", place)
        number = self._values.whole(entry.get("id"), "id", place)
        sides = [self._values.side(entry.get(key), key, place) for key in ("width", "height")]
        if not all(sides):
            raise InputError(f"{place}: expected a width and a height, got {shorten(entry)}")
        if number in self._picture_of or name in pictures["file_name"]:
            raise InputError(f"{place}: expected each id and name once, got {shorten(name)} again")
        is_frame = bool(entry.get("video"))
        video = self._values.text(entry["video"], "video", place) if is_frame else ""
        frame = -1
        if is_frame:
            frame = self._values.whole(entry.get("frame_index"), "frame_index", place)
        self._picture_of[number] = name, (sides[0], sides[1])
        row = (name, *sides, video, frame, place)
        for column, value in zip(pictures.values(), row, strict=True):
            column.append(value)

    def _add_object(self, entry: Any, place: str, objects: dict[str, list[Any]]) -> None:
        image = self._values.whole(_of(entry, place).get("image_id"), "image_id", place)
        category = self._values.whole(entry.get("category_id"), "category_id", place)
        for number, known, key in (
            (image, self._picture_of, "image_id"),
            (category, self._categories, "category_id"),
        ):
            if number not in known:
                raise InputError(f"{place}: expected a {key} that the file lists, got {number}")
        name, size_wh = self._picture_of[image]
        label = self._categories[category].name
        self._used.add(category)
        counts, is_crowd, is_difficult = None, False, False
        with self._entry:
            is_crowd = self._values.flag(entry.get("iscrowd", 0), "iscrowd", place)
            is_difficult = self._values.flag(entry.get("ignore", 0), "ignore", place)
            counts = self._counts(entry.get("segmentation"), size_wh, place)
        if counts is None:
            self._unmasked.note(name, label, _box(entry, place), size_wh, place, is_crowd=is_crowd)
            return
        if _differs(_box(entry, place), counts, size_wh[1]):
            self._findings.note(OTHER_BOX, [place])
        add_object(
            *(objects, name, label, counts, place), is_crowd=is_crowd, is_difficult=is_difficult
        )

    def _counts(self, segmentation: Any, size_wh: tuple[int, int], place: str) -> str | None:
        """The mask as compressed RLE; None if it is left out."""
        if segmentation is None or segmentation == []:
            self._findings.note(NO_MASK, [place])
            return None
        if isinstance(segmentation, list):
            rings = [ring_of(one, place) for one in segmentation]
            if min(size_wh) > 1:
                self._look_for_shares(rings)
            counts = self._polygons.mask(rings, size_wh, place)
        else:
            counts = _run_lengths(segmentation, size_wh, place)
        if counts is not None and not area(decompress(counts)):
            self._findings.note(EMPTY, [place])
            return None
        return counts

    def _look_for_shares(self, rings: Sequence[Points]) -> None:
        """Notes whether polygons have fractions from 0 to 1, or other numbers than 0 to 1."""
        corners = np.concatenate([np.empty((0, 2)), *rings])
        self._met_px |= bool(((corners < 0) | (corners > 1)).any())
        self._met_shares |= bool(((corners > 0) & (corners < 1)).any())


def _box(entry: Mapping[str, Any], place: str) -> Corners | None:
    """The box of an annotation; None without one that can be read."""
    bbox, attributes = entry.get("bbox"), entry.get("attributes")
    if not isinstance(bbox, list) or len(bbox) != 4:
        return None
    try:
        x, y, width, height = (Values(Findings()).number(one, "bbox", place) for one in bbox)
    except InputError:
        return None
    if not isinstance(attributes, dict) or not attributes.get("rotation"):
        return x, y, x + width, y + height
    # CVAT turned the box about its centre: however far, it stays within this square.
    x, y, half = x + width / 2, y + height / 2, math.hypot(width, height) / 2
    return x - half, y - half, x + half, y + half


def _differs(box: Corners | None, counts: str, height: int) -> bool:
    """Whether a box contradicts a mask. A box of zeros is none: some programs write such."""
    if box is None or not any(box):
        return False
    own = np.array([box_of(decompress(counts), height)], np.float64)
    given = np.array([box], np.float64)
    is_off = not bool((np.abs(own - given) <= ROUNDED_PX).all())
    return is_off and not pairwise_iou(own, given).item() >= LEAST_IOU


def _run_lengths(segmentation: Any, size_wh: tuple[int, int], place: str) -> str:
    size, counts = _of(segmentation, place).get("size"), segmentation.get("counts")
    if size != [size_wh[1], size_wh[0]]:
        raise InputError(
            f"{place}: expected a mask of the picture's height and width, "
            f"[{size_wh[1]}, {size_wh[0]}], got {shorten(size)}"
        )
    try:
        if isinstance(counts, str):
            runs = decompress(counts)
        else:
            runs = np.array(counts, np.int64)
            if runs.ndim != 1 or (runs != np.array(counts)).any():
                raise ValueError("no list of whole numbers")
        if len(runs) and runs.max() > size_wh[0] * size_wh[1]:  # a sum of such could overflow
            raise ValueError(f"a run of {runs.max()} px")
        check_runs(runs, (size_wh[1], size_wh[0]))
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(
            f"{place}: expected run lengths that add up to the picture, got: "
            f"{shorten(str(error), 100)}"
        ) from None
    return compress(_joined(runs))


def _joined(runs: Runs) -> Runs:
    """The same mask without runs of no pixels, so that equal masks have equal texts.

    Only the first run, of pixels outside the mask, may have the length 0.
    """
    places = np.flatnonzero(runs)
    is_inside = places % 2 == 1
    starts = np.flatnonzero(np.diff(is_inside, prepend=not is_inside[0]))
    joined = np.add.reduceat(runs[places], starts)
    return np.concatenate([[0], joined]) if is_inside[0] else joined


def _of(entry: Any, place: str) -> Mapping[str, Any]:
    if not isinstance(entry, dict):
        raise InputError(f"{place}: expected keys and values, got {shorten(entry)}")
    return entry
