"""Removing the boxes that say the same thing twice."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torchvision.ops import batched_nms, box_iou

from vigil.learn.detector.network.tensors import Candidates


@dataclass(frozen=True)
class Suppression:
    """How many boxes of a class may stand on one object.

    Attributes:
        method: `hard` removes a box that overlaps a better one of its class by more than `iou`;
            `soft` lowers its score by exp(-overlap^2 / sigma) (Bodla et al., "Soft-NMS", 2017).
        iou: of `hard`.
        sigma: of `soft`.
        min_score: lower ones are dropped, before and after.
        max_boxes: a picture.
    """

    method: Literal["hard", "soft"] = "hard"
    iou: float = 0.7
    sigma: float = 0.5
    min_score: float = 0.01
    max_boxes: int = 100

    def __call__(self, found: Candidates) -> Candidates:
        """The boxes that stay, best first."""
        sure = found.scores >= self.min_score
        boxes, scores, labels = found.boxes[sure], found.scores[sure], found.labels[sure]
        if self.method == "hard":
            kept = batched_nms(boxes.float(), scores.float(), labels, self.iou)
        else:
            scores = soften(boxes, scores, labels, self.sigma)
            kept = scores.argsort(descending=True, stable=True)
            kept = kept[scores[kept] >= self.min_score]
        kept = kept[: self.max_boxes]
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
