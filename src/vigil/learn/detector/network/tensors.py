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
        masks: (N, H, W) bool, in px of the picture; None if the detector finds boxes alone.
    """

    boxes: Tensor
    labels: Tensor
    is_ignored: Tensor
    masks: Tensor | None = None

    def select(self, chosen: Tensor) -> "Objects":
        """The chosen objects. Args: chosen: (N,) bool, or positions."""
        return Objects(*(None if part is None else part[chosen] for part in self))  # type: ignore[arg-type]


Example = tuple[Tensor, Objects]
"""A picture (3, H, W) uint8 and its objects."""


class Truth(NamedTuple):
    """The objects in a batch of pictures, padded to the largest number of objects in a picture.

    Attributes:
        boxes: (B, M, 4).
        labels: (B, M) int64.
        is_object: (B, M): false for padding and for objects to be ignored.
        is_ignored: (B, M): crowds and difficult objects.
        masks: of each picture (N, H, W) bool, without padding; None: see `Objects`.
    """

    boxes: Tensor
    labels: Tensor
    is_object: Tensor
    is_ignored: Tensor
    masks: tuple[Tensor, ...] | None = None

    def to(self, device: torch.device) -> "Truth":
        """A copy on a device."""
        masks = self.masks
        return Truth(
            self.boxes.to(device, non_blocking=True),
            self.labels.to(device, non_blocking=True),
            self.is_object.to(device, non_blocking=True),
            self.is_ignored.to(device, non_blocking=True),
            masks and tuple(one.to(device, non_blocking=True) for one in masks),
        )

    def masks_of_objects(self) -> list[Tensor]:
        """Of each picture (N, H, W), without those of objects to be ignored.

        Raises:
            ValueError: the pictures were read without masks.
        """
        if self.masks is None:
            raise ValueError("expected objects with masks, got boxes alone")
        return [
            masks[is_object[: len(masks)]]
            for masks, is_object in zip(self.masks, self.is_object, strict=True)
        ]


@dataclass(frozen=True)
class Masks:
    """Predicted masks, each a grid of probabilities that is stretched over a frame.

    Attributes:
        grids: (G, h, w) in [0, 1]; a pixel belongs to the object where it is above 0.5.
        frames: (K, 4): the boxes that the grids cover, in px of the picture.
        rows: (K,) int64: the grid of each mask.
    """

    grids: Tensor
    frames: Tensor
    rows: Tensor

    def select(self, chosen: Tensor) -> "Masks":
        """The chosen masks. Args: chosen: positions."""
        return Masks(self.grids, self.frames[chosen], self.rows[chosen])

    def cpu(self) -> "Masks":
        """A copy on the CPU, in 32 bits, without grids that no mask has."""
        grids = self.grids[self.rows].float().cpu()
        return Masks(grids, self.frames.float().cpu(), torch.arange(len(grids)))


@dataclass(frozen=True)
class Candidates:
    """The boxes that a detector predicts in one picture, the highest score first.

    Attributes:
        boxes: (K, 4) within the picture.
        scores: (K,) in [0, 1].
        labels: (K,) int64.
        masks: K masks; None for a detector without masks.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor
    masks: Masks | None = None


def join_objects(parts: Sequence[Objects]) -> Objects:
    """The objects of several parts of one picture, in order; with masks if all parts have them."""
    masks = [one.masks for one in parts if one.masks is not None]
    return Objects(
        torch.cat([one.boxes for one in parts]),
        torch.cat([one.labels for one in parts]),
        torch.cat([one.is_ignored for one in parts]),
        torch.cat(masks) if len(masks) == len(parts) else None,
    )


def pad_objects(pictures: Sequence[Objects]) -> Truth:
    """Puts the objects of several pictures into one batch."""
    max_objects = max(len(objects.boxes) for objects in pictures)
    masks = tuple(objects.masks for objects in pictures if objects.masks is not None)
    truth = Truth(
        torch.zeros(len(pictures), max_objects, 4),
        torch.zeros(len(pictures), max_objects, dtype=torch.int64),
        torch.zeros(len(pictures), max_objects, dtype=torch.bool),
        torch.zeros(len(pictures), max_objects, dtype=torch.bool),
        masks if len(masks) == len(pictures) else None,
    )
    for number, objects in enumerate(pictures):
        columns = slice(len(objects.boxes))
        truth.boxes[number, columns] = objects.boxes
        truth.labels[number, columns] = objects.labels
        truth.is_object[number, columns] = ~objects.is_ignored
        truth.is_ignored[number, columns] = objects.is_ignored
    return truth
