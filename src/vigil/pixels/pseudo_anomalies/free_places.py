"""Finds places of the picture in which nothing moves, from clips of allowed behaviour."""

from collections.abc import Iterable

import cv2
import numpy as np
import numpy.typing as npt

from vigil.pixels.pseudo_anomalies.bodies import Masks, Patch, sums_of_squares

NUM_PARTS = 48
"""Parts of a map along each side of the picture."""

Map = npt.NDArray[np.bool_]


def map_motion(masks: Masks) -> Map:
    """The parts (`NUM_PARTS`, `NUM_PARTS`) of the picture in which something moves (T, H, W)."""
    moves = masks.any(axis=0).astype(np.float32)
    # Each part has the mean of its pixels: more than 0 where one of them moves.
    height, width = moves.shape
    edges_y = np.linspace(0, height, NUM_PARTS + 1).round().astype(np.int64)
    edges_x = np.linspace(0, width, NUM_PARTS + 1).round().astype(np.int64)
    sums = np.zeros((height + 1, width + 1))
    sums[1:, 1:] = moves.cumsum(axis=0).cumsum(axis=1)
    corners = sums[np.ix_(edges_y, edges_x)]
    return np.asarray(np.diff(np.diff(corners, axis=0), axis=1) > 0)


def join_maps(maps: Iterable[Map]) -> Map:
    """Where something moves in at least one clip."""
    joined = np.zeros((NUM_PARTS, NUM_PARTS), bool)
    for one in maps:
        joined |= one
    return joined


def free_corner(
    masks: Masks, patch: Patch, moves: Map, rng: np.random.Generator
) -> tuple[int, int] | None:
    """The corner x, y of a square of the patch's size where neither this nor another clip moves.

    Args:
        masks: (T, H, W) what moves in this clip.
        moves: where other clips move.
        rng: draws one of all such squares.

    Returns:
        The upper left corner in px; None: there is no such square.
    """
    height, width = masks.shape[1:]
    elsewhere = cv2.resize(moves.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    length = patch.x2 - patch.x1
    is_free = sums_of_squares(masks.any(axis=0) | (elsewhere > 0), length) == 0
    corners = np.argwhere(is_free)
    if not len(corners):
        return None
    y, x = corners[int(rng.integers(len(corners)))]
    return int(x), int(y)
