"""Assigns places to objects by the current predictions of the network.

SimOTA: Ge et al., "YOLOX: Exceeding YOLO Series in 2021", 2021, section 2.1, a short form of Ge et
al., "OTA: Optimal Transport Assignment for Object Detection", 2021. Each object takes those places
whose predictions describe it best. Their number follows from the overlaps of the best of them.
"""

import torch
from torch import Tensor
from torch.nn import functional

from vigil.learn.detector.network.overlaps import pairwise_iou
from vigil.learn.detector.network.tensors import Truth

IOU_WEIGHT = 3.0
NUM_BEST = 10
"""Overlaps that are added up to the number of places of an object."""
FAR_COST = 1e5
"""The cost that is added to a place that is not preferred."""


@torch.no_grad()
def assign_simota(
    boxes: Tensor, scores: Tensor, is_candidate: Tensor, is_preferred: Tensor, truth: Truth
) -> tuple[Tensor, Tensor]:
    """Assigns places to objects.

    The cost of a place is its class loss, plus 3 times its box loss -log IoU. The class loss takes
    the scores themselves; the code of YOLOX's authors takes their square roots.

    Args:
        boxes: (B, A, 4), the network's predictions.
        scores: (B, A, C) of each class, objectness included, in [0, 1].
        is_candidate: (B, M, A) whether an object may have a place.
        is_preferred: (B, M, A), or for all: other candidates only stand in for these.

    Returns:
        (B, A) position of the object in `truth`, -1 for none; (B, A) its overlap with the place's
        box.
    """
    num_objects, num_places = truth.boxes.shape[1], boxes.shape[1]
    if num_objects == 0:
        nobody = torch.full(boxes.shape[:2], -1, dtype=torch.int64, device=boxes.device)
        return nobody, torch.zeros_like(boxes[..., 0])
    is_candidate = is_candidate & truth.is_object[..., None]
    iou = pairwise_iou(truth.boxes, boxes).masked_fill_(~is_candidate, 0)
    cost = _class_cost(scores, truth.labels) - IOU_WEIGHT * (iou + 1e-8).log()
    cost += FAR_COST * ~is_preferred
    cost.masked_fill_(~is_candidate, torch.inf)
    most = min(NUM_BEST, num_places)
    num_wanted = iou.topk(most, dim=2).values.sum(dim=2).int().clamp(min=1)  # (B, M)
    cheapest = cost.topk(most, dim=2, largest=False).indices  # cheapest first
    is_wanted = torch.arange(most, device=boxes.device) < num_wanted[..., None]
    chosen = torch.zeros_like(is_candidate).scatter_(2, cheapest, is_wanted) & is_candidate
    # A place that several objects want goes to the one that it costs least.
    best, owner = cost.masked_fill(~chosen, torch.inf).min(dim=1)
    owner = owner.masked_fill(best == torch.inf, -1)
    quality = iou.gather(1, owner.clamp(min=0)[:, None])[:, 0]
    return owner, quality.masked_fill(owner < 0, 0)


def _class_cost(scores: Tensor, labels: Tensor) -> Tensor:
    """(B, M, A): the cross-entropy of each place's scores, were it to find each object."""
    sure = scores.clamp(1e-6, 1 - 1e-6)
    absent = -torch.log1p(-sure)  # (B, A, C), of a class that is not there
    change = -sure.log() - absent  # of the one that is
    one_hot = functional.one_hot(labels, scores.shape[2]).to(scores.dtype)  # (B, M, C)
    cost: Tensor = absent.sum(dim=2)[:, None] + one_hot @ change.transpose(1, 2)
    return cost
