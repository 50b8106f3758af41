"""Losses of the scores of classes in pixels, selected by name.

All take logits (B, C, H, W), and compute in float32. The true classes are (B, H, W) int64, where
`IGNORED` marks pixels that do not count. Without a pixel that counts, a loss is 0.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from vigil.learn.segmenter.network.interface import IGNORED

SMOOTH_PX = 1.0
"""Added to both areas of the Dice coefficient, so that it is finite and smooth for small masks."""


def cross_entropy(
    logits: Tensor, truth: Tensor, class_weights: Tensor | None = None, fraction: float = 1.0
) -> Tensor:
    """The mean cross-entropy of pixels, weighted by the weights of their true classes.

    Args:
        class_weights: (C,).
        fraction: of the pixels that count, those with the largest losses.
    """
    losses = functional.cross_entropy(
        logits.float(), truth, class_weights, ignore_index=IGNORED, reduction="none"
    )
    return _mean(losses, weigh_pixels(truth, class_weights), truth != IGNORED, fraction)


def binary_cross_entropy(
    logits: Tensor, truth: Tensor, class_weights: Tensor | None = None, fraction: float = 1.0
) -> Tensor:
    """The mean over pixels of the sum over classes of independent yes-or-no losses.

    Args: as `cross_entropy`; a weight is that of the class in question.
    """
    is_counted = truth != IGNORED
    target = one_hot(truth, logits.shape[1])
    losses = functional.binary_cross_entropy_with_logits(
        logits.float(),
        target,
        None if class_weights is None else class_weights.view(1, -1, 1, 1),
        reduction="none",
    ).sum(dim=1)
    return _mean(losses * is_counted, is_counted.float(), is_counted, fraction)


def weigh_pixels(truth: Tensor, class_weights: Tensor | None = None) -> Tensor:
    """(B, H, W) float32: the weight of each pixel in a mean; 0 for one to be ignored."""
    is_counted = truth != IGNORED
    if class_weights is None:
        return is_counted.float()
    return class_weights[truth.where(is_counted, 0)] * is_counted


def dice(
    logits: Tensor,
    truth: Tensor,
    class_weights: Tensor | None = None,
    *,
    are_independent: bool = False,
) -> Tensor:
    """1 minus the Dice coefficient, averaged over the classes of a picture, then over pictures.

    The coefficient is that of each picture, so that it does not depend on the batch (Milletari,
    Navab and Ahmadi, "V-Net", 2016). A class that a picture's truth lacks takes no part: a few
    pixels of probability would cost as much as the loss of a whole object, and a rare class would
    only learn to be absent.

    Args:
        class_weights: (C,), of the average over classes.
        are_independent: whether each class has a probability of its own (sigmoid), or all sum to 1.
    """
    floats = logits.float()
    scores = floats.sigmoid() if are_independent else floats.softmax(dim=1)
    is_counted = (truth != IGNORED)[:, None]
    target = one_hot(truth, logits.shape[1])
    scores = scores * is_counted
    shared = (scores * target).sum((2, 3))
    areas = scores.sum((2, 3)) + target.sum((2, 3))
    costs = 1 - (2 * shared + SMOOTH_PX) / (areas + SMOOTH_PX)
    weights = target.any((2, 3)).float()
    if class_weights is not None:
        weights = weights * class_weights
    return ((costs * weights).sum(1) / weights.sum(1).clamp(min=1e-12)).mean()


def one_hot(truth: Tensor, num_classes: int) -> Tensor:
    """(B, H, W) classes to (B, C, H, W) float32; a pixel to be ignored is of no class."""
    classes = torch.arange(num_classes, device=truth.device).view(1, -1, 1, 1)
    return (truth[:, None] == classes).float()


def _mean(losses: Tensor, weights: Tensor, is_counted: Tensor, fraction: float) -> Tensor:
    """The sum of losses by the sum of weights, of all pixels, or of those with the largest losses.

    All pixels whose loss is as large as the smallest that counts count, too: then the result does
    not depend on the order of pixels.

    Args:
        losses, weights: (B, H, W), 0 where pixels do not count.
    """
    if fraction < 1 and is_counted.any():
        counted = losses.detach()[is_counted]
        num_hard = max(math.ceil(fraction * len(counted) - 1e-9), 1)
        least = counted.sort(descending=True).values[num_hard - 1]
        is_hard = is_counted & (losses.detach() >= least)
        losses, weights = losses * is_hard, weights * is_hard
    return losses.sum() / weights.sum().clamp(min=1e-12)
