"""What detectors take and give, as tensors.

Pictures are (B, 3, H, W) uint8 RGB, all of one size. Boxes are x1, y1, x2, y2 in px of that size.
Classes are counted from 0, without a background.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


class Objects(NamedTuple):
    """What is in one picture.

    Attributes:
        boxes: (N, 4).
        labels: (N,) int64.
        is_ignored: (N,): crowds and difficult objects; what is found there counts neither way.
    """

    boxes: Tensor
    labels: Tensor
    is_ignored: Tensor


Example = tuple[Tensor, Objects]
"""A picture (3, H, W) uint8 and what is in it."""


class Truth(NamedTuple):
    """What is in a batch of pictures, padded to the most objects of one of them.

    Attributes:
        boxes: (B, M, 4).
        labels: (B, M) int64.
        is_object: (B, M): real objects, neither padding nor to be ignored.
        is_ignored: (B, M): crowds and difficult objects.
    """

    boxes: Tensor
    labels: Tensor
    is_object: Tensor
    is_ignored: Tensor

    def to(self, device: torch.device) -> "Truth":
        """A copy on a device."""
        return Truth(*(part.to(device, non_blocking=True) for part in self))


@dataclass(frozen=True)
class Candidates:
    """What a detector sees in one picture, best first.

    Attributes:
        boxes: (K, 4) within the picture.
        scores: (K,) in [0, 1].
        labels: (K,) int64.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor


def pad_objects(pictures: Sequence[Objects]) -> Truth:
    """Puts the objects of several pictures into one batch."""
    most = max(len(one.boxes) for one in pictures)
    truth = Truth(
        torch.zeros(len(pictures), most, 4),
        torch.zeros(len(pictures), most, dtype=torch.int64),
        torch.zeros(len(pictures), most, dtype=torch.bool),
        torch.zeros(len(pictures), most, dtype=torch.bool),
    )
    for number, one in enumerate(pictures):
        own = slice(len(one.boxes))
        truth.boxes[number, own] = one.boxes
        truth.labels[number, own] = one.labels
        truth.is_object[number, own] = ~one.is_ignored
        truth.is_ignored[number, own] = one.is_ignored
    return truth
