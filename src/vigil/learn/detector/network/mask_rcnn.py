"""Mask R-CNN: a second stage finds the mask of each box that the first two heads leave.

He et al., "Mask R-CNN", 2017. Networks and losses are torchvision's.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.roi_heads import maskrcnn_inference
from torchvision.ops import MultiScaleRoIAlign

from vigil.learn.detector.network.features import Features
from vigil.learn.detector.network.interface import Detector
from vigil.learn.detector.network.tensors import Candidates, Masks, Truth
from vigil.learn.detector.network.torchvision_detectors import (
    TorchvisionDetector,
    keep_all_candidates,
    targets_of,
)

FIRST_LABEL = 1
"""Of torchvision's labels, where 0 is background."""
BOX_CELLS, MASK_CELLS = 7, 14
"""Along each side of the features of a box, for its class and its mask."""
HIDDEN_PER_CHANNEL = 4
"""The width of the two layers that find a box's class, as a multiple of `head_width`."""
NUM_MASK_LAYERS = 4
REGIONS = 64
"""Of a picture, that the second stage learns from in a step; 512 in torchvision. A quarter of them
are objects."""


class MaskRcnn(Detector):
    """Adapts torchvision's Mask R-CNN.

    Attributes:
        network: has the parts of torchvision's `MaskRCNN`.
    """

    has_masks = True
    network: nn.Module

    def losses(self, pictures: Tensor, truth: Truth) -> dict[str, Tensor]:
        targets = [
            {**target, "masks": masks.byte()}
            for target, masks in zip(
                targets_of(truth, FIRST_LABEL), truth.masks_of_objects(), strict=True
            )
        ]
        losses: dict[str, Tensor] = self.network(list(pictures.float() / 255), targets)
        return losses

    def candidates(self, pictures: Tensor) -> list[Candidates]:
        return self._find_boxes(pictures)[0]

    def masked(
        self, pictures: Tensor, keep: Callable[[Candidates], Candidates]
    ) -> list[Candidates]:
        found, maps, sizes_hw = self._find_boxes(pictures)
        kept = [keep(one) for one in found]
        heads: Any = self.network.roi_heads
        features = heads.mask_roi_pool(maps, [one.boxes for one in kept], sizes_hw)
        logits = heads.mask_predictor(heads.mask_head(features))
        labels = [one.labels + FIRST_LABEL for one in kept]
        grids = maskrcnn_inference(logits, labels)  # each (K, 1, 28, 28)
        return [
            Candidates(one.boxes, one.scores, one.labels, _within_boxes(own[:, 0], one.boxes))
            for one, own in zip(kept, grids, strict=True)
        ]

    def _find_boxes(
        self, pictures: Tensor
    ) -> tuple[list[Candidates], Mapping[str, Tensor], list[tuple[int, int]]]:
        """The boxes of the second stage, the maps, and the sizes of the pictures on these."""
        network: Any = self.network
        images, _ = network.transform(list(pictures.float() / 255))
        maps = network.backbone(images.tensors)
        regions, _ = network.rpn(images, maps)
        heads = network.roi_heads
        features = heads.box_head(heads.box_roi_pool(maps, regions, images.image_sizes))
        logits, changes = heads.box_predictor(features)
        found = heads.postprocess_detections(logits, changes, regions, images.image_sizes)
        candidates = [
            Candidates(boxes, scores, labels - FIRST_LABEL)
            for boxes, scores, labels in zip(*found, strict=True)
        ]
        return candidates, maps, images.image_sizes


class TorchvisionMaskRcnn(MaskRcnn, TorchvisionDetector):
    """`maskrcnn_resnet50_fpn_v2`; `TorchvisionDetector` has its arguments."""


class LightMaskRcnn(MaskRcnn):
    """Mask R-CNN on maps of any trunk, with narrow heads: what a CPU can train."""

    def __init__(
        self,
        features: Features,
        *,
        num_classes: int,
        input_size_wh: tuple[int, int],
        strides: Sequence[int],
        sizes_px: Sequence[float],
        ratios: Sequence[float],
        head_width: int,
        positive_iou: float,
        negative_iou: float,
    ) -> None:
        """Builds the heads on top of the features.

        Args:
            sizes_px: the sizes of anchors, square roots of their areas; equally many for each map.
            ratios: the aspect ratios of anchors, height / width.
            head_width: channels of the head of masks.
            positive_iou, negative_iou: of an anchor with an object, for the first stage.

        Raises:
            ValueError: the sizes cannot be divided among the maps.
        """
        super().__init__()
        num_maps = len(strides)
        if not sizes_px or len(sizes_px) % num_maps:
            raise ValueError(
                f"the number of sizes must be a multiple of the {num_maps} maps, but got "
                f"{len(sizes_px)}"
            )
        sizes, per_map = sorted(sizes_px), len(sizes_px) // num_maps
        by_map = tuple(
            tuple(sizes[start : start + per_map]) for start in range(0, len(sizes), per_map)
        )
        num_channels, hidden = features.num_channels, HIDDEN_PER_CHANNEL * head_width
        num_labels = num_classes + FIRST_LABEL
        names = [str(number) for number in range(num_maps)]
        self.network = MaskRCNN(
            _NamedMaps(features),
            min_size=min(input_size_wh),
            max_size=max(input_size_wh),
            rpn_anchor_generator=AnchorGenerator(by_map, (tuple(ratios),) * num_maps),
            rpn_fg_iou_thresh=positive_iou,
            rpn_bg_iou_thresh=negative_iou,
            box_roi_pool=MultiScaleRoIAlign(names, BOX_CELLS, sampling_ratio=2),
            box_head=TwoMLPHead(num_channels * BOX_CELLS**2, hidden),
            box_predictor=FastRCNNPredictor(hidden, num_labels),
            box_batch_size_per_image=REGIONS,
            mask_roi_pool=MultiScaleRoIAlign(names, MASK_CELLS, sampling_ratio=2),
            mask_head=MaskRCNNHeads(num_channels, (head_width,) * NUM_MASK_LAYERS, dilation=1),
            mask_predictor=MaskRCNNPredictor(head_width, head_width, num_labels),
        )
        keep_all_candidates(self.network)

    @property
    def features(self) -> Features:
        """The trunk and the neck."""
        return cast(Features, cast(Any, self.network).backbone.features)


class _NamedMaps(nn.Module):
    """Maps by name, as torchvision's networks take them."""

    def __init__(self, features: Features) -> None:
        super().__init__()
        self.features = features
        self.out_channels = features.num_channels

    def forward(self, pictures: Tensor) -> "OrderedDict[str, Tensor]":
        maps = self.features(pictures)
        return OrderedDict((str(number), one) for number, one in enumerate(maps))


def _within_boxes(grids: Tensor, boxes: Tensor) -> Masks:
    return Masks(grids, boxes, torch.arange(len(boxes), device=boxes.device))
