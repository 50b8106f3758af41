"""The interface of all detectors."""

import math
import typing
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from vigil.learn.detector.network.tensors import Candidates, Masks, Truth

MAX_CANDIDATES = 1000
"""The largest number of boxes in a picture that a detector passes on to suppression."""


class Detector(nn.Module, ABC):
    """A network that finds boxes.

    All detectors take pictures (B, 3, H, W) uint8. No method changes its arguments.

    Attributes:
        has_masks: whether the network also finds the masks of objects. It learns from objects with
            masks then.
        computes_in_32_bits: whether the network does so whatever precision is asked for. If so, its
            weights must stay in 32 bits.
        published_classes: the names of the classes of published weights, by their number; None
            where no class is.
    """

    has_masks = False
    computes_in_32_bits = False
    published_classes: ClassVar[Mapping[int, tuple[str | None, ...]]] = {}

    @abstractmethod
    def losses(self, pictures: Tensor, truth: Truth) -> dict[str, Tensor]:
        """The weighted parts of the loss by name, scalars. Training minimises their sum."""

    def num_terms(self, num_pictures: int) -> int:
        """By what the parts of the last `losses` were divided; by 1 if it is 0.

        Here it is the number of pictures, for losses that are means over pictures.
        """
        return num_pictures

    def rows_of_classes(self, key: str, num_rows: int) -> Tensor | None:
        """(C, R): the R rows of each of C classes in a part of the weights.

        Args:
            key: the name of the part.
            num_rows: the number of its rows, for any number of classes.

        Returns:
            None for a part without rows of classes, and for a network whose rows are not known.
        """
        return None

    @abstractmethod
    def candidates(self, pictures: Tensor) -> list[Candidates]:
        """The best boxes of each picture, at most `MAX_CANDIDATES`."""

    def masked(
        self, pictures: Tensor, keep: Callable[[Candidates], Candidates]
    ) -> list[Candidates]:
        """The boxes that are kept, with their masks; only for a network that has masks.

        Args:
            keep: suppression. A network may find the masks of the kept boxes alone.
        """
        raise NotImplementedError

    def candidates_and_losses(
        self, pictures: Tensor, truth: Truth
    ) -> tuple[list[Candidates], dict[str, Tensor]]:
        """Both of the above, for validation. A network may compute its outputs only once."""
        return self.candidates(pictures), self.losses(pictures, truth)


def best_candidates(
    boxes: Tensor,
    scores: Tensor,
    size_hw: tuple[int, int],
    masks: Sequence[Masks] | None = None,
) -> list[Candidates]:
    """Keeps the (box, class) pairs with the highest scores in each picture.

    Args:
        boxes: (B, A, 4).
        scores: (B, A, C).
        size_hw: the size of the pictures; boxes are clipped to it.
        masks: the A masks of each picture, if there are any.
    """
    num_classes = scores.shape[2]
    # (B, A * C): the pair at position p has box p // C and class p % C.
    flat = scores.flatten(1)
    top_scores, order = flat.topk(min(MAX_CANDIDATES, flat.shape[1]), dim=1)
    height, width = size_hw
    limit = torch.tensor([width, height, width, height], device=boxes.device, dtype=boxes.dtype)
    candidates = []
    for number, (picture_boxes, picture_scores, picture_order) in enumerate(
        zip(boxes, top_scores, order, strict=True)
    ):
        places = picture_order // num_classes
        chosen = picture_boxes[places]
        clipped = torch.minimum(chosen.clamp(min=0), limit)
        has_area = (clipped[:, 2] > clipped[:, 0]) & (clipped[:, 3] > clipped[:, 1])
        labels = picture_order % num_classes
        own_masks = None if masks is None else masks[number].select(places[has_area])
        candidates.append(
            Candidates(clipped[has_area], picture_scores[has_area], labels[has_area], own_masks)
        )
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
