"""Finds the class of each pixel by a network that sees canvases: resized pictures, or tiles.

It has no torch: `TrainedSegmenter` and `ExportedSegmenter` add the network and the scores.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vigil.pixels.canvases import cut_tile, tiles_of
from vigil.pixels.fitting import letterbox
from vigil.pixels.pictures.picture import Picture
from vigil.plumbing.errors import InputError

Floats = npt.NDArray[np.float32]

BATCH_SIZE = 8
TILE_OVERLAP = 0.25
TILED = "tiled"


class Segmentation(NamedTuple):
    """The prediction for one picture.

    Attributes:
        classes: (H, W) uint8: the position of the class with the highest score.
        scores: (H, W) float32: this score, in [0, 1].
    """

    classes: npt.NDArray[np.uint8]
    scores: Floats


class CanvasSegmenter(ABC):
    """A segmenter of pictures of any size, whose network sees canvases of one size.

    Attributes:
        classes: the names of the classes.
        background: the class of pixels without an object; "": there is none.
        canvas_wh: width and height of the canvas.
        view: `resized`: a picture is fitted to the canvas; `tiled`: it keeps its size, and is cut
            into tiles of the size of the canvas.
    """

    def __init__(
        self, classes: Sequence[str], background: str, canvas_wh: tuple[int, int], view: str
    ) -> None:
        self.classes, self.background = tuple(classes), background
        self.canvas_wh, self.view = canvas_wh, view

    @abstractmethod
    def score_canvases(self, canvases: Picture) -> Floats:
        """(B, C, H, W): the scores of each class on canvases (B, H, W, 3)."""

    @abstractmethod
    def score_fitted(
        self, canvases: Picture, sizes_wh: Sequence[tuple[int, int]]
    ) -> Iterator[Floats]:
        """(C, H, W) of each picture that was fitted to a canvas, in its own size.

        Args:
            canvases: (B, H, W, 3).
            sizes_wh: of the pictures before they were fitted.
        """

    def __call__(self, picture: Picture) -> Segmentation:
        """The class of each pixel of one (H, W, 3) RGB uint8 picture.

        Raises:
            InputError: the array is not such a picture.
        """
        return self.segment_batch([picture])[0]

    def segment_batch(
        self,
        pictures: Sequence[Picture],
        *,
        batch_size: int = BATCH_SIZE,
        tile_overlap: float = TILE_OVERLAP,
    ) -> list[Segmentation]:
        """The classes of the pixels of several pictures of any sizes.

        Args:
            batch_size: pictures or tiles that the network sees at once.
            tile_overlap: the share of a tile's side that it has in common with the next one.

        Raises:
            InputError: an array is not a (H, W, 3) RGB uint8 picture.
        """
        pictures = [np.asarray(picture) for picture in pictures]
        for picture in pictures:
            is_rgb = picture.ndim == 3 and picture.shape[-1] == 3 and picture.size
            if not is_rgb or picture.dtype != np.uint8:
                raise InputError(
                    f"expected pictures (H, W, 3) uint8, got {picture.shape} {picture.dtype}"
                )
        if self.view == TILED:
            return [self._segment_tiled(one, tile_overlap, batch_size) for one in pictures]
        return [
            found
            for start in range(0, len(pictures), batch_size)
            for found in self._segment_resized(pictures[start : start + batch_size])
        ]

    def _segment_resized(self, pictures: Sequence[Picture]) -> list[Segmentation]:
        """Several pictures in one batch, each fitted to the canvas."""
        canvases = np.stack([letterbox(picture, self.canvas_wh)[0] for picture in pictures])
        sizes_wh = [(picture.shape[1], picture.shape[0]) for picture in pictures]
        return [best_classes(scores) for scores in self.score_fitted(canvases, sizes_wh)]

    def _segment_tiled(self, picture: Picture, overlap: float, batch_size: int) -> Segmentation:
        """One picture tile by tile; where tiles overlap, the scores are averaged."""
        height, width = picture.shape[:2]
        tiles = tiles_of((width, height), self.canvas_wh, overlap)
        sums = np.zeros((len(self.classes), height, width), np.float32)
        counts = np.zeros((height, width), np.float32)
        for start in range(0, len(tiles), batch_size):
            part = tiles[start : start + batch_size]
            canvases = np.stack([cut_tile(picture, tile, self.canvas_wh) for tile in part])
            scores = self.score_canvases(canvases)
            for one, (x1, y1, x2, y2) in zip(scores, part, strict=True):
                sums[:, y1:y2, x1:x2] += one[:, : y2 - y1, : x2 - x1]
                counts[y1:y2, x1:x2] += 1
        return best_classes(sums / counts)


def best_classes(scores: Floats) -> Segmentation:
    """The class with the highest score in each pixel of (C, H, W); of equal ones, the first.

    Class by class, which is faster than `argmax` along an axis that is not the last.
    """
    highest, classes = scores[0].copy(), np.zeros(scores.shape[1:], np.uint8)
    for number, of_class in enumerate(scores[1:], start=1):
        classes[of_class > highest] = number
        np.maximum(highest, of_class, out=highest)
    return Segmentation(classes, highest)
