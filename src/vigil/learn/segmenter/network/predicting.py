"""Scores the classes of each pixel of canvases, and of the pictures that were fitted to them."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vigil.learn.networks.machine import choose_precision
from vigil.learn.segmenter.network.interface import Segmenter, enlarge
from vigil.pixels.canvases import fitted_size
from vigil.pixels.pictures.picture import Picture
from vigil.settings.train_segmenter import LossName, View
from vigil.settings.training import Precision

Floats = npt.NDArray[np.float32]
REDUCED = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


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
    return logits.sigmoid() if are_independent(loss) else logits.softmax(dim=1)


def are_independent(loss: LossName) -> bool:
    """Whether a loss makes the scores of classes independent."""
    return loss.startswith("bce")


def run_network(network: Segmenter, pictures: Tensor, precision: Precision) -> Tensor:
    """(B, C, H, W) float32 logits of pictures (B, 3, H, W) uint8, on the network's device."""
    device = next(network.parameters()).device
    dtype = REDUCED.get(choose_precision(precision, device))
    with torch.autocast(device.type, dtype, enabled=dtype is not None):
        maps = network.maps(pictures.to(device))["main"]
    return enlarge(maps, pictures.shape[-2:])


def score_canvases(network: Segmenter, canvases: Picture, how: Prediction) -> Floats:
    """(B, C, H, W): the scores of each class on canvases (B, H, W, 3)."""
    logits = run_network(network, torch.from_numpy(canvases).movedim(-1, 1), how.precision)
    scores: Floats = scores_of(logits, how.loss).cpu().numpy()
    return scores


def score_fitted(
    network: Segmenter, canvases: Picture, sizes_wh: Sequence[tuple[int, int]], how: Prediction
) -> Iterator[Floats]:
    """(C, H, W) of each picture that was fitted to a canvas (B, H, W, 3), in its own size.

    Args:
        sizes_wh: of the pictures before they were fitted.
    """
    logits = run_network(network, torch.from_numpy(canvases).movedim(-1, 1), how.precision)
    for one, size_wh in zip(logits, sizes_wh, strict=True):
        width, height = fitted_size(size_wh, how.canvas_wh)
        scores = scores_of(one[None, :, :height, :width], how.loss)
        enlarged: Floats = enlarge(scores, (size_wh[1], size_wh[0]))[0].cpu().numpy()
        yield enlarged
