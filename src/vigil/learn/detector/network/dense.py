"""Dense detectors: at each of many places, they predict objectness, a class and a box."""

from abc import abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from vigil.learn.detector.network.fusion import TimeAttention, fuse, widen_input
from vigil.learn.detector.network.interface import Detector, best_candidates
from vigil.learn.detector.network.losses import box_loss, one_hot, score_loss
from vigil.learn.detector.network.tensors import Candidates, Truth
from vigil.learn.networks.order import hardest
from vigil.settings.train_detector import Frames, Loss


class Outputs(NamedTuple):
    """The outputs of a network at A places of each picture.

    Attributes:
        encoded: (B, A, 4) boxes in the detector's encoding.
        objectness: (B, A) logits.
        classes: (B, A, C) logits.
    """

    encoded: Tensor
    objectness: Tensor
    classes: Tensor


class Assigned(NamedTuple):
    """The objects that places should detect.

    Attributes:
        owner: (B, A) index of the object in the truth, negative for none.
        counted: (B, A) whether the place counts in the objectness loss.
        quality: (B, A) in [0, 1]: the target score of its class.
    """

    owner: Tensor
    counted: Tensor
    quality: Tensor


class DenseDetector(Detector):
    """A detector with places (A, ...): cells or anchors, which encode boxes and detect objects."""

    def __init__(self, loss: Loss) -> None:
        """Args: loss: each part is a sum over places, divided by the number of positive places."""
        super().__init__()
        self._loss = loss
        self.ohem_fraction = 1.0
        """The fraction of positive and of negative places that count in the loss of objectness in
        training, those with the largest losses."""
        self._num_positive = 0
        self._frames: Frames | None = None

    @abstractmethod
    def colours(self, pictures: Tensor) -> Tensor:
        """(B, 3, H, W) uint8 to the floats that the network expects of one picture."""

    @abstractmethod
    def maps(self, pictures: Tensor) -> list[Tensor]:
        """(B, C, H, W) floats to maps of features (B, width, h, w)."""

    @property
    @abstractmethod
    def map_widths(self) -> list[int]:
        """The number of channels of each of `maps`."""

    def padded(self, pictures: Tensor) -> Tensor:
        """Pictures padded at the right and at the bottom to a size that the network accepts."""
        return pictures

    def see_frames(self, frames: Frames) -> None:
        """Changes the network, in place, for sequences (B, T, 3, H, W) of `reduce_frames`.

        For copies of one frame, its outputs are those of the frame before the change.
        """
        self._frames = frames
        if frames.fusion == "temporal":
            widths = self.map_widths
            self.attention = nn.ModuleList(TimeAttention(width, frames.length) for width in widths)
        else:
            widen_input(self, frames.fusion, frames.length)

    def look(self, pictures: Tensor) -> list[Tensor]:
        """(B, 3, H, W) uint8, or (B, T, 3, H, W), to maps of features (B, width, h, w)."""
        pictures = self.padded(pictures)
        if self._frames is None:
            return self.maps(self.colours(pictures))
        if self._frames.fusion != "temporal":
            return self.maps(fuse(pictures, self._frames.fusion, self.colours))
        by_frame = self.maps(self.colours(pictures.flatten(0, 1)))
        num_frames = pictures.shape[1]
        return [
            attend(one, num_frames) for attend, one in zip(self.attention, by_frame, strict=True)
        ]

    @abstractmethod
    def forward(self, pictures: Tensor) -> tuple[Outputs, Tensor]:
        """The outputs for pictures (B, 3, H, W), and the places (A, ...) of the outputs."""

    @abstractmethod
    def encode(self, boxes: Tensor, places: Tensor) -> Tensor:
        """Boxes (N, 4) in px to the outputs (N, 4) that the network should have at N places."""

    @abstractmethod
    def decode(self, encoded: Tensor, places: Tensor) -> Tensor:
        """The inverse of `encode`: (..., 4) to boxes (..., 4) in px."""

    @abstractmethod
    def assign(self, outputs: Outputs, places: Tensor, truth: Truth) -> Assigned:
        """Assigns each place to the object in `truth` that it should detect.

        Args:
            outputs: of the network, without gradients.
        """

    def num_terms(self, num_pictures: int) -> int:
        return self._num_positive

    def losses(self, pictures: Tensor, truth: Truth) -> dict[str, Tensor]:
        outputs, places = self(pictures)
        return self._losses(outputs, places, truth)

    def _losses(self, outputs: Outputs, places: Tensor, truth: Truth) -> dict[str, Tensor]:
        # Box and class losses use only positive places: (P,) indices of their pictures, places and
        # objects.
        owner, counted, quality = self.assign(
            Outputs(*(part.detach() for part in outputs)), places, truth
        )
        is_positive = owner >= 0
        picture, place = is_positive.nonzero(as_tuple=True)
        object_index = owner[picture, place]
        boxes, labels = truth.boxes[picture, object_index], truth.labels[picture, object_index]
        encoded, classes = outputs.encoded[picture, place], outputs.classes[picture, place]
        decoded = self.decode(encoded, places[place])
        is_object = is_positive.to(torch.float32)
        if self.training and self.ohem_fraction < 1:
            logits, is_chosen = outputs.objectness[counted], is_positive[counted]
            counted = counted.masked_scatter(
                counted, hardest(logits, is_chosen, self.ohem_fraction)
            )
        self._num_positive = len(object_index)
        num_positive = max(self._num_positive, 1)
        return {
            "box": box_loss(
                self._loss.box, encoded, self.encode(boxes, places[place]), decoded, boxes
            )
            * (self._loss.box_weight / num_positive),
            "objectness": score_loss(
                self._loss.objectness, outputs.objectness[counted], is_object[counted]
            )
            * (self._loss.objectness_weight / num_positive),
            "class": score_loss(
                self._loss.classes,
                classes,
                one_hot(labels, classes.shape[1]) * quality[picture, place, None],
            )
            * (self._loss.classes_weight / num_positive),
        }

    def candidates(self, pictures: Tensor) -> list[Candidates]:
        outputs, places = self(pictures)
        return self._candidates(outputs, places, pictures)

    def _candidates(self, outputs: Outputs, places: Tensor, pictures: Tensor) -> list[Candidates]:
        scores = joint_scores(outputs)
        height, width = pictures.shape[-2:]
        return best_candidates(self.decode(outputs.encoded, places), scores, (height, width))

    def candidates_and_losses(
        self, pictures: Tensor, truth: Truth
    ) -> tuple[list[Candidates], dict[str, Tensor]]:
        outputs, places = self(pictures)
        losses = self._losses(outputs, places, truth)
        return self._candidates(outputs, places, pictures), losses


def joint_scores(outputs: Outputs) -> Tensor:
    """(B, A, C): the score of a class is its probability times the objectness."""
    return outputs.objectness.sigmoid()[..., None] * outputs.classes.sigmoid()
