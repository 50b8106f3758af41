"""One box a cell: a 1x1 convolution on each map, after Redmon et al., "You Only Look Once", 2016.

The cell in column i and row j of a map with stride s says

    xc = s (tanh tx + i + 0.5)    yc = s (tanh ty + j + 0.5)    w = s exp tw    h = s exp th

an objectness and a score for each class. So a cell reaches one cell further than its own middle,
and `reach_cells` of it is used: a cell is responsible for an object whose centre lies within that
distance along x and along y. 0.5 is a cell's own area; more gives an object several cells.

On several maps, an object belongs to the map that suits its size (`cells`), or to the cells of any
map, within reach, that already describe it best (`simota`).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vigil.learn.detector.network import cells
from vigil.learn.detector.network.dense import Assigned, DenseDetector, Outputs, joint_scores
from vigil.learn.detector.network.features import Features
from vigil.learn.detector.network.interface import normalise, output_conv, start_rare
from vigil.learn.detector.network.simota import assign_simota
from vigil.learn.detector.network.tensors import Truth
from vigil.settings.train_detector import Assignment, Loss

MAX_LOG_SIZE = 8.0  # exp of more overflows in half precision
REACH_MARGIN = 0.95  # of a cell: tanh needs endless logits for a whole one


class GridDetector(DenseDetector):
    """A trunk, and a 1x1 convolution with 4 + 1 + C channels a map. Places are cells (A, 3)."""

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
        """Args: reach_cells: from 0.5, a cell's own area, to REACH_MARGIN."""
        super().__init__(loss)
        if not 0.5 <= reach_cells <= REACH_MARGIN:
            raise ValueError(f"reach_cells must be in [0.5, {REACH_MARGIN}], but got {reach_cells}")
        self.features = features
        self.heads = nn.ModuleList(
            output_conv(features.num_channels, 4 + 1 + num_classes) for _ in strides
        )
        for head in self.heads:
            start_rare(head.bias[4:5])  # type: ignore[index]
        self._strides, self._reach, self._assignment = tuple(strides), reach_cells, assignment

    def forward(self, pictures: Tensor) -> tuple[Outputs, Tensor]:
        maps = self.look(pictures)
        raw = [head(one).float() for head, one in zip(self.heads, maps, strict=True)]
        said = torch.cat([one.flatten(2) for one in raw], dim=2).transpose(1, 2)  # (B, A, 4+1+C)
        grids = [(one.shape[2], one.shape[3]) for one in raw]
        places = cells.cells_of(grids, self._strides, said.device)
        return Outputs(said[..., :4], said[..., 4], said[..., 5:]), places

    def colours(self, pictures: Tensor) -> Tensor:
        return normalise(pictures)

    def maps(self, pictures: Tensor) -> list[Tensor]:
        found: list[Tensor] = self.features(pictures)
        return found

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
    """(..., 4) numbers tx, ty, tw, th of cells at `centres` (..., 2) to boxes (..., 4) in px."""
    middle = centres + stride * encoded[..., :2].tanh()
    half = stride / 2 * encoded[..., 2:].clamp(max=MAX_LOG_SIZE).exp()
    return torch.cat([middle - half, middle + half], dim=-1)


def encode(boxes: Tensor, centres: Tensor, stride: int | Tensor) -> Tensor:
    """What `decode` turns into `boxes` (..., 4), whose centres are less than a cell away."""
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
    """Which object each cell is responsible for.

    Of several objects within reach, a cell takes the one it is nearest to relative to the object's
    size; but an object always keeps the cell its centre is in, as long as no other centre is there.

    Args:
        centres: (A, 2) of the cells.
        stride: of all, or (A, 1).
        is_allowed: (B, M, A) which cells an object may have; None: any.

    Returns:
        (B, A) position of the object, -1 for none.
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
    # A centre in the cell itself comes before all that are in the next one.
    size = (truth.boxes[..., 2:] - truth.boxes[..., :2]).clamp(min=1)  # (B, M, 2)
    cost = (offset * stride / size[:, :, None]).pow(2).sum(-1) + (distance > 0.5) * 1e4
    best, owner = cost.masked_fill(~within, torch.inf).min(dim=1)
    return owner.masked_fill(best == torch.inf, -1)
