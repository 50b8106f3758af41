"""YOLOX: an anchor-free detector with decoupled heads on strides 8, 16 and 32.

Ge et al., "YOLOX: Exceeding YOLO Series in 2021", 2021. The cell in column i and row j of a map
with stride s predicts

    xc = s (tx + i)    yc = s (ty + j)    w = s exp tw    h = s exp th

an objectness and a score for each class. Places are cells (A, 3).
"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from vigil.learn.detector.network import cells
from vigil.learn.detector.network.coco_classes import COCO_CLASSES
from vigil.learn.detector.network.csp_darknet import (
    BaseConv,
    PathAggregation,
    Size,
    conv3x3,
    widths_of,
)
from vigil.learn.detector.network.dense import Assigned, DenseDetector, Outputs, joint_scores
from vigil.learn.detector.network.interface import output_conv, start_with_low_scores
from vigil.learn.detector.network.simota import assign_simota
from vigil.learn.detector.network.tensors import Truth
from vigil.settings.train_detector import Loss, YoloxArchitecture

SIZES: dict[YoloxArchitecture, Size] = {
    "yolox_nano": Size(0.33, 0.25, True),
    "yolox_tiny": Size(0.33, 0.375, False),
    "yolox_s": Size(0.33, 0.50, False),
}
STRIDES = (8, 16, 32)
NEAR_CELLS = 2.5
"""The largest distance of a cell outside an object's box from the object's centre."""
MAX_LOG_SIZE = 8.0  # exp of more overflows in half precision
PADDING = 114
"""The grey of the padding to multiples of 32 px, as published weights expect it."""


class YoloxDetector(DenseDetector):
    """The networks of `SIZES`, by name."""

    published_classes: ClassVar[Mapping[int, tuple[str | None, ...]]] = {80: COCO_CLASSES}

    def __init__(self, name: YoloxArchitecture, loss: Loss, *, num_classes: int) -> None:
        super().__init__(loss)
        size = SIZES[name]
        self.backbone = PathAggregation(size)
        self.head = DecoupledHead(size, num_classes)
        self._widths = widths_of(size)

    def forward(self, pictures: Tensor) -> tuple[Outputs, Tensor]:
        raw = [one.float() for one in self.head(self.look(pictures))]
        outputs = torch.cat([one.flatten(2) for one in raw], dim=2).transpose(1, 2)
        grids = [(one.shape[2], one.shape[3]) for one in raw]
        places = cells.cells_of(grids, STRIDES, outputs.device)
        return Outputs(outputs[..., :4], outputs[..., 4], outputs[..., 5:]), places

    def rows_of_classes(self, key: str, num_rows: int) -> Tensor | None:
        return torch.arange(num_rows)[:, None] if key.startswith("head.cls_preds.") else None

    def padded(self, pictures: Tensor) -> Tensor:
        height, width = pictures.shape[-2:]
        return functional.pad(pictures, (0, -width % 32, 0, -height % 32), value=PADDING)

    def colours(self, pictures: Tensor) -> Tensor:
        """As published weights expect them: BGR in [0, 255]."""
        return pictures.flip(-3).to(torch.float32, memory_format=torch.channels_last)

    def maps(self, pictures: Tensor) -> list[Tensor]:
        features: list[Tensor] = self.backbone(pictures)
        return features

    @property
    def map_widths(self) -> list[int]:
        return list(self._widths)

    def encode(self, boxes: Tensor, places: Tensor) -> Tensor:
        corner, stride = places[..., :2] - places[..., 2:] / 2, places[..., 2:]
        middle, size = (boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]
        return torch.cat([(middle - corner) / stride, (size / stride).log()], dim=-1)

    def decode(self, encoded: Tensor, places: Tensor) -> Tensor:
        corner, stride = places[..., :2] - places[..., 2:] / 2, places[..., 2:]
        middle = corner + stride * encoded[..., :2]
        half = stride / 2 * encoded[..., 2:].clamp(max=MAX_LOG_SIZE).exp()
        return torch.cat([middle - half, middle + half], dim=-1)

    def assign(self, outputs: Outputs, places: Tensor, truth: Truth) -> Assigned:
        centres = places[:, :2]
        is_near = cells.distances(places, truth) <= NEAR_CELLS
        is_inside = cells.is_inside(centres, truth.boxes)
        owner, quality = assign_simota(
            self.decode(outputs.encoded, places),
            joint_scores(outputs),
            is_near | is_inside,
            is_near & is_inside,
            truth,
        )
        return Assigned(owner, ~cells.is_covered(centres, truth) | (owner >= 0), quality)


class DecoupledHead(nn.Module):
    """On each map one branch for classes, and one for boxes and objectness."""

    def __init__(self, size: Size, num_classes: int) -> None:
        super().__init__()
        width, split = int(256 * size.width), size.is_depthwise

        def branch() -> nn.Sequential:
            return nn.Sequential(*(conv3x3(width, width, 1, split) for _ in range(2)))

        self.stems = nn.ModuleList(BaseConv(num_in, width, 1) for num_in in widths_of(size))
        self.cls_convs = nn.ModuleList(branch() for _ in STRIDES)
        self.reg_convs = nn.ModuleList(branch() for _ in STRIDES)
        self.cls_preds = nn.ModuleList(output_conv(width, num_classes) for _ in STRIDES)
        self.reg_preds = nn.ModuleList(output_conv(width, 4) for _ in STRIDES)
        self.obj_preds = nn.ModuleList(output_conv(width, 1) for _ in STRIDES)
        for head in self.obj_preds:
            start_with_low_scores(head.bias)  # type: ignore[arg-type]

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """(B, 4 + 1 + C, rows, columns) of each map."""
        outputs = []
        for number, features in enumerate(maps):
            stem = self.stems[number](features)
            classes = self.cls_preds[number](self.cls_convs[number](stem))
            boxes = self.reg_convs[number](stem)
            outputs.append(
                torch.cat(
                    [self.reg_preds[number](boxes), self.obj_preds[number](boxes), classes], 1
                )
            )
        return outputs
