"""How far the boxes of a batch overlap."""

import torch
from torch import Tensor


def areas(boxes: Tensor) -> Tensor:
    """(..., 4) to (...)."""
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def shared_areas(boxes: Tensor, others: Tensor) -> Tensor:
    """(B, M, 4) and (A, 4) or (B, A, 4) to (B, M, A)."""
    x1, y1, x2, y2 = boxes[:, :, None].unbind(-1)
    left, top, right, bottom = others.unsqueeze(-3).unbind(-1)  # (1 or B, 1, A)
    width = torch.minimum(x2, right).sub_(torch.maximum(x1, left)).clamp_(min=0)
    height = torch.minimum(y2, bottom).sub_(torch.maximum(y1, top)).clamp_(min=0)
    return width.mul_(height)


def pairwise_iou(boxes: Tensor, others: Tensor) -> Tensor:
    """(B, M, 4) and (A, 4) or (B, A, 4) to (B, M, A); 0 where neither has an area."""
    shared = shared_areas(boxes, others)
    union = areas(boxes)[..., None] + areas(others).unsqueeze(-2) - shared
    return shared / union.clamp(min=1e-9)


def matched_iou(boxes: Tensor, others: Tensor) -> Tensor:
    """(N, 4) and (N, 4) to (N,): of each box with the other of its row."""
    return pairwise_iou(boxes[:, None], others[:, None])[:, 0, 0]
