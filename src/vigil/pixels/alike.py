"""Whether two pictures show one place, seen by a camera that does not move.

The gradients of the pictures are compared tile by tile. What stands still gives the same gradients;
people who walk change a few tiles only, and a change of light changes all gradients by the same
factor. The median of the tiles' correlation was 0.87 to 1.00 for frames of one fixed camera (PETS
2009, the demo), and -0.06 to 0.62 for cameras that move or are held by hand (UCF-101, a short film
of an animal).
"""

from collections.abc import Sequence
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from vigil.pixels.pictures.picture import Picture

MIN_CORRELATION = 0.75
"""Of the gradients of two pictures, if they show one place."""
LONG_SIDE_PX, NUM_TILES = 160, 4
"""Pictures are compared at this size or that of the smaller one, in so many tiles along each side.
"""
MOST_STRETCH = 0.05
"""The largest difference of the logarithms of two pictures' proportions: a stretch of 5 %."""
Gradients = npt.NDArray[np.float32]
T = TypeVar("T")


def correlate(one: Picture, other: Picture) -> float:
    """How well the gradients of two (H, W, 3) pictures of one order of colours agree, in [-1, 1].

    It is the median over tiles of the correlation of gradients. Tiles without gradients do not
    count. Without any such tile, and for pictures of other proportions, it is 0.
    """
    smaller, larger = sorted((one, other), key=lambda picture: picture.shape[:2])
    if abs(np.log(_proportion(smaller) / _proportion(larger))) > MOST_STRETCH:
        return 0.0
    height, width = smaller.shape[:2]
    scale = min(1.0, LONG_SIDE_PX / max(height, width))
    size_wh = (max(1, round(width * scale)), max(1, round(height * scale)))
    by_tile = [
        float((first * second).sum() / norm)
        for first, second in zip(_tiles(smaller, size_wh), _tiles(larger, size_wh), strict=True)
        if (norm := float(np.linalg.norm(first) * np.linalg.norm(second))) > 0
    ]
    return float(np.median(by_tile)) if by_tile else 0.0


def spread(values: Sequence[T], most: int) -> Sequence[T]:
    """At most so many of the values, at even distances, with the first and the last."""
    if len(values) <= most:
        return values
    return [values[index] for index in np.linspace(0, len(values) - 1, most).round().astype(int)]


def _proportion(picture: Picture) -> float:
    return picture.shape[1] / picture.shape[0]


def _tiles(picture: Picture, size_wh: tuple[int, int]) -> list[Gradients]:
    """The gradients (2, h, w) along x and y of each tile of a grey picture of this size."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, size_wh, interpolation=cv2.INTER_AREA).astype(np.float32)
    along_x, along_y = cv2.Sobel(small, cv2.CV_32F, 1, 0), cv2.Sobel(small, cv2.CV_32F, 0, 1)
    gradients: Gradients = np.stack([along_x, along_y]).astype(np.float32)
    rows = np.array_split(gradients, NUM_TILES, axis=1)
    return [tile for row in rows for tile in np.array_split(row, NUM_TILES, axis=2)]
