"""Predicts the class of each pixel of pictures of any size: resized, or tile by tile."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vigil.domain.masks.class_map import ClassMap
from vigil.learn.networks.machine import choose_precision
from vigil.learn.segmenter.network.data import fitted_size
from vigil.learn.segmenter.network.interface import Segmenter, enlarge
from vigil.learn.segmenter.network.tiles import tiles_of
from vigil.pixels.fitting import PADDING_RGB, letterbox
from vigil.pixels.pictures.picture import Picture
from vigil.settings.train_segmenter import LossName, View
from vigil.settings.training import Precision

REDUCED = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


class Segmentation(NamedTuple):
    """The prediction for one picture.

    Attributes:
        classes: (H, W) uint8: the position of the class with the highest score.
        scores: (H, W) float32: this score, in [0, 1].
    """

    classes: ClassMap
    scores: npt.NDArray[np.float32]


class Prediction(NamedTuple):
    """How a network predicts.

    Attributes:
        canvas_wh: the size of what the network sees.
        view: whether pictures are resized, or looked at in tiles.
        loss: the loss that the network was trained with; its scores are independent for `bce`.
        precision: of the arithmetic.
    """

    canvas_wh: tuple[int, int]
    view: View
    loss: LossName
    precision: Precision


def scores_of(logits: Tensor, loss: LossName) -> Tensor:
    """(B, C, H, W) logits to scores in [0, 1]: independent ones for `bce`, else ones of sum 1."""
    return logits.sigmoid() if loss.startswith("bce") else logits.softmax(dim=1)


def run_network(network: Segmenter, pictures: Tensor, precision: Precision) -> Tensor:
    """(B, C, H, W) float32 logits of pictures (B, 3, H, W) uint8, on the network's device."""
    device = next(network.parameters()).device
    dtype = REDUCED.get(choose_precision(precision, device))
    with torch.autocast(device.type, dtype, enabled=dtype is not None):
        maps = network.maps(pictures.to(device))["main"]
    return enlarge(maps, pictures.shape[-2:])


def segment_resized(
    network: Segmenter, pictures: Sequence[Picture], how: Prediction
) -> list[Segmentation]:
    """Predicts several pictures (H, W, 3) in one batch, each fitted to the canvas."""
    canvases = np.stack([letterbox(picture, how.canvas_wh)[0] for picture in pictures])
    logits = run_network(network, torch.from_numpy(canvases).movedim(-1, 1), how.precision)
    found = []
    for one, picture in zip(logits, pictures, strict=True):
        size_hw = picture.shape[:2]
        width, height = fitted_size((size_hw[1], size_hw[0]), how.canvas_wh)
        scores = scores_of(one[None, :, :height, :width], how.loss)
        found.append(_best(enlarge(scores, size_hw)[0]))
    return found


def segment_tiled(
    network: Segmenter, picture: Picture, how: Prediction, *, overlap: float, batch_size: int
) -> Segmentation:
    """Predicts one picture (H, W, 3) tile by tile, and averages the scores where tiles overlap.

    Args:
        overlap: the share of a tile's side that it has in common with the next one.
    """
    width, height = how.canvas_wh
    tiles = tiles_of((picture.shape[1], picture.shape[0]), how.canvas_wh, overlap)
    canvases = np.full((len(tiles), height, width, 3), PADDING_RGB, np.uint8)
    for canvas, (x1, y1, x2, y2) in zip(canvases, tiles, strict=True):
        canvas[: y2 - y1, : x2 - x1] = picture[y1:y2, x1:x2]
    sums: Tensor | None = None
    counts = torch.zeros(picture.shape[:2])
    for start in range(0, len(tiles), batch_size):
        part = torch.from_numpy(canvases[start : start + batch_size]).movedim(-1, 1)
        scores = scores_of(run_network(network, part, how.precision), how.loss).cpu()
        if sums is None:
            sums = torch.zeros(scores.shape[1], *picture.shape[:2])
        for one, (x1, y1, x2, y2) in zip(scores, tiles[start : start + batch_size], strict=True):
            sums[:, y1:y2, x1:x2] += one[:, : y2 - y1, : x2 - x1]
            counts[y1:y2, x1:x2] += 1
    assert sums is not None
    return _best(sums / counts)


def _best(scores: Tensor) -> Segmentation:
    """The class with the highest score in each pixel of (C, H, W); of equal ones, the first."""
    highest, classes = scores.max(dim=0)
    return Segmentation(
        classes.to(torch.uint8).cpu().numpy(), highest.to(torch.float32).cpu().numpy()
    )
