"""Torchvision's own detectors, behind the common interface.

Sources: https://docs.pytorch.org/vision/stable/models.html#object-detection
"""

from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torchvision.models import VGG16_Weights

from vigil.learn.detector.network.interface import MAX_CANDIDATES, Detector
from vigil.learn.detector.network.tensors import Candidates, Truth
from vigil.plumbing.errors import FieldError, listed

FIXED_SIZE = ("ssd300_vgg16", "ssdlite320_mobilenet_v3_large")
"""These resize every picture to the size in their name; the others take pictures as they come."""

WITHOUT_BACKGROUND = ("retinanet_resnet50_fpn_v2", "fcos_resnet50_fpn")
"""These score every class by itself and need no class 0 for background."""

NUM_TRUNK_LAYERS = {
    "fasterrcnn_mobilenet_v3_large_320_fpn": 6,
    "ssdlite320_mobilenet_v3_large": 6,
}
"""How many parts of the trunk can be frozen, where it is not 5."""

TRUNK_WEIGHTS = {"ssd300_vgg16": VGG16_Weights.IMAGENET1K_FEATURES}
"""ImageNet's, where the default ones are for colours of another scale."""


class TorchvisionDetector(Detector):
    """Hides what differs: lists of pictures, a class for background, suppression inside.

    Torchvision builds other networks where weights are given: norms that cannot learn, or a wider
    end of the trunk. Here a name is one network, so that what was trained from any weights can be
    loaded again; pretrained weights are copied into it.
    """

    def __init__(
        self,
        name: str,
        *,
        num_classes: int,
        input_size_wh: tuple[int, int],
        pretrained: str = "none",
        num_frozen_blocks: int = 0,
    ) -> None:
        """Builds a detector.

        Args:
            pretrained: `none`, `imagenet` (the trunk alone) or `coco`.
            num_frozen_blocks: of the trunk, counted from its start.

        Raises:
            FieldError: weights that cannot be downloaded here.
        """
        super().__init__()
        self._first_label = 0 if name in WITHOUT_BACKGROUND else 1
        num_layers = NUM_TRUNK_LAYERS.get(name, 5)
        if num_frozen_blocks > num_layers:
            raise FieldError(
                "num_frozen_blocks",
                f"expected at most {num_layers} for {name}, got {num_frozen_blocks}",
            )
        options: dict[str, Any] = {}
        if name not in FIXED_SIZE:
            options = {"min_size": min(input_size_wh), "max_size": max(input_size_wh)}
        builder = torchvision.models.get_model_builder(name)
        self.network: nn.Module = builder(
            weights=None,
            weights_backbone=None,
            num_classes=num_classes + self._first_label,
            **options,
        )
        self._frozen_norms: list[nn.Module] = []
        if pretrained != "none":
            trunk = TRUNK_WEIGHTS.get(name, "DEFAULT") if pretrained == "imagenet" else None
            try:
                donor = builder(
                    weights="DEFAULT" if pretrained == "coco" else None,
                    weights_backbone=trunk,
                    trainable_backbone_layers=num_layers - num_frozen_blocks,
                    **options,
                )
            except OSError as error:
                raise FieldError(
                    "weights",
                    f"expected to download the {pretrained} weights of {name}, got: {error}",
                ) from None
            _copy(donor, self.network, "" if pretrained == "coco" else "backbone.")
            if num_frozen_blocks:
                self._frozen_norms = _freeze_as(donor, self.network)
        _keep_all_candidates(self.network)

    def train(self, mode: bool = True) -> "TorchvisionDetector":
        """Frozen parts keep their running statistics too."""
        super().train(mode)
        for norm in self._frozen_norms:
            norm.eval()
        return self

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
def _copy(donor: nn.Module, network: nn.Module, part: str) -> None:
    """Copies every weight of the same name and shape, and tells what had to be left out.

    That is what depends on the number of classes, and the end of a trunk that is narrower here.

    Args:
        part: how the names start of the weights to copy.
    """
    own, given = network.state_dict(), donor.state_dict()
    wanted = [n for n in own if n.startswith(part) and not n.endswith("num_batches_tracked")]
    fitting = [n for n in wanted if n in given and given[n].shape == own[n].shape]
    network.load_state_dict({**own, **{name: given[name] for name in fitting}})
    if left := sorted(set(wanted) - set(fitting)):
        print(
            f"pretrained weights: {len(fitting)} of {len(wanted)} tensors fit; the others start "
            f"at random: {listed(left)}"
        )


def _freeze_as(donor: nn.Module, network: nn.Module) -> list[nn.Module]:
    """Freezes what is frozen of the trunk in `donor`; returns the norms among it.

    A norm goes with the convolution in front of it: in the donor it may have no parameters.
    """
    learning = {name for name, weight in donor.named_parameters() if weight.requires_grad}
    norms: list[nn.Module] = []
    is_frozen = False
    for name, module in network.named_modules():
        own = [f"{name}.{key}" for key, _ in module.named_parameters(recurse=False)]
        if not own or not name.startswith("backbone."):
            continue
        is_norm = isinstance(module, nn.BatchNorm2d)
        if not is_norm:
            is_frozen = learning.isdisjoint(own)
        if is_frozen:
            module.requires_grad_(False)
            if is_norm:
                norms.append(module)
    return norms
