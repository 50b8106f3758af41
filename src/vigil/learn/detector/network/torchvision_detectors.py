"""Torchvision's detectors with the interface of all detectors.

Sources: https://docs.pytorch.org/vision/stable/models.html#object-detection
"""

from collections.abc import Collection
from functools import partial
from typing import Any, cast

import torch
import torchvision
from torch import Tensor, nn
from torchvision.models import VGG16_Weights

from vigil.learn.detector.network.interface import MAX_CANDIDATES, Detector
from vigil.learn.detector.network.tensors import Candidates, Truth
from vigil.learn.detector.network.torchvision_counts import (
    CountingHead,
    count_matched,
    outputs_kept,
)
from vigil.plumbing.errors import FieldError, listed

FIXED_SIZE = ("ssd300_vgg16", "ssdlite320_mobilenet_v3_large")
"""Detectors that resize every picture to the size in their name. The others keep its size."""

WITHOUT_BACKGROUND = ("retinanet_resnet50_fpn_v2", "fcos_resnet50_fpn")
"""Detectors that score each class independently and need no class 0 for background."""

NUM_TRUNK_LAYERS = {
    "fasterrcnn_mobilenet_v3_large_320_fpn": 6,
    "ssdlite320_mobilenet_v3_large": 6,
}
"""The number of parts of the trunk that can be frozen, if it is not 5."""

TRUNK_WEIGHTS = {"ssd300_vgg16": VGG16_Weights.IMAGENET1K_FEATURES}
"""Weights of ImageNet for trunks whose default weights expect another range of colours."""


class TorchvisionDetector(Detector):
    """Adapts a torchvision detector: its lists of pictures, background class and suppression.

    If weights are given, torchvision builds different networks, with norms that cannot learn or
    with a wider end of the trunk. Here a name always means the same network, so that a trained
    model can be loaded whatever weights its training started from. Pretrained weights are copied
    into that network.
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
            pretrained: `none`, `imagenet` (only the trunk) or `coco`.
            num_frozen_blocks: the number of blocks at the start of the trunk that do not learn.

        Raises:
            FieldError: the trunk has fewer blocks, or the weights cannot be downloaded.
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
        build = partial(builder, weights=None, weights_backbone=None, **options)
        num_labels = num_classes + self._first_label
        self.network: nn.Module = build(num_classes=num_labels)
        if name == "fcos_resnet50_fpn":
            network: Any = self.network
            network.head = CountingHead(network.head)
        self._is_ssd = name in FIXED_SIZE
        self._ssd_matches: Any = None
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
            with torch.device("meta"):
                shapes = [
                    {key: one.shape for key, one in build(num_classes=num).state_dict().items()}
                    for num in (num_labels, num_labels + 1)
                ]
            of_classes = {key for key, shape in shapes[0].items() if shapes[1][key] != shape}
            _copy(donor, self.network, "" if pretrained == "coco" else "backbone.", of_classes)
            if num_frozen_blocks:
                self._frozen_norms = _freeze_as(donor, self.network)
        keep_all_candidates(self.network)

    def train(self, mode: bool = True) -> "TorchvisionDetector":
        """Sets the mode. Norms in frozen parts stay in evaluation mode, so they do not learn."""
        super().train(mode)
        for norm in self._frozen_norms:
            norm.eval()
        return self

    def losses(self, pictures: Tensor, truth: Truth) -> dict[str, Tensor]:
        targets = targets_of(truth, self._first_label)
        floats, network = list(pictures.float() / 255), cast(Any, self.network)
        losses: dict[str, Tensor]
        if not self._is_ssd:
            losses = network(floats, targets)
            return losses
        with outputs_kept(network.transform, network.anchor_generator) as kept:
            losses = network(floats, targets)
        (_, resized), anchors = kept
        self._ssd_matches = resized, anchors
        return losses

    def num_terms(self, num_pictures: int) -> int:
        """The number of matched places, for SSD and FCOS.

        RetinaNet's losses are means over pictures. Those of the detectors of two stages are means
        over the places and regions that were drawn at random in a batch. They count by pictures,
        which is exact only if equally many are drawn in each picture.
        """
        if self._is_ssd:
            return count_matched(self.network, *self._ssd_matches)
        head: Any = getattr(self.network, "head", None)
        return head.num_matched if isinstance(head, CountingHead) else num_pictures

    def candidates(self, pictures: Tensor) -> list[Candidates]:
        outputs = self.network(list(pictures.float() / 255))
        return [
            Candidates(one["boxes"], one["scores"], one["labels"] - self._first_label)
            for one in outputs
        ]


def targets_of(truth: Truth, first_label: int) -> list[dict[str, Tensor]]:
    """The boxes and labels of each picture, as torchvision's networks take them."""
    return [
        {"boxes": boxes[is_object], "labels": labels[is_object] + first_label}
        for boxes, labels, is_object in zip(truth.boxes, truth.labels, truth.is_object, strict=True)
    ]


def keep_all_candidates(network: nn.Module) -> None:
    """Switches off torchvision's suppression: vigil suppresses the boxes of all detectors alike."""
    head: Any = network.roi_heads if hasattr(network, "roi_heads") else network
    head.nms_thresh = 1.0
    head.score_thresh = 0.001
    head.detections_per_img = MAX_CANDIDATES


@torch.no_grad()
def _copy(donor: nn.Module, network: nn.Module, part: str, of_classes: Collection[str]) -> None:
    """Copies every weight of the same name and shape, and prints the names of the others.

    The others have rows of classes, or belong to the end of a trunk that is narrower here. Rows of
    classes are not copied even if there are as many here: they are of other classes.

    Args:
        part: the beginning of the names of the weights to copy.
        of_classes: the names of weights with rows of classes.
    """
    state, donor_state = network.state_dict(), donor.state_dict()
    wanted = [n for n in state if n.startswith(part) and not n.endswith("num_batches_tracked")]
    fitting = [
        name
        for name in wanted
        if name in donor_state
        and name not in of_classes
        and donor_state[name].shape == state[name].shape
    ]
    network.load_state_dict({**state, **{name: donor_state[name] for name in fitting}})
    if left_out := sorted(set(wanted) - set(fitting)):
        print(
            f"pretrained weights: {len(fitting)} of {len(wanted)} tensors fit; the others start "
            f"at random: {listed(left_out)}"
        )


def _freeze_as(donor: nn.Module, network: nn.Module) -> list[nn.Module]:
    """Freezes the parts of the trunk that are frozen in `donor`, and returns their norms.

    A norm is frozen with the convolution before it, since it may have no parameters in the donor.
    """
    learning = {name for name, weight in donor.named_parameters() if weight.requires_grad}
    norms: list[nn.Module] = []
    is_frozen = False
    for name, module in network.named_modules():
        parameter_names = [f"{name}.{key}" for key, _ in module.named_parameters(recurse=False)]
        if not parameter_names or not name.startswith("backbone."):
            continue
        is_norm = isinstance(module, nn.BatchNorm2d)
        if not is_norm:
            is_frozen = learning.isdisjoint(parameter_names)
        if is_frozen:
            module.requires_grad_(False)
            if is_norm:
                norms.append(module)
    return norms
