"""A detector with one box in each cell: one 1x1 convolution on one map.

It follows Redmon et al., "You Only Look Once", 2016. The cell in column i and row j of a map with
stride s predicts an objectness, a score for each class, and a box of centre (xc, yc) and size w, h:

    xc = s (tanh tx + i + 0.5)    yc = s (tanh ty + j + 0.5)    w = s exp tw    h = s exp th

So a centre can lie up to one cell away from the centre of its cell. `reach_cells` limits that
distance along x and along y: a cell can detect an object only if the object's centre is closer.
With 0.5, the reach is the area of the cell. With more, several cells can detect one object.
"""

import torch
from torch import Tensor

from vigil.learn.detector.network.dense import DenseDetector, Outputs
from vigil.learn.detector.network.interface import output_conv, start_with_low_scores
from vigil.learn.detector.network.tensors import Truth
from vigil.learn.detector.network.trunk import Features
from vigil.settings.train_detector import Loss

MAX_LOG_SIZE = 8.0  # exp of more overflows in half precision
REACH_MARGIN = 0.95  # in cells; for a distance of 1, tanh would need infinite logits


class GridDetector(DenseDetector):
    """A trunk, and one 1x1 convolution with 4 + 1 + C channels. Its places are centres of cells."""

    def __init__(
        self,
        features: Features,
        loss: Loss,
        *,
        num_classes: int,
        stride: int,
        reach_cells: float,
    ) -> None:
        """Args: reach_cells: from 0.5, the area of the cell, to REACH_MARGIN."""
        super().__init__(loss)
        if not 0.5 <= reach_cells <= REACH_MARGIN:
            raise ValueError(f"reach_cells must be in [0.5, {REACH_MARGIN}], but got {reach_cells}")
        self.features = features
        self.head = output_conv(features.num_channels, 4 + 1 + num_classes)
        start_with_low_scores(self.head.bias[4:5])  # type: ignore[index]
        self._stride, self._reach = stride, reach_cells

    def forward(self, pictures: Tensor) -> tuple[Outputs, Tensor]:
        raw = self.head(self.features(pictures)).float()
        rows, columns = raw.shape[-2:]
        cells = raw.flatten(2).transpose(1, 2)  # (B, rows * columns, 4 + 1 + C)
        centres = cell_centres((rows, columns), self._stride, raw.device)
        return Outputs(cells[..., :4], cells[..., 4], cells[..., 5:]), centres

    def encode(self, boxes: Tensor, places: Tensor) -> Tensor:
        return encode(boxes, places, self._stride)

    def decode(self, encoded: Tensor, places: Tensor) -> Tensor:
        return decode(encoded, places, self._stride)

    def assign(self, places: Tensor, truth: Truth) -> tuple[Tensor, Tensor]:
        owner, is_ignored = assign_cells(places, self._stride, self._reach, truth)
        return owner, ~is_ignored | (owner >= 0)


def cell_centres(grid: tuple[int, int], stride: int, device: torch.device) -> Tensor:
    """(rows * columns, 2): x and y of the cells' centres in px, row by row."""
    rows, columns = grid
    y = (torch.arange(rows, device=device) + 0.5) * stride
    x = (torch.arange(columns, device=device) + 0.5) * stride
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).reshape(-1, 2)


def decode(encoded: Tensor, centres: Tensor, stride: int) -> Tensor:
    """Outputs tx, ty, tw, th (..., 4) of cells at `centres` (..., 2) to boxes (..., 4) in px."""
    middle = centres + stride * encoded[..., :2].tanh()
    half = stride / 2 * encoded[..., 2:].clamp(max=MAX_LOG_SIZE).exp()
    return torch.cat([middle - half, middle + half], dim=-1)


def encode(boxes: Tensor, centres: Tensor, stride: int) -> Tensor:
    """The inverse of `decode`, for boxes (..., 4) whose centres are less than a cell away."""
    middle = (boxes[..., :2] + boxes[..., 2:]) / 2
    size = boxes[..., 2:] - boxes[..., :2]
    return torch.cat([((middle - centres) / stride).atanh(), (size / stride).log()], dim=-1)


def assign_cells(
    centres: Tensor, stride: int, reach_cells: float, truth: Truth
) -> tuple[Tensor, Tensor]:
    """Assigns each cell to the object that it should detect.

    Of several objects within reach, a cell gets the nearest one, with distances relative to the
    object's size. But an object always keeps the cell that contains its centre, unless that cell
    contains the centre of another object, too.

    Args:
        centres: (A, 2), of the cells.

    Returns:
        (B, A) index of the object, -1 for none; (B, A) whether the centre of the cell lies in a box
        to be ignored.
    """
    middle = (truth.boxes[..., :2] + truth.boxes[..., 2:]) / 2  # (B, M, 2)
    offset = (centres[None, None] - middle[:, :, None]).abs() / stride  # (B, M, A, 2)
    distance = offset.amax(dim=-1)
    within = (distance <= reach_cells) & truth.is_object[..., None]
    # The cost of an object for a cell. An object with its centre in the cell itself always comes
    # before objects with their centres in other cells.
    size = (truth.boxes[..., 2:] - truth.boxes[..., :2]).clamp(min=1)  # (B, M, 2)
    cost = (offset * stride / size[:, :, None]).pow(2).sum(-1) + (distance > 0.5) * 1e4
    cost = cost.masked_fill(~within, torch.inf)
    best, owner = cost.min(dim=1) if cost.shape[1] else _no_objects(truth, len(centres))
    owner = owner.masked_fill(best == torch.inf, -1)
    x1, y1, x2, y2 = truth.boxes[:, :, None].unbind(-1)
    inside = (
        (centres[:, 0] >= x1)
        & (centres[:, 0] <= x2)
        & (centres[:, 1] >= y1)
        & (centres[:, 1] <= y2)
        & truth.is_ignored[..., None]
    )
    return owner, inside.any(dim=1)


def _no_objects(truth: Truth, num_cells: int) -> tuple[Tensor, Tensor]:
    """(B, A) infinite costs and (B, A) indices -1: the minimum over no objects."""
    shape, device = (len(truth.boxes), num_cells), truth.boxes.device
    return (
        torch.full(shape, torch.inf, device=device),
        torch.full(shape, -1, dtype=torch.int64, device=device),
    )
