"""A detector that predicts boxes as corrections of anchors, with three branches.

Anchors and their encoding follow Ren et al., "Faster R-CNN", 2015. The single stage, the loss and
the initial objectness follow Lin et al., "Focal Loss for Dense Object Detection", 2017.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vigil.learn.detector.network.dense import DenseDetector, Outputs
from vigil.learn.detector.network.interface import output_conv, start_with_low_scores
from vigil.learn.detector.network.matching import NEGATIVE, match_anchors
from vigil.learn.detector.network.tensors import Truth
from vigil.learn.detector.network.trunk import Features
from vigil.settings.train_detector import Loss

MAX_LOG_SIZE = 8.0


class AnchorDetector(DenseDetector):
    """A trunk, a neck, and branches for boxes, objectness and classes.

    Each cell has `len(sizes_px) * len(ratios)` anchors.
    """

    def __init__(
        self,
        features: Features,
        loss: Loss,
        *,
        num_classes: int,
        stride: int,
        sizes_px: Sequence[float],
        ratios: Sequence[float],
        head_width: int,
        positive_iou: float,
        negative_iou: float,
    ) -> None:
        """Builds the branches on top of the features.

        Args:
            sizes_px: the sizes of anchors, square roots of their areas.
            ratios: the aspect ratios of anchors, height / width.
        """
        super().__init__(loss)
        self.features = features
        self._num_classes, self._stride = num_classes, stride
        self.register_buffer("shapes_wh", anchor_shapes(sizes_px, ratios))
        per_cell = len(sizes_px) * len(ratios)
        self.box_branch = _branch(features.num_channels, head_width, 4 * per_cell)
        self.objectness_branch = _branch(features.num_channels, head_width, per_cell)
        self.class_branch = _branch(features.num_channels, head_width, num_classes * per_cell)
        start_with_low_scores(self.objectness_branch[-1].bias)  # type: ignore[arg-type]
        self._ious = (positive_iou, negative_iou)

    def forward(self, pictures: Tensor) -> tuple[Outputs, Tensor]:
        features = self.features(pictures)
        rows, columns = features.shape[-2:]
        shapes: Tensor = self.shapes_wh  # type: ignore[assignment]

        def flat(branch: nn.Module, num: int) -> Tensor:
            """(B, A, num): the output of a branch, in the order of `place_anchors`."""
            maps = branch(features).float()  # (B, anchors a cell * num, rows, columns)
            split = maps.unflatten(1, (len(shapes), num)).permute(0, 3, 4, 1, 2)
            numbers: Tensor = split.reshape(len(maps), -1, num)
            return numbers

        outputs = Outputs(
            flat(self.box_branch, 4),
            flat(self.objectness_branch, 1).squeeze(-1),
            flat(self.class_branch, self._num_classes),
        )
        return outputs, place_anchors(shapes, (rows, columns), self._stride)

    def encode(self, boxes: Tensor, places: Tensor) -> Tensor:
        return encode(boxes, places)

    def decode(self, encoded: Tensor, places: Tensor) -> Tensor:
        return decode(encoded, places)

    def assign(self, places: Tensor, truth: Truth) -> tuple[Tensor, Tensor]:
        owner = match_anchors(places, truth, *self._ious)
        return owner, owner >= NEGATIVE


def anchor_shapes(sizes_px: Sequence[float], ratios: Sequence[float]) -> Tensor:
    """(sizes * ratios, 2): widths and heights in px; the area of each anchor is size * size."""
    sizes = torch.tensor(sizes_px, dtype=torch.float32)[:, None]
    roots = torch.tensor(ratios, dtype=torch.float32).sqrt()[None]
    return torch.stack([sizes / roots, sizes * roots], dim=-1).reshape(-1, 2)


def place_anchors(shapes_wh: Tensor, grid: tuple[int, int], stride: int) -> Tensor:
    """(rows * columns * shapes, 4): all shapes at each cell's centre, row by row, in px."""
    rows, columns = grid
    y = (torch.arange(rows, device=shapes_wh.device) + 0.5) * stride
    x = (torch.arange(columns, device=shapes_wh.device) + 0.5) * stride
    centres = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).reshape(-1, 1, 2)
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
