"""What every detector can do."""

import math
import typing
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from vigil.learn.detector.network.tensors import Candidates, Truth

MAX_CANDIDATES = 1000
"""Most boxes a picture that a detector hands to suppression."""

# ImageNet's, which pretrained trunks expect.
MEAN_RGB = (0.485, 0.456, 0.406)
STD_RGB = (0.229, 0.224, 0.225)


class Detector(nn.Module, ABC):
    """A network that finds boxes.

    Pictures are (B, 3, H, W) uint8, whatever a network makes of them. Neither of the two ways to
    call it changes what it is given.
    """

    @abstractmethod
    def losses(self, pictures: Tensor, truth: Truth) -> dict[str, Tensor]:
        """Named scalars, weighted, whose sum is to be made small."""

    @abstractmethod
    def candidates(self, pictures: Tensor) -> list[Candidates]:
        """At most `MAX_CANDIDATES` for each picture."""


def normalise(pictures: Tensor) -> Tensor:
    """(B, 3, H, W) uint8 to float with ImageNet's mean and deviation, channels last."""
    mean = 255 * torch.tensor(MEAN_RGB, device=pictures.device).view(1, 3, 1, 1)
    std = 255 * torch.tensor(STD_RGB, device=pictures.device).view(1, 3, 1, 1)
    floats = pictures.to(torch.float32, memory_format=torch.channels_last)
    return floats.sub_(mean).div_(std)


def best_candidates(boxes: Tensor, scores: Tensor, size_hw: tuple[int, int]) -> list[Candidates]:
    """Keeps the best (box, class) pairs of each picture.

    Args:
        boxes: (B, A, 4).
        scores: (B, A, C).
        size_hw: of the pictures, to which boxes are cut.
    """
    num_classes = scores.shape[2]
    flat = scores.flatten(1)
    kept, order = flat.topk(min(MAX_CANDIDATES, flat.shape[1]), dim=1)
    height, width = size_hw
    limit = torch.tensor([width, height, width, height], device=boxes.device, dtype=boxes.dtype)
    found = []
    for own_boxes, own_scores, own_order in zip(boxes, kept, order, strict=True):
        chosen = own_boxes[own_order // num_classes]
        cut = torch.minimum(chosen.clamp(min=0), limit)
        has_area = (cut[:, 2] > cut[:, 0]) & (cut[:, 3] > cut[:, 1])
        labels = own_order % num_classes
        found.append(Candidates(cut[has_area], own_scores[has_area], labels[has_area]))
    return found


def start_rare(bias: Tensor) -> None:
    """Sets a bias so that its logits start at a probability of 0.01 (Lin et al., 2017).

    Else the mass of background drowns the first steps.
    """
    nn.init.constant_(bias, math.log(0.01 / 0.99))


def output_conv(num_in: int, num_out: int) -> nn.Conv2d:
    """A 1x1 convolution that starts close to zero."""
    conv = nn.Conv2d(num_in, num_out, 1)
    nn.init.normal_(conv.weight, std=0.01)
    nn.init.constant_(typing.cast(Tensor, conv.bias), 0.0)
    return conv
