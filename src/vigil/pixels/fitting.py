"""Pictures fitted to a size: resized, cut, or put on a canvas, their sides in proportion."""

from dataclasses import dataclass

import cv2
import numpy as np

from vigil.pixels.pictures.picture import Picture

PADDING_RGB = (124, 116, 104)
"""ImageNet's mean colour, which is 0 once a network has normalised it."""


@dataclass(frozen=True)
class FrameSize:
    """How frames are fitted to a network: resized, then cut to a square around the centre.

    Attributes:
        resize: the shorter side in px, or height and width, whatever the shape before.
        crop_px: side of the square.
    """

    resize: int | tuple[int, int]
    crop_px: int

    def __call__(self, picture: Picture) -> Picture:
        """(H, W, 3) to (crop_px, crop_px, 3)."""
        height, width = picture.shape[:2]
        if isinstance(self.resize, tuple):
            new_height, new_width = self.resize
        else:
            scale = self.resize / min(height, width)
            new_height, new_width = round(height * scale), round(width * scale)
        resized = resize(picture, (new_width, new_height))
        top, left = (new_height - self.crop_px) // 2, (new_width - self.crop_px) // 2
        return resized[top : top + self.crop_px, left : left + self.crop_px]


def resize(picture: Picture, size_wh: tuple[int, int]) -> Picture:
    """Resizes; averages over areas where the width shrinks, so that fine patterns do not alias."""
    height, width = picture.shape[:2]
    if (width, height) == size_wh:
        return picture
    method = cv2.INTER_AREA if size_wh[0] < width else cv2.INTER_LINEAR
    return cv2.resize(picture, size_wh, interpolation=method).astype(np.uint8, copy=False)


def fit_within(picture: Picture, size_wh: tuple[int, int]) -> tuple[Picture, float]:
    """Resizes a picture to fit a size, its sides in proportion.

    Returns:
        The picture, and the factor by which coordinates grew.
    """
    width, height = size_wh
    scale = min(width / picture.shape[1], height / picture.shape[0])
    own_wh = (
        max(1, min(width, round(picture.shape[1] * scale))),
        max(1, min(height, round(picture.shape[0] * scale))),
    )
    if (picture.shape[1], picture.shape[0]) == own_wh:
        return picture, scale
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.resize(picture, own_wh, interpolation=method).astype(np.uint8, copy=False), scale


def letterbox(picture: Picture, size_wh: tuple[int, int]) -> tuple[Picture, float]:
    """Resizes a picture to fit a canvas, from its upper left corner on.

    Args:
        picture: (H, W, 3) RGB.
        size_wh: of the canvas, in px.

    Returns:
        The canvas, and the factor by which coordinates grew.
    """
    width, height = size_wh
    fitted, scale = fit_within(picture, size_wh)
    if fitted.shape[:2] == (height, width):
        return fitted, scale
    canvas = np.full((height, width, 3), PADDING_RGB, np.uint8)
    canvas[: fitted.shape[0], : fitted.shape[1]] = fitted
    return canvas, scale


def centre_on_black(picture: Picture, size_wh: tuple[int, int]) -> Picture:
    """(H, W, 3) to a canvas of a size, its sides in proportion, black beside it."""
    fitted, _ = fit_within(picture, size_wh)
    canvas = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    left, top = (size_wh[0] - fitted.shape[1]) // 2, (size_wh[1] - fitted.shape[0]) // 2
    canvas[top : top + fitted.shape[0], left : left + fitted.shape[1]] = fitted
    return canvas
