"""Turns predicted masks, which are coarse grids of probabilities, into run lengths of a picture."""

import numpy as np
import numpy.typing as npt

from vigil.domain.pictures.run_lengths import compress, runs_of_part
from vigil.learn.detector.network.tensors import Masks

Floats = npt.NDArray[np.float32]

LEAST_PROBABILITY = 0.5
"""A pixel with more belongs to the object."""


def paste(masks: Masks, scale: float, size_wh: tuple[int, int]) -> npt.NDArray[np.object_]:
    """(K,): compressed run lengths of masks of the picture's size.

    Args:
        masks: on a canvas.
        scale: the factor that turned coordinates in the picture into coordinates on the canvas.
        size_wh: the size of the picture.
    """
    frames = masks.frames.double().numpy() / scale
    grids = masks.grids.numpy()
    texts = np.empty(len(frames), object)
    for number, (row, frame) in enumerate(zip(masks.rows.tolist(), frames, strict=True)):
        part, corner_xy = stretch(grids[row], frame, size_wh)
        runs = runs_of_part(part, corner_xy, (size_wh[1], size_wh[0]))
        texts[number] = compress(runs)
    return texts


def stretch(
    grid: Floats, frame: npt.NDArray[np.float64], size_wh: tuple[int, int]
) -> tuple[npt.NDArray[np.bool_], tuple[int, int]]:
    """The pixels of a picture where a grid is above 0.5, with linear interpolation between cells.

    Args:
        grid: (h, w).
        frame: the box x1, y1, x2, y2 that the grid covers, in px.

    Returns:
        A part of the picture that holds all these pixels, and the part's upper left corner.
    """
    is_likely = grid > LEAST_PROBABILITY
    columns, rows = np.flatnonzero(is_likely.any(axis=0)), np.flatnonzero(is_likely.any(axis=1))
    if not len(columns):
        return np.zeros((0, 0), np.bool_), (0, 0)
    x1, y1, x2, y2 = frame
    left, x_cells = _positions(x1, x2, grid.shape[1], size_wh[0], columns)
    top, y_cells = _positions(y1, y2, grid.shape[0], size_wh[1], rows)
    by_row = _interpolate(grid, y_cells)
    values = _interpolate(by_row.T, x_cells).T
    return values > LEAST_PROBABILITY, (left, top)


def _positions(
    low: float, high: float, num_cells: int, num_px: int, likely: npt.NDArray[np.int64]
) -> tuple[int, npt.NDArray[np.float64]]:
    """The first pixel that may belong to the object along an axis, and pixels' places in the grid.

    Args:
        low, high: the frame's bounds, in px.
        likely: the cells above 0.5; a pixel between two others is not.

    Returns:
        The first pixel, and (N,) the places of the centres of this pixel and the next ones, where 0
        is the centre of the first cell.
    """
    cell_px = (high - low) / num_cells
    # From the centre of the cell before the first likely one to that of the cell after the last.
    first = max(low, low + (likely[0] - 0.5) * cell_px, 0.0)
    last = min(high, low + (likely[-1] + 1.5) * cell_px, float(num_px))
    start, stop = int(np.ceil(first - 0.5)), int(np.ceil(last - 0.5))
    centres = np.arange(start, max(start, stop)) + 0.5
    return start, ((centres - low) / max(cell_px, 1e-9) - 0.5).clip(0, num_cells - 1)


def _interpolate(grid: Floats, places: npt.NDArray[np.float64]) -> Floats:
    """(N, w): the rows of a grid (h, w) at N places between its rows."""
    lower = np.floor(places).astype(np.int64)
    upper = np.minimum(lower + 1, len(grid) - 1)
    share = (places - lower).astype(np.float32)[:, None]
    between: Floats = grid[lower] * (1 - share) + grid[upper] * share
    return between
