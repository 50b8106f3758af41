"""A detector with one box in each cell: one 1x1 convolution on each map.

It follows Redmon et al., "You Only Look Once", 2016. The cell in column i and row j of a map with
stride s predicts an objectness, a score for each class, and a box of centre (xc, yc) and size w, h:

    xc = s (tanh tx + i + 0.5)    yc = s (tanh ty + j + 0.5)    w = s exp tw    h = s exp th

So a centre can lie up to one cell away from the centre of its cell. `reach_cells` limits that
distance along x and along y: a cell can detect an object only if the object's centre is closer.
With 0.5, the reach is the area of the cell. With more, several cells can detect one object.

On several maps, an object belongs to the map that suits its size (`cells`). With `simota`, it
belongs to the cells of any map, within reach, whose predictions describe it best.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vigil.learn.detector.network import cells
from vigil.learn.detector.network.dense import Assigned, DenseDetector, Outputs, joint_scores
from vigil.learn.detector.network.features import Features
from vigil.learn.detector.network.interface import output_conv, start_with_low_scores
from vigil.learn.detector.network.simota import assign_simota
from vigil.learn.detector.network.tensors import Truth
from vigil.learn.pictures.colours import normalise
from vigil.settings.train_detector import Assignment, Loss

MAX_LOG_SIZE = 8.0  # exp of more overflows in half precision
REACH_MARGIN = 0.95  # in cells; for a distance of 1, tanh would need infinite logits


class GridDetector(DenseDetector):
    """A trunk, and on each map one 1x1 convolution with 4 + 1 + C channels.

    Its places are cells (A, 3): the x and y of the centre, and the stride.
    """

    def __init__(
        self,
        features: Features,
        loss: Loss,
        *,
        num_classes: int,
        strides: Sequence[int],
        reach_cells: float,
        assignment: Assignment,
    ) -> None:
        """Args: reach_cells: from 0.5, the area of the cell, to REACH_MARGIN."""
        super().__init__(loss)
        if not 0.5 <= reach_cells <= REACH_MARGIN:
            raise ValueError(f"reach_cells must be in [0.5, {REACH_MARGIN}], but got {reach_cells}")
        self.features = features
        self.heads = nn.ModuleList(
            output_conv(features.num_channels, 4 + 1 + num_classes) for _ in strides
        )
        for head in self.heads:
            start_with_low_scores(head.bias[4:5])  # type: ignore[index]
        self._strides, self._reach, self._assignment = tuple(strides), reach_cells, assignment

    def forward(self, pictures: Tensor) -> tuple[Outputs, Tensor]:
        maps = self.look(pictures)
        raw = [head(one).float() for head, one in zip(self.heads, maps, strict=True)]
        outputs = torch.cat([one.flatten(2) for one in raw], dim=2).transpose(1, 2)  # (B, A, 4+1+C)
        grids = [(one.shape[2], one.shape[3]) for one in raw]
        places = cells.cells_of(grids, self._strides, outputs.device)
        return Outputs(outputs[..., :4], outputs[..., 4], outputs[..., 5:]), places

    def rows_of_classes(self, key: str, num_rows: int) -> Tensor | None:
        if not key.startswith("heads."):
            return None
        return torch.arange(5, max(num_rows, 5))[:, None]  # after box and objectness

    def colours(self, pictures: Tensor) -> Tensor:
        return normalise(pictures)

    def maps(self, pictures: Tensor) -> list[Tensor]:
        features: list[Tensor] = self.features(pictures)
        return features

    @property
    def map_widths(self) -> list[int]:
        return [self.features.num_channels] * len(self._strides)

    def encode(self, boxes: Tensor, places: Tensor) -> Tensor:
        return encode(boxes, places[..., :2], places[..., 2:])

    def decode(self, encoded: Tensor, places: Tensor) -> Tensor:
        return decode(encoded, places[..., :2], places[..., 2:])

    def assign(self, outputs: Outputs, places: Tensor, truth: Truth) -> Assigned:
        centres, strides = places[:, :2], places[:, 2:]
        counted = ~cells.is_covered(centres, truth)
        if self._assignment == "simota":
            owner, quality = assign_simota(
                self.decode(outputs.encoded, places),
                joint_scores(outputs),
                cells.distances(places, truth) <= self._reach,
                torch.ones(1, dtype=torch.bool, device=centres.device),
                truth,
            )
        else:
            of_level = cells.is_of_level(strides[:, 0], truth) if len(self._strides) > 1 else None
            owner = assign_cells(centres, strides, self._reach, truth, of_level)
            quality = torch.ones_like(owner, dtype=torch.float32)
        return Assigned(owner, counted | (owner >= 0), quality)


def decode(encoded: Tensor, centres: Tensor, stride: int | Tensor) -> Tensor:
    """Outputs tx, ty, tw, th (..., 4) of cells at `centres` (..., 2) to boxes (..., 4) in px."""
    middle = centres + stride * encoded[..., :2].tanh()
    half = stride / 2 * encoded[..., 2:].clamp(max=MAX_LOG_SIZE).exp()
    return torch.cat([middle - half, middle + half], dim=-1)


def encode(boxes: Tensor, centres: Tensor, stride: int | Tensor) -> Tensor:
    """The inverse of `decode`, for boxes (..., 4) whose centres are less than a cell away."""
    middle = (boxes[..., :2] + boxes[..., 2:]) / 2
    size = boxes[..., 2:] - boxes[..., :2]
    return torch.cat([((middle - centres) / stride).atanh(), (size / stride).log()], dim=-1)


def assign_cells(
    centres: Tensor,
    stride: int | Tensor,
    reach_cells: float,
    truth: Truth,
    is_allowed: Tensor | None = None,
) -> Tensor:
    """Assigns each cell to the object that it should detect.

    Of several objects within reach, a cell gets the nearest one, with distances relative to the
    object's size. But an object always keeps the cell that contains its centre, unless that cell
    contains the centre of another object, too.

    Args:
        centres: (A, 2), of the cells.
        stride: of all cells, or (A, 1).
        is_allowed: (B, M, A) the cells that an object may be assigned to; None: all cells.

    Returns:
        (B, A) index of the object, -1 for none.
    """
    middle = (truth.boxes[..., :2] + truth.boxes[..., 2:]) / 2  # (B, M, 2)
    offset = (centres[None, None] - middle[:, :, None]).abs() / stride  # (B, M, A, 2)
    distance = offset.amax(dim=-1)
    within = (distance <= reach_cells) & truth.is_object[..., None]
    if is_allowed is not None:
        within &= is_allowed
    if not within.shape[1]:
        shape = (len(truth.boxes), len(centres))
        return torch.full(shape, -1, dtype=torch.int64, device=truth.boxes.device)
    # The cost of an object for a cell. An object with its centre in the cell itself always comes
    # before objects with their centres in other cells.
    size = (truth.boxes[..., 2:] - truth.boxes[..., :2]).clamp(min=1)  # (B, M, 2)
    cost = (offset * stride / size[:, :, None]).pow(2).sum(-1) + (distance > 0.5) * 1e4
    best, owner = cost.masked_fill(~within, torch.inf).min(dim=1)
    return owner.masked_fill(best == torch.inf, -1)
