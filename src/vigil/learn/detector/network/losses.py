"""Losses of detectors, as sums over all boxes or logits."""

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.ops import (
    complete_box_iou_loss,
    generalized_box_iou_loss,
    sigmoid_focal_loss,
)

from vigil.learn.detector.network.overlaps import matched_iou
from vigil.settings.train_detector import BoxLoss, ScoreLoss

SMOOTH_L1_BETA = 1 / 9  # Ren et al., "Faster R-CNN", 2015


def box_loss(
    name: BoxLoss, encoded: Tensor, targets: Tensor, boxes: Tensor, truth: Tensor
) -> Tensor:
    """The sum of the losses of N boxes.

    SmoothL1 (Girshick, "Fast R-CNN", 2015) compares `encoded` with `targets`. GIoU (Rezatofighi et
    al., 2019) and CIoU (Zheng et al., 2020) compare `boxes` with `truth`.

    Args:
        encoded: (N, 4), the network's outputs.
        targets: (N, 4), the true boxes in the same encoding.
        boxes: (N, 4), the predicted boxes in px.
        truth: (N, 4), the true boxes in px.
    """
    if name == "smooth_l1":
        return functional.smooth_l1_loss(encoded, targets, reduction="sum", beta=SMOOTH_L1_BETA)
    if name == "iou":
        return (1 - matched_iou(boxes, truth).square()).sum()
    loss = generalized_box_iou_loss if name == "giou" else complete_box_iou_loss
    total: Tensor = loss(boxes, truth, reduction="sum")
    return total


def score_loss(name: ScoreLoss, logits: Tensor, targets: Tensor) -> Tensor:
    """The sum of binary cross-entropies, plain or focal (Lin et al., 2017: alpha 0.25, gamma 2)."""
    if name == "focal":
        total: Tensor = sigmoid_focal_loss(logits, targets, reduction="sum")
        return total
    return functional.binary_cross_entropy_with_logits(logits, targets, reduction="sum")


def one_hot(labels: Tensor, num_classes: int) -> Tensor:
    """(N,) to (N, num_classes) float."""
    return functional.one_hot(labels, num_classes).to(torch.float32)
