"""Polygons as masks, and what may be wrong with polygons."""

from collections.abc import Sequence
from typing import Any

import faster_coco_eval.mask_api_new_cpp as mask_api
import numpy as np
import numpy.typing as npt

from vigil.domain.formats.reading.findings import Findings
from vigil.domain.mask_formats.masks import CLIPPED, CROSSING, FEW_POINTS, NOT_FINITE, OUTSIDE
from vigil.domain.pictures.run_lengths import Runs, compress, decompress
from vigil.plumbing.errors import InputError, shorten

Points = npt.NDArray[np.float64]
"""(N, 2): x and y in px, of the corners of a polygon."""

MOST_CHECKED = 1500
"""Corners of a polygon whose sides are compared with each other; more would take long."""
UNCHECKED = f"polygon of more than {MOST_CHECKED} corners, not checked for crossings"
FARTHEST = 1e6
"""Corners farther away than this, in px, are moved there: the rasteriser computes in 32 bits."""
OUTER_PX = 1.0
"""A corner may be this far outside without a finding: programs round outwards."""


class Polygons:
    """Makes masks of polygons. Each wrong polygon is noted and left out."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings

    def mask(self, rings: Sequence[Points], size_wh: tuple[int, int], place: str) -> str | None:
        """The union of polygons as compressed RLE; None if no polygon is right.

        Args:
            rings: the corners of each, in px.
        """
        kept = [
            np.clip(ring, -FARTHEST, FARTHEST)
            for number, ring in enumerate(rings, start=1)
            if self._is_right(ring, size_wh, f"{place}, polygon {number}")
        ]
        return compress(of_polygons(kept, (size_wh[1], size_wh[0]))) if kept else None

    def _is_right(self, ring: Points, size_wh: tuple[int, int], place: str) -> bool:
        reason = _wrong(ring, size_wh)
        if reason:
            self._findings.note(reason, [place])
            return False
        if (ring < -OUTER_PX).any() or (ring > np.array(size_wh) + OUTER_PX).any():
            self._findings.note(CLIPPED, [place])
        if len(ring) > MOST_CHECKED:
            self._findings.note(UNCHECKED, [place])
        elif crosses_itself(ring):
            self._findings.note(CROSSING, [place])
        return True


def _wrong(ring: Points, size_wh: tuple[int, int]) -> str:
    if not np.isfinite(ring).all():
        return NOT_FINITE
    if len(np.unique(ring, axis=0)) < 3:
        return FEW_POINTS
    low, high = ring.min(axis=0), ring.max(axis=0)
    if (high <= 0).any() or (low >= np.array(size_wh)).any():
        return OUTSIDE
    return ""


def crosses_itself(ring: Points) -> bool:
    """Whether two sides of a closed polygon cross. Sides that only touch do not."""
    ring = ring[(ring != np.roll(ring, 1, axis=0)).any(axis=1)]
    starts, ends = ring, np.roll(ring, -1, axis=0)
    # (N, N): on which side of the line through side i the start and the end of side j are.
    of_starts, of_ends = _side(starts, ends, starts), _side(starts, ends, ends)
    are_apart = of_starts * of_ends < 0
    return bool((are_apart & are_apart.T).any())


def _side(starts: Points, ends: Points, points: Points) -> npt.NDArray[np.float64]:
    """(N, M): the sign of the cross product of each line's direction and each point."""
    along = ends - starts
    to_points = points[None] - starts[:, None]
    crossed: npt.NDArray[np.float64] = (
        along[:, None, 0] * to_points[..., 1] - along[:, None, 1] * to_points[..., 0]
    )
    return np.sign(crossed)


def ring_of(values: Any, place: str) -> Points:
    """(N, 2): the corners in a flat list x, y, x, y, ….

    Raises:
        InputError: it is not a list of an even number of numbers.
    """
    are_numbers = isinstance(values, list) and all(
        isinstance(value, (int, float)) and not isinstance(value, bool) for value in values
    )
    if not are_numbers or len(values) % 2:
        raise InputError(f"{place}: expected a polygon as [x, y, x, y, …], got {shorten(values)}")
    try:
        return np.array(values, np.float64).reshape(-1, 2)
    except OverflowError:
        raise InputError(f"{place}: expected numbers of px, got {shorten(values)}") from None


def of_polygons(polygons: Sequence[Points], size_hw: tuple[int, int]) -> Runs:
    """The run lengths of the union of polygons, with the pixels that COCO's programs give them."""
    height, width = size_hw
    flat = [[float(value) for value in one.ravel()] for one in polygons]
    encoded = mask_api.merge(mask_api.frPyObjects(flat, height, width), False)
    counts = encoded["counts"]
    return decompress(counts.decode("ascii") if isinstance(counts, bytes) else counts)
