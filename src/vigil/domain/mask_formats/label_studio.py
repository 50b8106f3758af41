"""Reads masks of pictures from an export of Label Studio (JSON): brushes and polygons.

Of several finished annotations of a task, the one that is marked as ground truth counts. Without
one, they must be alike, since no rule could tell which of them is right.
"""

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from vigil.domain.formats.reading.findings import Entry, Findings
from vigil.domain.formats.reading.names import ENDING
from vigil.domain.formats.reading.values import Values
from vigil.domain.label_studio.addresses import is_upload, path_of
from vigil.domain.label_studio.labels import own_labels, separate_labels
from vigil.domain.mask_formats.brush import decode_brush
from vigil.domain.mask_formats.masks import (
    EMPTY,
    OTHER_REGION,
    Masks,
    add_object,
    add_picture,
    no_objects,
    no_pictures,
)
from vigil.domain.mask_formats.other_regions import NO_REGIONS, box_around
from vigil.domain.mask_formats.polygons import Polygons
from vigil.domain.mask_formats.unmasked import Unmasked
from vigil.domain.masks.class_map import compressed
from vigil.domain.pictures.run_lengths import area, decompress
from vigil.plumbing.errors import InputError, listed, shorten
from vigil.plumbing.records import read_json
from vigil.settings.import_detections import Policy

BRUSH, POLYGON = ("brush", "brushlabels"), ("polygon", "polygonlabels")
NO_REGION = "result that marks no region, not read"
OTHER_ANNOTATION = "further annotation of a task, not read"
NOT_ANNOTATED = "task without an annotation"
UPLOAD_HASH = re.compile(r"^[0-9a-f]{8}-")


class LabelStudioMasks:
    """Reads one export."""

    def __init__(self, file: Path, malformed: Policy, findings: Findings) -> None:
        """Args: malformed: what to do with a malformed task or region."""
        self._file, self._findings = file, findings
        self._entry, self._values = Entry(malformed, findings), Values(findings)
        self._polygons, self._unmasked = Polygons(findings), Unmasked(findings)

    def read(self) -> Masks:
        """The pictures and masks.

        Raises:
            InputError: no such file, not an export of pictures, a picture in two tasks, or a
                malformed entry where this is an error.
        """
        tasks = read_json(self._file, is_foreign=True)
        tasks = [tasks] if isinstance(tasks, dict) else tasks
        if not isinstance(tasks, list) or not tasks:
            raise InputError(f"{self._file}: expected a list of tasks, got {shorten(tasks)}")
        pictures, objects = no_pictures(), no_objects()
        for number, task in enumerate(tasks, start=1):
            with self._entry:
                self._read_task(task, f"{self._file}: task {number}", pictures, objects)
        self._unmasked.add_boxes(objects)
        return Masks.of(pictures, objects)

    def _read_task(
        self,
        task: Any,
        place: str,
        pictures: dict[str, list[Any]],
        objects: dict[str, list[Any]],
    ) -> None:
        if not isinstance(task, dict) or not isinstance(task.get("annotations"), list):
            raise InputError(
                f"{place}: expected a task with annotations (export JSON, not JSON_MIN), "
                f"got {shorten(task)}"
            )
        finished = [
            one
            for one in task["annotations"]
            if isinstance(one, dict) and not one.get("was_cancelled")
        ]
        if not finished:
            self._findings.note(NOT_ANNOTATED, [place])
            return
        chosen = _choose(finished, place)
        self._findings.note(OTHER_ANNOTATION, [place] * (len(finished) - 1))
        name, results = _picture_of(task.get("data"), place), chosen.get("result")
        if name in pictures["file_name"]:
            raise InputError(f"{place}: expected each picture in one task, got {shorten(name)}")
        if not isinstance(results, list):
            raise InputError(f"{place}: expected a list as result, got {shorten(results)}")
        sizes: set[tuple[int, int]] = set()
        for number, result in enumerate(results, start=1):
            where = f"{place}, region {number}"
            if not isinstance(result, dict) or result.get("type") not in (*BRUSH, *POLYGON):
                sizes |= self._note_other(result, results, name, where)
                continue
            with self._entry:
                sizes.add(self._add_region(result, results, name, where, objects))
        if len(sizes) > 1:
            raise InputError(f"{place}: expected regions on one picture size, got {listed(sizes)}")
        # Without a region, the export tells no size; 0 means that it is not known.
        add_picture(pictures, name, next(iter(sizes), (0, 0)), place)

    def _add_region(
        self,
        result: Mapping[str, Any],
        results: Sequence[Any],
        name: str,
        place: str,
        objects: dict[str, list[Any]],
    ) -> tuple[int, int]:
        """Adds the object of a region, and returns the size of the picture."""
        value = result.get("value")
        if not isinstance(value, dict):
            raise InputError(f"{place}: expected a value, got {shorten(value)}")
        labels = own_labels(value) or separate_labels(results, result.get("id"))
        if len(labels) != 1 or not isinstance(labels[0], str):
            raise InputError(f"{place}: expected one label, got {shorten(labels)}")
        width, height = self._size(result, place)
        if result["type"] in BRUSH:
            counts = self._brush(value, (width, height), place)
        else:
            counts = self._polygon(value, (width, height), place)
        if counts is not None:
            add_object(objects, name, labels[0], counts, place)
        return width, height

    def _note_other(
        self, result: Any, results: Sequence[Any], name: str, place: str
    ) -> set[tuple[int, int]]:
        """Notes a result that is not read as a mask; returns the picture's size if it is told."""
        kind = result.get("type") if isinstance(result, dict) else result
        if isinstance(kind, str) and kind in NO_REGIONS:
            # `labels` are those of another region.
            self._findings.note(NO_REGION, [f"{place}: {kind}"] if kind != "labels" else [])
            return set()
        self._findings.note(OTHER_REGION, [f"{place}: {shorten(kind)}"])
        if not isinstance(result, dict) or not isinstance(result.get("value"), dict):
            return set()
        value = result["value"]
        labels = own_labels(value) or separate_labels(results, result.get("id"))
        label = labels[0] if len(labels) == 1 and isinstance(labels[0], str) else ""
        size_wh, box = None, None
        with suppress(InputError):
            size_wh = self._size(result, place)
            box = box_around(str(kind), value, size_wh)
        self._unmasked.note(name, label, box, size_wh or (0, 0), place)
        return {size_wh} if size_wh else set()

    def _size(self, result: Mapping[str, Any], place: str) -> tuple[int, int]:
        """Width and height of the picture of a region.

        Raises:
            InputError: they are not told, or the region is one of the turned picture.
        """
        width, height = (
            self._values.whole(result.get(key), key, place)
            for key in ("original_width", "original_height")
        )
        if min(width, height) < 1:
            raise InputError(f"{place}: expected the picture's size, got {width}x{height}")
        if turned := result.get("image_rotation"):
            raise InputError(
                f"{place}: expected a region of the picture as it is stored, got one of a picture "
                f"turned by {shorten(turned)} degrees in Label Studio (image_rotation)"
            )
        return width, height

    def _brush(self, value: Mapping[str, Any], size_wh: tuple[int, int], place: str) -> str | None:
        numbers = value.get("rle")
        try:
            if value.get("format") != "rle" or not isinstance(numbers, list):
                raise ValueError("no list of bytes under rle")
            mask = decode_brush(numbers, size_wh)
        except (ValueError, TypeError, OverflowError) as error:
            raise InputError(
                f"{place}: expected a brush in Label Studio's RLE, got: {shorten(str(error), 80)}"
            ) from None
        if not mask.any():
            self._findings.note(EMPTY, [place])
            return None
        return compressed(mask)

    def _polygon(
        self, value: Mapping[str, Any], size_wh: tuple[int, int], place: str
    ) -> str | None:
        points = value.get("points")
        try:
            ring = np.array(points, np.float64)
            if ring.ndim != 2 or ring.shape[1] != 2:
                raise ValueError
        except (ValueError, TypeError, OverflowError):
            raise InputError(
                f"{place}: expected points as [[x, y], …] in percent, got {shorten(points)}"
            ) from None
        counts = self._polygons.mask([ring / 100 * np.array(size_wh)], size_wh, place)
        if counts is not None and not area(decompress(counts)):
            self._findings.note(EMPTY, [place])
            return None
        return counts


def _choose(finished: Sequence[Mapping[str, Any]], place: str) -> Mapping[str, Any]:
    """The annotation that counts: the ground truth, else the first of annotations that are alike.

    Raises:
        InputError: annotations differ, and not exactly one is marked as ground truth.
    """
    marked = [one for one in finished if one.get("ground_truth") is True]
    candidates = marked or list(finished)
    if len({_content(one.get("result")) for one in candidates}) > 1:
        raise InputError(
            f"{place}: expected one annotation, several that are alike, or one of them marked as "
            f"ground truth, got {len(candidates)} that differ"
        )
    return candidates[0]


def _content(results: Any) -> str:
    """What an annotation draws, as text: its regions without their names and authors."""
    if not isinstance(results, list):
        return repr(results)
    kept = ("type", "value", "original_width", "original_height", "image_rotation")
    regions = [
        {key: one.get(key) for key in kept} if isinstance(one, dict) else one for one in results
    ]
    return "\n".join(sorted(json.dumps(one, sort_keys=True, default=repr) for one in regions))


def _picture_of(data: Any, place: str) -> str:
    """The name of the picture's file: the only text that ends as a picture does, or with a path."""
    texts = [one for one in data.values() if isinstance(one, str)] if isinstance(data, dict) else []
    with_ending = [one for one in texts if ENDING.search(path_of(one).name)]
    sources = with_ending or [one for one in texts if "/" in one]
    if len(sources) != 1:
        raise InputError(
            f"{place}: expected the address of one picture in data, got {shorten(data, 100)}"
        )
    path = path_of(sources[0])
    return UPLOAD_HASH.sub("", path.name) if is_upload(path) else path.as_posix().lstrip("/")
