"""The type of a picture, and the two orders of its channels."""

from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

Picture: TypeAlias = npt.NDArray[np.uint8]
"""(H, W, 3) BGR, OpenCV's order of channels, or (H, W) grey."""


def swap_red_and_blue(picture: Picture) -> Picture:
    """A copy of a (H, W, 3) picture with red and blue swapped: RGB of BGR, and BGR of RGB."""
    # This takes a tenth of the time in which numpy copies a reversed view.
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)
