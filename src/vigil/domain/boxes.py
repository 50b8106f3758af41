"""Axis-aligned boxes as float arrays of shape (N, 4): x1, y1, x2, y2 in absolute px.

x grows to the right, y downwards; (x2, y2) is exclusive, so that a whole picture is (0, 0, w, h).
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Boxes: TypeAlias = npt.NDArray[np.float64]

LEAST_AREA = 1e-12  # px²: what has none is divided by this


def rotated_to_xyxy(xywh: npt.NDArray[np.float64], rotation_deg: npt.NDArray[np.float64]) -> Boxes:
    """The axis-aligned bounds of boxes turned about their first corner.

    Args:
        xywh: (N, 4): the first corner, then signed width and height, in px.
        rotation_deg: (N,): clockwise on the screen, in degrees.

    Returns:
        (N, 4): bounds with x1 <= x2 and y1 <= y2, also for negative sizes.
    """
    x, y, width, height = (xywh[:, i, None] for i in range(4))
    angle = np.deg2rad(rotation_deg)[:, None]
    across = np.concatenate([0 * width, width, width, 0 * width], axis=1)
    down = np.concatenate([0 * height, 0 * height, height, height], axis=1)
    corners_x = x + across * np.cos(angle) - down * np.sin(angle)
    corners_y = y + across * np.sin(angle) + down * np.cos(angle)
    return np.stack(
        [corners_x.min(1), corners_y.min(1), corners_x.max(1), corners_y.max(1)], axis=1
    )


def clip(boxes_xyxy: Boxes, size_wh: tuple[int, int]) -> Boxes:
    """Cuts (N, 4) boxes to the picture; what lies outside becomes a point or line on its edge."""
    width, height = size_wh
    return np.clip(boxes_xyxy, 0, [width, height, width, height])


def outside(boxes_xyxy: Boxes, size_wh: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """(N,): whether nothing of a box, not even an edge of it, lies inside the picture."""
    width, height = size_wh
    x1, y1, x2, y2 = boxes_xyxy.T
    flat = (x1 == x2) | (y1 == y2)
    apart = (x2 < 0) | (y2 < 0) | (x1 > width) | (y1 > height)
    only_touching = (x2 <= 0) | (y2 <= 0) | (x1 >= width) | (y1 >= height)
    nothing_inside: npt.NDArray[np.bool_] = apart | (only_touching & ~flat)
    return nothing_inside


def intersect(boxes_a: Boxes, boxes_b: Boxes) -> npt.NDArray[np.bool_]:
    """(N, M): whether a box of (N, 4) and one of (M, 4) share any area."""
    a, b = boxes_a[:, None], boxes_b[None, :]
    met: npt.NDArray[np.bool_] = (
        (a[..., 0] < b[..., 2])
        & (b[..., 0] < a[..., 2])
        & (a[..., 1] < b[..., 3])
        & (b[..., 1] < a[..., 3])
    )
    return met


def to_pixels(boxes_xyxy: Boxes, size_wh: tuple[int, int]) -> npt.NDArray[np.int64]:
    """(N, 4): the smallest whole-pixel boxes around (N, 4) boxes, cut to the picture."""
    grown = np.concatenate([np.floor(boxes_xyxy[:, :2]), np.ceil(boxes_xyxy[:, 2:])], axis=1)
    return clip(grown, size_wh).astype(np.int64)


def areas(boxes_xyxy: Boxes) -> npt.NDArray[np.float64]:
    """(N,) in px²."""
    found: npt.NDArray[np.float64] = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]).prod(axis=1)
    return found


def pairwise_iou(boxes_a: Boxes, boxes_b: Boxes) -> npt.NDArray[np.float64]:
    """(N, M): the intersection over the union of each of (N, 4) with each of (M, 4) boxes."""
    shared = _shared_areas(boxes_a, boxes_b)
    union = areas(boxes_a)[:, None] + areas(boxes_b)[None] - shared
    iou: npt.NDArray[np.float64] = shared / np.maximum(union, LEAST_AREA)
    return iou


def pairwise_share(boxes_a: Boxes, boxes_b: Boxes) -> npt.NDArray[np.float64]:
    """(N, M): how much of each of (N, 4) boxes lies in each of (M, 4), as COCO measures crowds."""
    share: npt.NDArray[np.float64] = _shared_areas(boxes_a, boxes_b) / np.maximum(
        areas(boxes_a)[:, None], LEAST_AREA
    )
    return share


def _shared_areas(boxes_a: Boxes, boxes_b: Boxes) -> npt.NDArray[np.float64]:
    low = np.maximum(boxes_a[:, None, :2], boxes_b[None, :, :2])
    high = np.minimum(boxes_a[:, None, 2:], boxes_b[None, :, 2:])
    shared: npt.NDArray[np.float64] = (high - low).clip(0).prod(axis=2)
    return shared
