"""Non-maximum suppression: removes boxes that mark the same object as a better one."""

import torch
from torch import Tensor
from torchvision.ops import batched_nms, box_iou

from vigil.learn.detector.network.tensors import Candidates
from vigil.settings.suppression import Suppression


def suppress(candidates: Candidates, settings: Suppression) -> Candidates:
    """Returns the boxes that are kept, the highest score first."""
    is_confident = candidates.scores >= settings.min_score
    boxes, scores, labels = (
        candidates.boxes[is_confident],
        candidates.scores[is_confident],
        candidates.labels[is_confident],
    )
    if settings.method == "hard":
        kept = batched_nms(boxes.float(), scores.float(), labels, settings.iou)
    else:
        scores = soften(boxes, scores, labels, settings.sigma)
        kept = scores.argsort(descending=True, stable=True)
        kept = kept[scores[kept] >= settings.min_score]
    kept = kept[: settings.max_boxes]
    masks = candidates.masks
    if masks is not None:
        masks = masks.select(is_confident.nonzero().flatten()[kept])
    return Candidates(boxes[kept], scores[kept], labels[kept], masks)


def soften(boxes: Tensor, scores: Tensor, labels: Tensor, sigma: float) -> Tensor:
    """(N,): the scores after Gaussian soft-NMS within each class.

    Soft-NMS: Bodla et al., "Soft-NMS: Improving Object Detection With One Line of Code", 2017.
    """
    softened = scores.clone().float()
    is_same_class = labels[:, None] == labels[None]
    decay = (-(box_iou(boxes, boxes) ** 2) / sigma).exp().masked_fill(~is_same_class, 1.0)
    # In each round, the best box of those left is kept, and the scores of the others decay with
    # their overlap.
    is_left = torch.ones_like(softened, dtype=torch.bool)
    for _ in range(len(softened)):
        best = int(softened.masked_fill(~is_left, -1.0).argmax())
        is_left[best] = False
        softened = torch.where(is_left, softened * decay[best], softened)
    return softened
