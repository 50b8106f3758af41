"""Boxes that an annotator turned: the upright box around the turned one takes their place.

CVAT writes the box as it was before it was turned, and `rotation` beside it: degrees about the
centre of the box, clockwise (`attributes.rotation` in COCO, an `attribute` of that name in VOC).
"""

import math
from typing import Any

from vigil.domain.formats.reading.values import number_of
from vigil.plumbing.errors import InputError, shorten

ROTATION = "rotation"
UNKNOWN_KEYS = ("angle", "rotation", "theta")
"""Keys beside a box whose unit and centre are not known: they must be 0."""

Corners = tuple[float, float, float, float]


def enclosing(corners: Corners, degrees: float) -> Corners:
    """The upright box around a box that is turned about its centre. Corners are x1, y1, x2, y2."""
    x1, y1, x2, y2 = corners
    if not all(map(math.isfinite, corners)) or x1 > x2 or y1 > y2:
        return corners  # an invalid box stays one
    # A quarter turn must give whole pixels: the cosine of 90 degrees is not quite 0 in floats.
    cos = round(abs(math.cos(math.radians(degrees % 360))), 12)
    sin = round(abs(math.sin(math.radians(degrees % 360))), 12)
    half_width = ((x2 - x1) * cos + (y2 - y1) * sin) / 2
    half_height = ((x2 - x1) * sin + (y2 - y1) * cos) / 2
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    return x - half_width, y - half_height, x + half_width, y + half_height


def degrees_of(value: Any, key: str, place: str) -> float:
    """An angle, a number or a text; 0 where it is missing.

    Raises:
        InputError: it is not a finite number.
    """
    if value is None or value == "":
        return 0.0
    number: Any = number_of(value) if isinstance(value, str) else value
    if type(number) not in (int, float) or not abs(number) < 1e9:
        raise InputError(f"{place}: expected a number of degrees as {key}, got {shorten(value)}")
    return float(number)


def check_upright(value: Any, key: str, place: str) -> None:
    """Refuses an angle other than 0 whose meaning is not known.

    Raises:
        InputError: there is such an angle, or something that is not a number.
    """
    if degrees_of(value, key, place):
        raise InputError(
            f"{place}: expected a box that is not turned, got {key} {shorten(value)}, whose unit "
            "and centre are not known"
        )
