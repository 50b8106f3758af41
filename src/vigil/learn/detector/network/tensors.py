"""The inputs and outputs of detectors, as tensors.

Pictures are (B, 3, H, W) uint8 RGB, all of one size. Boxes are x1, y1, x2, y2 in px of that size.
Classes are counted from 0; there is no class for background.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


class Objects(NamedTuple):
    """The objects in one picture.

    Attributes:
        boxes: (N, 4).
        labels: (N,) int64.
        is_ignored: (N,): crowds and difficult objects; detections there are neither right nor
            wrong.
    """

    boxes: Tensor
    labels: Tensor
    is_ignored: Tensor


Example = tuple[Tensor, Objects]
"""A picture (3, H, W) uint8 and its objects."""


class Truth(NamedTuple):
    """The objects in a batch of pictures, padded to the largest number of objects in a picture.

    Attributes:
        boxes: (B, M, 4).
        labels: (B, M) int64.
        is_object: (B, M): false for padding and for objects to be ignored.
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
    """The boxes that a detector predicts in one picture, the highest score first.

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
    max_objects = max(len(objects.boxes) for objects in pictures)
    truth = Truth(
        torch.zeros(len(pictures), max_objects, 4),
        torch.zeros(len(pictures), max_objects, dtype=torch.int64),
        torch.zeros(len(pictures), max_objects, dtype=torch.bool),
        torch.zeros(len(pictures), max_objects, dtype=torch.bool),
    )
    for number, objects in enumerate(pictures):
        columns = slice(len(objects.boxes))
        truth.boxes[number, columns] = objects.boxes
        truth.labels[number, columns] = objects.labels
        truth.is_object[number, columns] = ~objects.is_ignored
        truth.is_ignored[number, columns] = objects.is_ignored
    return truth
