"""Where pictures lie on the canvas that a network sees: fitted to it, or cut into tiles.

A picture that is smaller than the canvas lies in its upper left corner.
"""

import math

import numpy as np

from vigil.pixels.fitting import PADDING_RGB
from vigil.pixels.pictures.picture import Picture

Tile = tuple[int, int, int, int]
"""x1, y1, x2, y2 in px of the picture, where (x2, y2) is exclusive."""


def fitted_size(size_wh: tuple[int, int], canvas_wh: tuple[int, int]) -> tuple[int, int]:
    """Width and height of a picture on the canvas, as `letterbox` makes it."""
    scale = min(canvas_wh[0] / size_wh[0], canvas_wh[1] / size_wh[1])
    return (
        max(1, min(canvas_wh[0], round(size_wh[0] * scale))),
        max(1, min(canvas_wh[1], round(size_wh[1] * scale))),
    )


def tiles_of(size_wh: tuple[int, int], tile_wh: tuple[int, int], overlap: float) -> list[Tile]:
    """The tiles of a picture, row by row; the last ones of a row and column end at the edge.

    Args:
        overlap: the least share of a tile's side that it has in common with the next tile.
    """
    columns, rows = (
        _spans(side, tile, overlap) for side, tile in zip(size_wh, tile_wh, strict=True)
    )
    return [(x1, y1, x2, y2) for y1, y2 in rows for x1, x2 in columns]


def cut_tile(picture: Picture, tile: Tile, canvas_wh: tuple[int, int]) -> Picture:
    """A part of a picture (H, W, 3) on a canvas; the rest of the canvas is `PADDING_RGB`."""
    x1, y1, x2, y2 = tile
    canvas = np.full((canvas_wh[1], canvas_wh[0], 3), PADDING_RGB, np.uint8)
    canvas[: y2 - y1, : x2 - x1] = picture[y1:y2, x1:x2]
    return canvas


def _spans(side: int, tile: int, overlap: float) -> list[tuple[int, int]]:
    """Parts of a side of the length `tile`, at even distances."""
    if side <= tile:
        return [(0, side)]
    step = max(1, math.floor(tile * (1 - overlap)))
    num_tiles = math.ceil((side - tile) / step) + 1
    starts = [round(number * (side - tile) / (num_tiles - 1)) for number in range(num_tiles)]
    return [(start, start + tile) for start in starts]
