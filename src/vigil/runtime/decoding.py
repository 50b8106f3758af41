"""Decodes the outputs of a detector's network into boxes, with numpy alone.

The network has an output for each of A places of a picture: 4 numbers of the box, the logit of
objectness, and the logit of each class. The card says in `decoding` how the box is encoded and
where the places are. These are the formulas of `learn/detector/network`: `grid`, `yolox`, `anchor`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from vigil.runtime.activations import sigmoid

Floats = npt.NDArray[np.float32]

MAX_CANDIDATES = 1000
"""The largest number of boxes in a picture that are passed on to suppression."""
MAX_LOG_SIZE = 8.0


class Candidates(NamedTuple):
    """Boxes in one picture, the highest score first.

    Attributes:
        boxes: (K, 4) corners in px of the canvas.
        scores: (K,) in [0, 1].
        labels: (K,) numbers of classes.
    """

    boxes: Floats
    scores: Floats
    labels: npt.NDArray[np.int64]


class Map(NamedTuple):
    """A map of a network.

    Attributes:
        stride: the side of its cells in px.
        grid: its rows and columns.
        shapes_wh: widths and heights in px of the anchors of a cell; empty: the cell is the place.
    """

    stride: int
    grid: tuple[int, int]
    shapes_wh: Sequence[tuple[float, float]]


def read_maps(decoding: Mapping[str, Any]) -> list[Map]:
    """The maps that a card describes.

    Raises:
        KeyError, TypeError, ValueError: it describes none.
    """
    return [
        Map(
            int(one["stride"]),
            (int(one["rows"]), int(one["columns"])),
            [(float(width), float(height)) for width, height in one["shapes_wh"]],
        )
        for one in decoding["maps"]
    ]


def places_of(maps: Sequence[Map]) -> Floats:
    """All places, map by map and row by row: cells (A, 3), x, y and stride; or anchors (A, 4)."""
    parts: list[npt.NDArray[Any]] = []
    for stride, (rows, columns), shapes_wh in maps:
        y, x = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
        cells = np.stack([x, y], axis=-1).reshape(-1, 2)
        centres = ((cells + 0.5) * stride).astype(np.float32)
        if shapes_wh:
            shapes = np.array(shapes_wh, np.float32)
            corners = [centres[:, None] - shapes / 2, centres[:, None] + shapes / 2]
            parts.append(np.concatenate(corners, axis=-1).reshape(-1, 4))
        else:
            strides = np.full((len(centres), 1), stride, np.float32)
            parts.append(np.concatenate([centres, strides], axis=1))
    places: Floats = np.concatenate(parts).astype(np.float32, copy=False)
    return places


def _decode_grid(encoded: Floats, cells: Floats) -> Floats:
    centres, stride = cells[:, :2], cells[:, 2:]
    return _corners(centres + stride * np.tanh(encoded[..., :2]), stride * _exp(encoded[..., 2:]))


def _decode_yolox(encoded: Floats, cells: Floats) -> Floats:
    centres, stride = cells[:, :2], cells[:, 2:]
    corner = centres - stride / 2
    return _corners(corner + stride * encoded[..., :2], stride * _exp(encoded[..., 2:]))


def _decode_anchor(encoded: Floats, anchors: Floats) -> Floats:
    size = anchors[:, 2:] - anchors[:, :2]
    centres = (anchors[:, :2] + anchors[:, 2:]) / 2
    return _corners(centres + encoded[..., :2] * size, _exp(encoded[..., 2:]) * size)


DECODERS: dict[str, Callable[[Floats, Floats], Floats]] = {
    "grid": _decode_grid,
    "yolox": _decode_yolox,
    "anchor": _decode_anchor,
}
"""Encoded boxes (..., A, 4) and places (A, ...) to corners (..., A, 4) in px, by kind."""


def best_candidates(
    boxes: Floats, scores: Floats, size_wh: tuple[int, int], least_score: float
) -> Candidates:
    """The (box, class) pairs of one picture with the highest scores, at most `MAX_CANDIDATES`.

    Of equal scores, the pair at the earlier place comes first.

    Args:
        boxes: (A, 4).
        scores: (A, C).
        size_wh: of the canvas; boxes are clipped to it, and those without area are left out.
        least_score: pairs with a lower score are left out.
    """
    flat = scores.ravel()  # the pair at position p has box p // C and class p % C
    chosen = np.flatnonzero(flat >= least_score)
    order = chosen[np.argsort(-flat[chosen], kind="stable")[:MAX_CANDIDATES]]
    limits = np.array([*size_wh, *size_wh], np.float32)
    corners = np.clip(boxes[order // scores.shape[1]], np.float32(0), limits)
    has_area = (corners[:, 2] > corners[:, 0]) & (corners[:, 3] > corners[:, 1])
    order = order[has_area]
    return Candidates(corners[has_area], flat[order], order % scores.shape[1])


def decode_outputs(
    outputs: Floats, kind: str, places: Floats, size_wh: tuple[int, int], least_score: float
) -> list[Candidates]:
    """The candidates of each picture of a batch.

    Args:
        outputs: (B, A, 4 + 1 + C) of the network.
        kind: one of `DECODERS`.
        places: (A, ...), see `places_of`.
    """
    boxes = DECODERS[kind](outputs[..., :4], places)
    scores = sigmoid(outputs[..., 4:5]) * sigmoid(outputs[..., 5:])  # objectness times class
    return [
        best_candidates(one, of_one, size_wh, least_score)
        for one, of_one in zip(boxes, scores, strict=True)
    ]


def _exp(sizes: Floats) -> Floats:
    return np.asarray(np.exp(np.minimum(sizes, np.float32(MAX_LOG_SIZE))))


def _corners(middle: npt.NDArray[Any], size: npt.NDArray[Any]) -> Floats:
    return np.concatenate([middle - size / 2, middle + size / 2], axis=-1).astype(np.float32)
