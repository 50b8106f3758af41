"""Fits pictures to a size: resizes them, crops them, or puts them on a canvas."""

from dataclasses import dataclass

import cv2
import numpy as np

from vigil.pixels.pictures.picture import Picture

PADDING_RGB = (124, 116, 104)
"""ImageNet's mean colour. A network's normalisation turns it into 0."""


@dataclass(frozen=True)
class FrameSize:
    """How frames are fitted to a network: resized, then cropped to a square at the centre.

    Attributes:
        resize: the length of the shorter side in px, which keeps the aspect ratio; or height and
            width in px, which do not.
        crop_px: the side of the square.
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
    """Resizes a picture.

    Where the width shrinks, pixels are averaged over areas, so that fine patterns do not alias.
    """
    height, width = picture.shape[:2]
    if (width, height) == size_wh:
        return picture
    method = cv2.INTER_AREA if size_wh[0] < width else cv2.INTER_LINEAR
    return cv2.resize(picture, size_wh, interpolation=method).astype(np.uint8, copy=False)


def fit_within(picture: Picture, size_wh: tuple[int, int]) -> tuple[Picture, float]:
    """Resizes a picture to fit within a size, and keeps its aspect ratio.

    Returns:
        The picture, and the factor that turns old coordinates into new ones.
    """
    width, height = size_wh
    scale = min(width / picture.shape[1], height / picture.shape[0])
    fitted_wh = (
        max(1, min(width, round(picture.shape[1] * scale))),
        max(1, min(height, round(picture.shape[0] * scale))),
    )
    if (picture.shape[1], picture.shape[0]) == fitted_wh:
        return picture, scale
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.resize(picture, fitted_wh, interpolation=method).astype(np.uint8, copy=False), scale


def letterbox(picture: Picture, size_wh: tuple[int, int]) -> tuple[Picture, float]:
    """Resizes a picture to fit a canvas, and puts it into the upper left corner of the canvas.

    The picture keeps its aspect ratio. The rest of the canvas is `PADDING_RGB`.

    Args:
        picture: (H, W, 3) RGB.
        size_wh: of the canvas, in px.

    Returns:
        The canvas, and the factor that turns coordinates in the picture into those on the canvas.
    """
    width, height = size_wh
    fitted, scale = fit_within(picture, size_wh)
    if fitted.shape[:2] == (height, width):
        return fitted, scale
    canvas = np.full((height, width, 3), PADDING_RGB, np.uint8)
    canvas[: fitted.shape[0], : fitted.shape[1]] = fitted
    return canvas, scale


def centre_on_black(picture: Picture, size_wh: tuple[int, int]) -> Picture:
    """Fits a (H, W, 3) picture to a size, keeps its aspect ratio, and centres it on black."""
    fitted, _ = fit_within(picture, size_wh)
    canvas = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    left, top = (size_wh[0] - fitted.shape[1]) // 2, (size_wh[1] - fitted.shape[0]) // 2
    canvas[top : top + fitted.shape[0], left : left + fitted.shape[1]] = fitted
    return canvas
