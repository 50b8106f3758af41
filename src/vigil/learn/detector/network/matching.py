"""Assigns anchors to objects, for a whole batch at once."""

import torch
from torch import Tensor

from vigil.learn.detector.network.overlaps import areas, shared_areas
from vigil.learn.detector.network.tensors import Truth

NEGATIVE = -1
UNCOUNTED = -2
TAKEN = -1.0  # the overlap of an anchor that is taken, less than any real overlap


def match_anchors(
    anchors: Tensor, truth: Truth, positive_iou: float, negative_iou: float
) -> Tensor:
    """Assigns anchors to objects.

    An anchor is assigned to the object with the highest IoU if that is at least `positive_iou`. It
    is background if all IoU are below `negative_iou`. Otherwise it does not count. An anchor that
    would be background does not count either if a box to be ignored covers half of it. In addition,
    every object gets the best anchor that no other object overlaps more.

    Args:
        anchors: (A, 4).

    Returns:
        (B, A): index of the object in `truth`, NEGATIVE (background) or UNCOUNTED.
    """
    num_pictures, num_objects = truth.boxes.shape[:2]
    if num_objects == 0:
        return torch.full((num_pictures, len(anchors)), NEGATIVE, device=anchors.device)
    shared = shared_areas(truth.boxes, anchors)  # (B, M, A)
    anchor_area = areas(anchors)
    covered = torch.zeros_like(shared[:, 0], dtype=torch.bool)
    if bool(truth.is_ignored.any()):
        ignored = shared.masked_fill(~truth.is_ignored[..., None], 0).amax(dim=1)
        covered = ignored >= 0.5 * anchor_area
    # The memory of the shared area is used again for the IoU; both are the largest tensors here.
    iou = shared.div_(areas(truth.boxes)[..., None] + anchor_area - shared)
    iou.masked_fill_(~truth.is_object[..., None], 0)
    best, owner = iou.max(dim=1)
    owner.masked_fill_(best < positive_iou, UNCOUNTED)
    owner.masked_fill_((best < negative_iou) & ~covered, NEGATIVE)
    _keep_best_anchors(iou, anchors, truth, owner)
    return owner


def _keep_best_anchors(iou: Tensor, anchors: Tensor, truth: Truth, owner: Tensor) -> None:
    """Assigns each object to its best anchor, in `owner`.

    If an anchor is the best of several objects, it goes to the object with the highest IoU. In the
    next round, the other objects take their best anchors of those that are left.

    Args:
        iou: (B, M, A).
        owner: (B, A), changed in place.
    """
    # (objects,): the indices of the pictures and objects that have no anchor yet.
    picture, object_index = truth.is_object.nonzero(as_tuple=True)
    taken = torch.zeros_like(owner, dtype=torch.bool)
    num_anchors = len(anchors)
    while len(picture):
        free_iou = iou[picture, object_index].masked_fill_(taken[picture], TAKEN)  # (objects, A)
        best_iou, best_anchor = free_iou.max(dim=1)
        # An object that overlaps no free anchor takes the nearest free one.
        no_overlap = (best_iou <= 0).nonzero(as_tuple=True)[0]
        if len(no_overlap):
            nearness = _nearness(
                truth.boxes[picture[no_overlap], object_index[no_overlap]], anchors
            )
            best_iou[no_overlap], best_anchor[no_overlap] = nearness.masked_fill_(
                taken[picture[no_overlap]], TAKEN
            ).max(1)
        # The highest IoU at each anchor of the whole batch; an object wins if it has that IoU.
        place = picture * num_anchors + best_anchor
        highest_iou = torch.full((taken.numel(),), TAKEN, device=iou.device)
        highest_iou.scatter_reduce_(0, place, best_iou, "amax")
        wins = (best_iou == highest_iou[place]) & (best_iou > TAKEN)
        # Of several objects with the same IoU, the one with the highest index wins.
        winner = torch.full((taken.numel(),), -1, device=iou.device)
        winner.scatter_reduce_(0, place[wins], object_index[wins], "amax")
        wins &= winner[place] == object_index
        owner[picture[wins], best_anchor[wins]] = object_index[wins]
        taken[picture[wins], best_anchor[wins]] = True
        # An object for which every anchor is taken gets none.
        remains = ~wins & (best_iou > TAKEN)
        picture, object_index = picture[remains], object_index[remains]


def _nearness(boxes: Tensor, anchors: Tensor) -> Tensor:
    """(N, 4) and (A, 4) to (N, A): larger for nearer centres, above 0, less than any real IoU."""
    distance = torch.cdist(boxes[:, :2] + boxes[:, 2:], anchors[:, :2] + anchors[:, 2:])
    return 1e-9 / (1 + distance)
