"""Torchvision's own detectors, behind the common interface.

Sources: https://docs.pytorch.org/vision/stable/models.html#object-detection
"""

from typing import Any

import torch
import torchvision
from torch import Tensor, nn

from vigil.learn.detection import Candidates, Truth
from vigil.learn.models.detector.interface import MAX_CANDIDATES, Detector
from vigil.plumbing.errors import InputError

NAMES = (
    "fasterrcnn_resnet50_fpn_v2",
    "fasterrcnn_mobilenet_v3_large_320_fpn",
    "retinanet_resnet50_fpn_v2",
    "fcos_resnet50_fpn",
    "ssd300_vgg16",
    "ssdlite320_mobilenet_v3_large",
)
FIXED_SIZE = ("ssd300_vgg16", "ssdlite320_mobilenet_v3_large")
"""These resize every picture to the size in their name; the others take pictures as they come."""

WITHOUT_BACKGROUND = ("retinanet_resnet50_fpn_v2", "fcos_resnet50_fpn")
"""These score every class by itself and need no class 0 for background."""

NUM_TRUNK_LAYERS = {
    "fasterrcnn_mobilenet_v3_large_320_fpn": 6,
    "ssdlite320_mobilenet_v3_large": 6,
}
"""How many parts of the trunk can be frozen, where it is not 5."""


class TorchvisionDetector(Detector):
    """Hides what differs: lists of pictures, a class for background, suppression inside."""

    def __init__(
        self,
        name: str,
        *,
        num_classes: int,
        pretrained: str,
        num_frozen_blocks: int,
        input_size_wh: tuple[int, int],
    ) -> None:
        """Builds a detector.

        Args:
            pretrained: `none`, `imagenet` (the trunk alone) or `coco`.
            num_frozen_blocks: of the trunk, counted from its start.

        Raises:
            InputError: weights that cannot be downloaded here.
        """
        super().__init__()
        self._first_label = 0 if name in WITHOUT_BACKGROUND else 1
        num_layers = NUM_TRUNK_LAYERS.get(name, 5)
        if num_frozen_blocks > num_layers:
            raise InputError(
                f"train_detector.num_frozen_blocks: expected at most {num_layers} for {name}, "
                f"got {num_frozen_blocks}"
            )
        options: dict[str, Any] = {}
        if pretrained != "none":
            options["trainable_backbone_layers"] = num_layers - num_frozen_blocks
        elif num_frozen_blocks:
            raise InputError(
                "train_detector.num_frozen_blocks: expected 0 for a network without pretrained "
                f"weights, got {num_frozen_blocks}"
            )
        if name not in FIXED_SIZE:
            options |= {"min_size": min(input_size_wh), "max_size": max(input_size_wh)}
        builder = torchvision.models.get_model_builder(name)
        trunk = "DEFAULT" if pretrained != "none" else None
        try:
            if pretrained == "coco":
                donor = builder(weights="DEFAULT", **options)
            network = builder(
                weights=None,
                weights_backbone=trunk,
                num_classes=num_classes + self._first_label,
                **options,
            )
        except OSError as error:
            raise InputError(
                f"train_detector.weights: expected to download the {pretrained} weights of {name}, "
                f"got: {error}"
            ) from None
        if pretrained == "coco":
            _copy_fitting(donor, network)
        self.network = network
        _keep_all_candidates(network)

    def losses(self, pictures: Tensor, truth: Truth) -> dict[str, Tensor]:
        targets = [
            {"boxes": boxes[is_object], "labels": labels[is_object] + self._first_label}
            for boxes, labels, is_object in zip(
                truth.boxes, truth.labels, truth.is_object, strict=True
            )
        ]
        losses: dict[str, Tensor] = self.network(list(pictures.float() / 255), targets)
        return losses

    def candidates(self, pictures: Tensor) -> list[Candidates]:
        found = self.network(list(pictures.float() / 255))
        return [
            Candidates(one["boxes"], one["scores"], one["labels"] - self._first_label)
            for one in found
        ]


def _keep_all_candidates(network: nn.Module) -> None:
    """Switches off suppression inside, which is done behind every detector alike."""
    place: Any = network.roi_heads if hasattr(network, "roi_heads") else network
    place.nms_thresh = 1.0
    place.score_thresh = 0.001
    place.detections_per_img = MAX_CANDIDATES


@torch.no_grad()
def _copy_fitting(donor: nn.Module, network: nn.Module) -> None:
    """Copies every weight that does not depend on the number of classes."""
    own = network.state_dict()
    given = donor.state_dict()
    network.load_state_dict(
        {name: given[name] if given[name].shape == t.shape else t for name, t in own.items()}
    )
