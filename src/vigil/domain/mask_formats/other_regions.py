"""Regions of Label Studio that are not read as masks, and the boxes around them."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from vigil.domain.mask_formats.unmasked import Corners

NO_REGIONS = {
    *("choices", "datetime", "labels", "number", "pairwise", "ranker", "rating"),
    *("relation", "taxonomy", "textarea"),
}
"""Types of results that mark no pixels: facts about a picture or about another result."""


def box_around(kind: str, value: Mapping[str, Any], size_wh: tuple[int, int]) -> Corners | None:
    """The upright box around a rectangle, an ellipse or a vector, in px; None for other kinds.

    Label Studio writes percents of the picture's sides, and degrees clockwise. A rectangle turns
    about its upper left corner, an ellipse about its centre.

    Args:
        kind: the result's type, with or without `labels` at its end.
        value: the result's value.

    Returns:
        None also where a number is missing.
    """
    try:
        match kind.removesuffix("labels"):
            case "rectangle":
                return _around(_rectangle(value, size_wh))
            case "ellipse":
                return _around(_ellipse(value, size_wh))
            case "vector":
                points = [(float(one["x"]), float(one["y"])) for one in value["vertices"]]
                return _around([_in_px(*point, size_wh) for point in points])
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return None


def _rectangle(value: Mapping[str, Any], size_wh: tuple[int, int]) -> list[tuple[float, float]]:
    """The corners of a rectangle."""
    x, y = _in_px(float(value["x"]), float(value["y"]), size_wh)
    width, height = _in_px(float(value["width"]), float(value["height"]), size_wh)
    cos, sin = _turn(value)
    sides = ((0.0, 0.0), (width, 0.0), (width, height), (0.0, height))
    return [(x + dx * cos - dy * sin, y + dx * sin + dy * cos) for dx, dy in sides]


def _ellipse(value: Mapping[str, Any], size_wh: tuple[int, int]) -> list[tuple[float, float]]:
    """Two opposite corners of the box around an ellipse."""
    x, y = _in_px(float(value["x"]), float(value["y"]), size_wh)
    across, down = _in_px(float(value["radiusX"]), float(value["radiusY"]), size_wh)
    cos, sin = _turn(value)
    dx, dy = math.hypot(across * cos, down * sin), math.hypot(across * sin, down * cos)
    return [(x - dx, y - dy), (x + dx, y + dy)]


def _turn(value: Mapping[str, Any]) -> tuple[float, float]:
    """Cosine and sine of the turn. A quarter turn must give whole pixels, so they are rounded."""
    angle = math.radians(float(value.get("rotation") or 0.0) % 360)
    return round(math.cos(angle), 12), round(math.sin(angle), 12)


def _in_px(x: float, y: float, size_wh: tuple[int, int]) -> tuple[float, float]:
    return x / 100 * size_wh[0], y / 100 * size_wh[1]


def _around(points: Sequence[tuple[float, float]]) -> Corners:
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)
