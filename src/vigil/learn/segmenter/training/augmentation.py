"""Changes pictures and their maps of classes together."""

import math

import cv2
import numpy as np
import torch

from vigil.domain.masks.class_map import IGNORED, ClassMap
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

    def __init__(self, settings: MaskAugmentation, background: int | None = None) -> None:
        """Remembers the limits.

        Args:
            background: the class around which no part is laid; None: there is none.
        """
        self._settings, self._background = settings, background

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
        focus = self._choose_focus(classes)
        placed = self._placement(picture.shape[1::-1], size_wh, scale, angle, focus)
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

    def _choose_focus(self, classes: ClassMap) -> tuple[int, int] | None:
        """x and y of a pixel that the part is laid around; None: it lies anywhere."""
        if _uniform(0, 1) >= self._settings.object_probability:
            return None
        counts = np.bincount(classes.ravel(), minlength=IGNORED + 1)
        counts[IGNORED] = 0
        if self._background is not None:
            counts[self._background] = 0
        present = np.flatnonzero(counts)
        if not len(present):
            return None
        chosen = present[_index(len(present))]
        rows, columns = np.nonzero(classes == chosen)
        number = _index(len(rows))
        return int(columns[number]), int(rows[number])

    def _placement(
        self,
        from_wh: tuple[int, ...],
        size_wh: tuple[int, int],
        scale: float,
        angle: float,
        focus: tuple[int, int] | None,
    ) -> "cv2.typing.MatLike":
        """(2, 3): an affine map. The part that is seen lies anywhere, or has the focus anywhere.

        It reaches beyond the resized picture only where the picture is smaller than the part.
        """
        width, height = from_wh
        turned = cv2.getRotationMatrix2D((width / 2, height / 2), angle, scale)
        # After this rotation about the middle, the upper left of the resized picture is at the
        # middle minus half its sides. It is moved to a place between 0 and `slack` in the part.
        for axis, (side, new_side) in enumerate(zip(from_wh, size_wh, strict=True)):
            corner, slack = side / 2 - scale * side / 2, new_side - scale * side
            place = slack * _uniform(0, 1)
            if focus is not None:
                distance = float(turned[axis] @ (*focus, 1)) - corner
                place = _uniform(0, 1) * (new_side - 1) - distance
                place = min(max(place, min(slack, 0.0)), max(slack, 0.0))
            turned[axis, 2] += place - corner
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


def _index(num: int) -> int:
    return int(torch.randint(num, ()))
