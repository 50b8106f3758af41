"""Changes pictures and their maps of classes together."""

import math

import cv2
import numpy as np
import torch

from vigil.domain.masks.class_map import IGNORED
from vigil.learn.segmenter.network.data import Masked
from vigil.pixels.fitting import PADDING_RGB
from vigil.pixels.pictures.picture import Picture
from vigil.settings.train_segmenter import MaskAugmentation

GREY_RGB = np.array([0.299, 0.587, 0.114], np.float32)
"""Shares of brightness (ITU-R BT.601)."""


class MaskAugmenter:
    """Changes pictures at random, within the limits of the settings.

    The random numbers are torch's global ones.
    """

    def __init__(self, settings: MaskAugmentation) -> None:
        self._settings = settings

    def __call__(self, masked: Masked, size_wh: tuple[int, int]) -> Masked:
        """A changed copy: a mirror image, turned, resized, and a random part of the given size.

        Pixels without a picture have `PADDING_RGB` and count neither way.
        """
        settings = self._settings
        picture, classes = masked
        if _uniform(0, 1) < settings.flip_probability:
            picture, classes = picture[:, ::-1], classes[:, ::-1]
        # Scales are uniform on a logarithmic axis: half and double are equally likely.
        scale = math.exp(_uniform(math.log(settings.min_scale), math.log(settings.max_scale)))
        angle = _uniform(-settings.max_rotation_deg, settings.max_rotation_deg)
        placed = self._placement(picture.shape[1::-1], size_wh, scale, angle)
        moved = cv2.warpAffine(
            np.ascontiguousarray(picture),
            placed,
            size_wh,
            flags=cv2.INTER_LINEAR,
            borderValue=PADDING_RGB,
        ).astype(np.uint8, copy=False)
        moved_classes = cv2.warpAffine(
            np.ascontiguousarray(classes),
            placed,
            size_wh,
            flags=cv2.INTER_NEAREST,
            borderValue=IGNORED,
        ).astype(np.uint8, copy=False)
        return Masked(self._colour(moved), moved_classes)

    def _placement(
        self,
        from_wh: tuple[int, ...],
        size_wh: tuple[int, int],
        scale: float,
        angle: float,
    ) -> "cv2.typing.MatLike":
        """(2, 3): an affine map. The part that is seen lies anywhere in the resized picture.

        A smaller picture lies anywhere in the part.
        """
        width, height = from_wh
        turned = cv2.getRotationMatrix2D((width / 2, height / 2), angle, scale)
        # After this rotation about the middle, the upper left of the resized picture is at the
        # middle minus half its sides. It is moved to a random place.
        for axis, (side, new_side) in enumerate(zip(from_wh, size_wh, strict=True)):
            corner = side / 2 - scale * side / 2
            turned[axis, 2] += (new_side - scale * side) * _uniform(0, 1) - corner
        return turned

    def _colour(self, picture: Picture) -> Picture:
        """Changes brightness, then contrast, then saturation, each by a random factor."""
        settings = self._settings
        limits = (settings.brightness, settings.contrast, settings.saturation)
        if not any(limits):
            return picture
        brightness, contrast, saturation = (1 + _uniform(-limit, limit) for limit in limits)
        # In one step: all are linear. c -> (c - grey) * saturation + grey, and so on.
        floats = picture.astype(np.float32)
        grey = floats @ GREY_RGB
        mean = brightness * float(grey.mean())
        factor = brightness * contrast
        floats *= factor * saturation
        floats += (factor * (1 - saturation) * grey + (1 - contrast) * mean)[..., None]
        return np.clip(floats, 0, 255).round().astype(np.uint8)


def _uniform(lowest: float, highest: float) -> float:
    return lowest + (highest - lowest) * float(torch.rand(()))
