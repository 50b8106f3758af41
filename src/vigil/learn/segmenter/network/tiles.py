"""Cuts pictures into tiles that cover them."""

import math

Tile = tuple[int, int, int, int]
"""x1, y1, x2, y2 in px of the picture, where (x2, y2) is exclusive."""


def tiles_of(size_wh: tuple[int, int], tile_wh: tuple[int, int], overlap: float) -> list[Tile]:
    """The tiles of a picture, row by row; the last ones of a row and column end at the edge.

    Args:
        overlap: the least share of a tile's side that it has in common with the next tile.
    """
    columns, rows = (
        _spans(side, tile, overlap) for side, tile in zip(size_wh, tile_wh, strict=True)
    )
    return [(x1, y1, x2, y2) for y1, y2 in rows for x1, x2 in columns]


def _spans(side: int, tile: int, overlap: float) -> list[tuple[int, int]]:
    """Parts of a side of the length `tile`, at even distances."""
    if side <= tile:
        return [(0, side)]
    step = max(1, math.floor(tile * (1 - overlap)))
    num_tiles = math.ceil((side - tile) / step) + 1
    starts = [round(number * (side - tile) / (num_tiles - 1)) for number in range(num_tiles)]
    return [(start, start + tile) for start in starts]
