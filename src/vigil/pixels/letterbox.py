"""Pictures of any size on a canvas of one size, their sides in proportion."""

import cv2
import numpy as np

from vigil.pixels.video.picture import Picture

PADDING_RGB = (124, 116, 104)
"""ImageNet's mean colour, which is 0 once a network has normalised it."""


def letterbox(picture: Picture, size_wh: tuple[int, int]) -> tuple[Picture, float]:
    """Resizes a picture to fit a canvas, from its upper left corner on.

    Args:
        picture: (H, W, 3) RGB.
        size_wh: of the canvas, in px.

    Returns:
        The canvas, and the factor by which coordinates grew.
    """
    width, height = size_wh
    scale = min(width / picture.shape[1], height / picture.shape[0])
    if scale != 1:
        own_wh = (
            max(1, min(width, round(picture.shape[1] * scale))),
            max(1, min(height, round(picture.shape[0] * scale))),
        )
        shrinking = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        picture = cv2.resize(picture, own_wh, interpolation=shrinking).astype(np.uint8, copy=False)
    if picture.shape[:2] == (height, width):
        return picture, scale
    canvas = np.full((height, width, 3), PADDING_RGB, np.uint8)
    canvas[: picture.shape[0], : picture.shape[1]] = picture
    return canvas, scale
