"""Removing the boxes that say the same thing twice."""

import torch
from torch import Tensor
from torchvision.ops import batched_nms, box_iou

from vigil.learn.detector.network.tensors import Candidates
from vigil.settings.suppression import Suppression


def suppress(found: Candidates, settings: Suppression) -> Candidates:
    """The boxes that stay, best first."""
    sure = found.scores >= settings.min_score
    boxes, scores, labels = found.boxes[sure], found.scores[sure], found.labels[sure]
    if settings.method == "hard":
        kept = batched_nms(boxes.float(), scores.float(), labels, settings.iou)
    else:
        scores = soften(boxes, scores, labels, settings.sigma)
        kept = scores.argsort(descending=True, stable=True)
        kept = kept[scores[kept] >= settings.min_score]
    kept = kept[: settings.max_boxes]
    return Candidates(boxes[kept], scores[kept], labels[kept])


def soften(boxes: Tensor, scores: Tensor, labels: Tensor, sigma: float) -> Tensor:
    """(N,) scores after Gaussian soft-NMS within each class."""
    softened = scores.clone().float()
    same = labels[:, None] == labels[None]
    decay = (-(box_iou(boxes, boxes) ** 2) / sigma).exp().masked_fill(~same, 1.0)
    waiting = torch.ones_like(softened, dtype=torch.bool)
    for _ in range(len(softened)):
        best = int(softened.masked_fill(~waiting, -1.0).argmax())
        waiting[best] = False
        softened = torch.where(waiting, softened * decay[best], softened)
    return softened
