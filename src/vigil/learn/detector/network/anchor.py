"""A detector that predicts boxes as corrections of anchors, with three branches on each map.

Anchors and their encoding follow Ren et al., "Faster R-CNN", 2015. The single stage, the loss and
the initial objectness follow Lin et al., "Focal Loss for Dense Object Detection", 2017.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vigil.learn.detector.network.cells import cell_centres, is_covered
from vigil.learn.detector.network.dense import Assigned, DenseDetector, Outputs, joint_scores
from vigil.learn.detector.network.features import Features
from vigil.learn.detector.network.interface import output_conv, start_with_low_scores
from vigil.learn.detector.network.matching import NEGATIVE, match_anchors
from vigil.learn.detector.network.overlaps import pairwise_iou
from vigil.learn.detector.network.simota import assign_simota
from vigil.learn.detector.network.tensors import Truth
from vigil.learn.pictures.colours import normalise
from vigil.settings.train_detector import Assignment, Loss

MAX_LOG_SIZE = 8.0


CANDIDATE_IOU = 0.1
"""With `simota`, an anchor may find an object that it overlaps by at least this much."""


class AnchorDetector(DenseDetector):
    """A trunk, a neck, and branches for boxes, objectness and classes on each map.

    The sizes are divided among the maps, the smallest for the finest map. Each cell of a map has an
    anchor for each size of the map and each ratio.
    """

    def __init__(
        self,
        features: Features,
        loss: Loss,
        *,
        num_classes: int,
        strides: Sequence[int],
        sizes_px: Sequence[float],
        ratios: Sequence[float],
        head_width: int,
        positive_iou: float,
        negative_iou: float,
        assignment: Assignment,
    ) -> None:
        """Builds the branches on top of the features.

        Args:
            sizes_px: the sizes of anchors, square roots of their areas.
            ratios: the aspect ratios of anchors, height / width.
        """
        super().__init__(loss)
        self.features = features
        self._num_classes, self._strides, self._assignment = num_classes, tuple(strides), assignment
        self._per_cell = len(sizes_px) // len(strides) * len(ratios)
        if len(sizes_px) % len(strides):
            raise ValueError(
                f"the number of sizes must be a multiple of the {len(strides)} maps, but got "
                f"{len(sizes_px)}"
            )
        # (maps, anchors a cell, 2)
        shapes = anchor_shapes(sorted(sizes_px), ratios).reshape(len(strides), -1, 2)
        self.register_buffer("shapes_wh", shapes)
        self.heads = nn.ModuleList(
            _Branches(features.num_channels, head_width, self._per_cell, num_classes)
            for _ in strides
        )
        self._ious = (positive_iou, negative_iou)

    def forward(self, pictures: Tensor) -> tuple[Outputs, Tensor]:
        maps = self.look(pictures)
        shapes: Tensor = self.shapes_wh  # type: ignore[assignment]
        outputs, anchors = [], []
        for head, shapes_of_map, one, stride in zip(
            self.heads, shapes, maps, self._strides, strict=True
        ):
            outputs.append(head(one))
            anchors.append(place_anchors(shapes_of_map, (one.shape[2], one.shape[3]), stride))
        boxes, objectness, classes = (
            torch.cat(parts, dim=1) for parts in zip(*outputs, strict=True)
        )
        return Outputs(boxes, objectness.squeeze(-1), classes), torch.cat(anchors)

    def rows_of_classes(self, key: str, num_rows: int) -> Tensor | None:
        is_score = key.startswith("heads.") and ".classes.3." in key  # the last of `_branch`
        if not is_score or num_rows % self._per_cell:
            return None
        return torch.arange(num_rows).reshape(self._per_cell, -1).T

    def colours(self, pictures: Tensor) -> Tensor:
        return normalise(pictures)

    def maps(self, pictures: Tensor) -> list[Tensor]:
        features: list[Tensor] = self.features(pictures)
        return features

    @property
    def map_widths(self) -> list[int]:
        return [self.features.num_channels] * len(self._strides)

    def encode(self, boxes: Tensor, places: Tensor) -> Tensor:
        return encode(boxes, places)

    def decode(self, encoded: Tensor, places: Tensor) -> Tensor:
        return decode(encoded, places)

    def assign(self, outputs: Outputs, places: Tensor, truth: Truth) -> Assigned:
        if self._assignment == "simota":
            overlaps = pairwise_iou(truth.boxes, places)
            # An object that fits no anchor may have those that it overlaps most.
            enough = overlaps.amax(dim=2, keepdim=True).clamp(max=CANDIDATE_IOU)
            owner, quality = assign_simota(
                self.decode(outputs.encoded, places),
                joint_scores(outputs),
                (overlaps >= enough) & (overlaps > 0),
                torch.ones(1, dtype=torch.bool, device=places.device),
                truth,
            )
            counted = ~is_covered((places[:, :2] + places[:, 2:]) / 2, truth) | (owner >= 0)
            return Assigned(owner, counted, quality)
        owner = match_anchors(places, truth, *self._ious)
        return Assigned(owner, owner >= NEGATIVE, torch.ones_like(owner, dtype=torch.float32))


class _Branches(nn.Module):
    """What is said of one map: corrections of boxes, objectness and classes."""

    def __init__(self, num_in: int, width: int, per_cell: int, num_classes: int) -> None:
        super().__init__()
        self.box = _branch(num_in, width, 4 * per_cell)
        self.objectness = _branch(num_in, width, per_cell)
        self.classes = _branch(num_in, width, num_classes * per_cell)
        start_with_low_scores(self.objectness[-1].bias)  # type: ignore[arg-type]
        self._per_cell = per_cell

    def forward(self, features: Tensor) -> list[Tensor]:
        """(B, rows * columns * anchors a cell, numbers) of each branch."""
        flat_maps = []
        for branch in (self.box, self.objectness, self.classes):
            maps = branch(features).float()  # (B, anchors a cell * numbers, rows, columns)
            split = maps.unflatten(1, (self._per_cell, -1)).permute(0, 3, 4, 1, 2)
            flat_maps.append(split.reshape(len(maps), -1, split.shape[-1]))
        return flat_maps


def anchor_shapes(sizes_px: Sequence[float], ratios: Sequence[float]) -> Tensor:
    """(sizes * ratios, 2): widths and heights in px; the area of each anchor is size * size."""
    sizes = torch.tensor(sizes_px, dtype=torch.float32)[:, None]
    roots = torch.tensor(ratios, dtype=torch.float32).sqrt()[None]
    return torch.stack([sizes / roots, sizes * roots], dim=-1).reshape(-1, 2)


def place_anchors(shapes_wh: Tensor, grid: tuple[int, int], stride: int) -> Tensor:
    """(rows * columns * shapes, 4): all shapes at each cell's centre, row by row, in px."""
    centres = cell_centres(grid, stride, shapes_wh.device)[:, None]
    return torch.cat([centres - shapes_wh / 2, centres + shapes_wh / 2], dim=-1).reshape(-1, 4)


def encode(boxes: Tensor, anchors: Tensor) -> Tensor:
    """(N, 4): offsets of centres in units of the anchor's size, then logarithms of size ratios."""
    size, anchor_size = boxes[:, 2:] - boxes[:, :2], anchors[:, 2:] - anchors[:, :2]
    offset = (boxes[:, :2] + boxes[:, 2:] - anchors[:, :2] - anchors[:, 2:]) / 2
    return torch.cat([offset / anchor_size, (size / anchor_size).log()], dim=1)


def decode(encoded: Tensor, anchors: Tensor) -> Tensor:
    """(..., 4): the inverse of `encode`, boxes in px."""
    anchor_size = anchors[..., 2:] - anchors[..., :2]
    middle = (anchors[..., :2] + anchors[..., 2:]) / 2 + encoded[..., :2] * anchor_size
    half = encoded[..., 2:].clamp(max=MAX_LOG_SIZE).exp() * anchor_size / 2
    return torch.cat([middle - half, middle + half], dim=-1)


def _branch(num_in: int, width: int, num_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(num_in, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.SiLU(inplace=True),
        output_conv(width, num_out),
    )
