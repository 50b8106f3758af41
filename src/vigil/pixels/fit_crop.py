"""Cuts a box from a grey picture, and fits it to the square that the classifier expects."""

import cv2
import numpy as np
import numpy.typing as npt

from vigil.pixels.pictures.picture import Picture


def fit_crop(picture: Picture, box_px: npt.NDArray[np.int64], size_px: int) -> Picture:
    """Cuts a box from a grey picture and fits the crop into a square of (size_px, size_px).

    A side longer than `size_px` is resized to `size_px`. A shorter side is centred and padded with
    zeros.
    """
    x1, y1, x2, y2 = box_px
    crop = picture[y1:y2, x1:x2]
    width, height = min(x2 - x1, size_px), min(y2 - y1, size_px)
    if crop.shape != (height, width):
        crop = cv2.resize(crop, (int(width), int(height)), interpolation=cv2.INTER_AREA).astype(
            np.uint8, copy=False
        )
    square = np.zeros((size_px, size_px), np.uint8)
    top, left = (size_px - height) // 2, (size_px - width) // 2
    square[top : top + height, left : left + width] = crop
    return square
