"""The cells of one map or several maps, which are the places of dense detectors."""

from collections.abc import Sequence

import torch
from torch import Tensor

from vigil.learn.detector.network.tensors import Truth

LARGEST_IN_STRIDES = 8
"""The longest side, in cells, of an object on a map that is not the coarsest (after Tian et al.,
"FCOS", 2019)."""


def cell_centres(grid: tuple[int, int], stride: int, device: torch.device) -> Tensor:
    """(rows * columns, 2): x and y in px, row by row."""
    rows, columns = grid
    y = (torch.arange(rows, device=device) + 0.5) * stride
    x = (torch.arange(columns, device=device) + 0.5) * stride
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).reshape(-1, 2)


def cells_of(
    grids: Sequence[tuple[int, int]], strides: Sequence[int], device: torch.device
) -> Tensor:
    """(A, 3): x, y and stride in px of all cells of maps (rows, columns), map by map."""
    parts = []
    for grid, stride in zip(grids, strides, strict=True):
        centres = cell_centres(grid, stride, device)
        parts.append(torch.cat([centres, centres.new_full((len(centres), 1), stride)], dim=1))
    return torch.cat(parts)


def distances(cells: Tensor, truth: Truth) -> Tensor:
    """(B, M, A): the larger of the distances of centres along x and y, in cells."""
    middle = (truth.boxes[..., :2] + truth.boxes[..., 2:]) / 2  # (B, M, 2)
    offset = (cells[:, :2] - middle[:, :, None]).abs() / cells[:, 2:]  # (B, M, A, 2)
    return offset.amax(dim=-1)


def is_inside(centres: Tensor, boxes: Tensor) -> Tensor:
    """(B, M, A): whether centres (A, 2) lie in boxes (B, M, 4)."""
    x1, y1, x2, y2 = boxes[:, :, None].unbind(-1)
    x, y = centres.unbind(-1)
    return (x >= x1) & (x <= x2) & (y >= y1) & (y <= y2)


def is_covered(centres: Tensor, truth: Truth) -> Tensor:
    """(B, A): whether centres (A, 2) lie in a box that is to be ignored."""
    inside = is_inside(centres, truth.boxes) & truth.is_ignored[..., None]
    return inside.any(dim=1)


def is_of_level(strides: Tensor, truth: Truth) -> Tensor:
    """(B, M, A): whether the map of a cell is the one that suits the size of an object.

    It is the finest map on which the object's longer side is at most `LARGEST_IN_STRIDES` cells. If
    there is none, it is the coarsest map.

    Args:
        strides: (A,).
    """
    longest = (truth.boxes[..., 2:] - truth.boxes[..., :2]).amax(dim=-1)  # (B, M)
    levels = strides.unique()  # ascending
    number = torch.bucketize(longest, LARGEST_IN_STRIDES * levels[:-1])  # (B, M)
    object_strides: Tensor = levels[number]
    return object_strides[..., None] == strides
