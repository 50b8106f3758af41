"""Objects without a usable mask: the pixels of their boxes count neither way.

Such an object is in the picture, but nobody knows its pixels. As background, they would teach that
there is no object.
"""

import math
from typing import Any

import numpy as np

from vigil.domain.formats.reading.findings import Findings
from vigil.domain.mask_formats.masks import add_object
from vigil.domain.pictures.run_lengths import compress, runs_of_part

BOXED = "object without a usable mask, its box counts neither way"
WITHOUT_BOX = "object without a usable mask and without a box, taken for background"
OTHER_CLASS = "object without a usable mask, of a class without any mask, taken for background"

Corners = tuple[float, float, float, float]
"""x1, y1, x2, y2 in px of a box, where (x2, y2) is its lower right corner."""


class Unmasked:
    """Collects such objects while a file is read, and then adds their boxes."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._boxes: list[tuple[str, str, str, str, bool]] = []

    def note(
        self,
        image: str,
        label: str,
        box: Corners | None,
        size_wh: tuple[int, int],
        place: str,
        *,
        is_crowd: bool = False,
    ) -> None:
        """Takes an object with its box, or notes one without a box in its picture.

        Args:
            label: its class; "": it is not known.
            box: in px; None: it is not known.
            size_wh: of the picture.
        """
        counts = None if box is None else _filled(box, size_wh)
        if counts is None:
            self._findings.note(WITHOUT_BOX, [place])
            return
        self._boxes.append((image, label, counts, place, is_crowd))

    def add_boxes(self, objects: dict[str, list[Any]]) -> None:
        """Adds the boxes to objects, as crowds or as difficult ones.

        The pixels of a class without any mask are background, since it is no class to be learned.
        So its boxes are noted and left out.
        """
        known = set(objects["label"])
        for image, label, counts, place, is_crowd in self._boxes:
            if label not in known:
                self._findings.note(OTHER_CLASS, [f"{place}: {label or 'no label'}"])
                continue
            self._findings.note(BOXED, [place])
            add_object(
                *(objects, image, label, counts, place),
                is_crowd=is_crowd,
                is_difficult=not is_crowd,
            )


def _filled(box: Corners, size_wh: tuple[int, int]) -> str | None:
    """The pixels that a box touches, as compressed RLE; None if there are none."""
    if not all(map(math.isfinite, box)):
        return None
    (width, height), (x1, y1, x2, y2) = size_wh, box
    left, top = max(math.floor(x1), 0), max(math.floor(y1), 0)
    right, bottom = min(math.ceil(x2), width), min(math.ceil(y2), height)
    if left >= right or top >= bottom:
        return None
    part = np.ones((bottom - top, right - left), np.bool_)
    return compress(runs_of_part(part, (left, top), (height, width)))
