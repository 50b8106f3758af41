"""The interface of all detectors."""

import math
import typing
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from vigil.learn.detector.network.tensors import Candidates, Truth

MAX_CANDIDATES = 1000
"""The largest number of boxes in a picture that a detector passes on to suppression."""


class Detector(nn.Module, ABC):
    """A network that finds boxes.

    All detectors take pictures (B, 3, H, W) uint8. No method changes its arguments.
    """

    @abstractmethod
    def losses(self, pictures: Tensor, truth: Truth) -> dict[str, Tensor]:
        """The weighted parts of the loss by name, scalars. Training minimises their sum."""

    @abstractmethod
    def candidates(self, pictures: Tensor) -> list[Candidates]:
        """The best boxes of each picture, at most `MAX_CANDIDATES`."""

    def candidates_and_losses(
        self, pictures: Tensor, truth: Truth
    ) -> tuple[list[Candidates], dict[str, Tensor]]:
        """Both of the above, for validation. A network may compute its outputs only once."""
        return self.candidates(pictures), self.losses(pictures, truth)


def best_candidates(boxes: Tensor, scores: Tensor, size_hw: tuple[int, int]) -> list[Candidates]:
    """Keeps the (box, class) pairs with the highest scores in each picture.

    Args:
        boxes: (B, A, 4).
        scores: (B, A, C).
        size_hw: the size of the pictures; boxes are clipped to it.
    """
    num_classes = scores.shape[2]
    # (B, A * C): the pair at position p has box p // C and class p % C.
    flat = scores.flatten(1)
    top_scores, order = flat.topk(min(MAX_CANDIDATES, flat.shape[1]), dim=1)
    height, width = size_hw
    limit = torch.tensor([width, height, width, height], device=boxes.device, dtype=boxes.dtype)
    candidates = []
    for picture_boxes, picture_scores, picture_order in zip(boxes, top_scores, order, strict=True):
        chosen = picture_boxes[picture_order // num_classes]
        clipped = torch.minimum(chosen.clamp(min=0), limit)
        has_area = (clipped[:, 2] > clipped[:, 0]) & (clipped[:, 3] > clipped[:, 1])
        labels = picture_order % num_classes
        candidates.append(Candidates(clipped[has_area], picture_scores[has_area], labels[has_area]))
    return candidates


def start_with_low_scores(bias: Tensor) -> None:
    """Sets a bias so that its logits start at a probability of 0.01 (Lin et al., 2017).

    Without this, the many background places dominate the loss in the first steps.
    """
    nn.init.constant_(bias, math.log(0.01 / 0.99))


def output_conv(num_in: int, num_out: int) -> nn.Conv2d:
    """A 1x1 convolution that starts close to zero."""
    conv = nn.Conv2d(num_in, num_out, 1)
    nn.init.normal_(conv.weight, std=0.01)
    nn.init.constant_(typing.cast(Tensor, conv.bias), 0.0)
    return conv
