"""Axis-aligned boxes as float arrays of shape (N, 4): x1, y1, x2, y2 in absolute px.

x grows to the right, y downwards; (x2, y2) is exclusive, so that a whole picture is (0, 0, w, h).
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Boxes: TypeAlias = npt.NDArray[np.float64]

CORNERS = ["x1", "y1", "x2", "y2"]
"""The columns of boxes in tables, in px."""
LEAST_AREA = 1e-12  # px²: the divisor instead of an area of zero


def rotated_to_xyxy(xywh: npt.NDArray[np.float64], rotation_deg: npt.NDArray[np.float64]) -> Boxes:
    """The axis-aligned bounds of boxes that are rotated about their first corner.

    Args:
        xywh: (N, 4): the first corner, then signed width and height, in px.
        rotation_deg: (N,): clockwise on the screen, in degrees.

    Returns:
        (N, 4): bounds with x1 <= x2 and y1 <= y2, also for negative sizes.
    """
    x, y, width, height = (xywh[:, i, None] for i in range(4))
    angle = np.deg2rad(rotation_deg)[:, None]
    # The corners of each box (N, 4), relative to its first corner: before the rotation, then after.
    across = np.concatenate([0 * width, width, width, 0 * width], axis=1)
    down = np.concatenate([0 * height, 0 * height, height, height], axis=1)
    corners_x = x + across * np.cos(angle) - down * np.sin(angle)
    corners_y = y + across * np.sin(angle) + down * np.cos(angle)
    return np.stack(
        [corners_x.min(1), corners_y.min(1), corners_x.max(1), corners_y.max(1)], axis=1
    )


def clip(boxes_xyxy: Boxes, size_wh: tuple[int, int]) -> Boxes:
    """Clips (N, 4) boxes to the picture. A box outside becomes a point or a line on the edge."""
    width, height = size_wh
    return np.clip(boxes_xyxy, 0, [width, height, width, height])


def outside(boxes_xyxy: Boxes, size_wh: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """(N,): whether no part of a box lies inside the picture, not even an edge."""
    width, height = size_wh
    x1, y1, x2, y2 = boxes_xyxy.T
    flat = (x1 == x2) | (y1 == y2)
    # A box that only touches the picture is outside, unless it is a point or a line.
    apart = (x2 < 0) | (y2 < 0) | (x1 > width) | (y1 > height)
    only_touching = (x2 <= 0) | (y2 <= 0) | (x1 >= width) | (y1 >= height)
    nothing_inside: npt.NDArray[np.bool_] = apart | (only_touching & ~flat)
    return nothing_inside


def intersect(boxes_a: Boxes, boxes_b: Boxes) -> npt.NDArray[np.bool_]:
    """(N, M): whether each of (N, 4) boxes shares any area with each of (M, 4) boxes."""
    a, b = boxes_a[:, None], boxes_b[None, :]
    shares_area: npt.NDArray[np.bool_] = (
        (a[..., 0] < b[..., 2])
        & (b[..., 0] < a[..., 2])
        & (a[..., 1] < b[..., 3])
        & (b[..., 1] < a[..., 3])
    )
    return shares_area


def to_pixels(boxes_xyxy: Boxes, size_wh: tuple[int, int]) -> npt.NDArray[np.int64]:
    """(N, 4): the smallest boxes of whole pixels around (N, 4) boxes, clipped to the picture."""
    grown = np.concatenate([np.floor(boxes_xyxy[:, :2]), np.ceil(boxes_xyxy[:, 2:])], axis=1)
    return clip(grown, size_wh).astype(np.int64)


def areas(boxes_xyxy: Boxes) -> npt.NDArray[np.float64]:
    """The areas (N,) of (N, 4) boxes, in px²."""
    area: npt.NDArray[np.float64] = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]).prod(axis=1)
    return area


def pairwise_iou(boxes_a: Boxes, boxes_b: Boxes) -> npt.NDArray[np.float64]:
    """(N, M): the intersection over union (IoU) of each of (N, 4) with each of (M, 4) boxes."""
    shared = _shared_areas(boxes_a, boxes_b)
    union = areas(boxes_a)[:, None] + areas(boxes_b)[None] - shared
    iou: npt.NDArray[np.float64] = shared / np.maximum(union, LEAST_AREA)
    return iou


def pairwise_share(boxes_a: Boxes, boxes_b: Boxes) -> npt.NDArray[np.float64]:
    """(N, M): the share of each of (N, 4) boxes in each of (M, 4), as for COCO's crowds."""
    share: npt.NDArray[np.float64] = _shared_areas(boxes_a, boxes_b) / np.maximum(
        areas(boxes_a)[:, None], LEAST_AREA
    )
    return share


def _shared_areas(boxes_a: Boxes, boxes_b: Boxes) -> npt.NDArray[np.float64]:
    """(N, M): the areas of the intersections, in px²; 0 where boxes do not overlap."""
    # Corners of each intersection (N, M, 2). Its sides are negative where boxes are apart.
    low = np.maximum(boxes_a[:, None, :2], boxes_b[None, :, :2])
    high = np.minimum(boxes_a[:, None, 2:], boxes_b[None, :, 2:])
    shared: npt.NDArray[np.float64] = (high - low).clip(0).prod(axis=2)
    return shared
