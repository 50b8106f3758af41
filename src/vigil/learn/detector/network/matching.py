"""Which anchor is responsible for which object, for a whole batch at once."""

import torch
from torch import Tensor

from vigil.learn.detector.network.overlaps import areas, shared_areas
from vigil.learn.detector.network.tensors import Truth

NEGATIVE = -1
UNCOUNTED = -2
TAKEN = -1.0  # less than any overlap


def match_anchors(
    anchors: Tensor, truth: Truth, positive_iou: float, negative_iou: float
) -> Tensor:
    """Gives anchors to objects.

    An anchor belongs to the object it overlaps most, from `positive_iou` on. Below `negative_iou`
    it is background; between the two, or half covered by a box that is to be ignored, it does not
    count. Every object keeps at least the best anchor that no other object has a better claim to.

    Args:
        anchors: (A, 4).

    Returns:
        (B, A): position of the object in `truth`, NEGATIVE or UNCOUNTED.
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
    iou = shared.div_(areas(truth.boxes)[..., None] + anchor_area - shared)
    iou.masked_fill_(~truth.is_object[..., None], 0)
    best, owner = iou.max(dim=1)
    owner.masked_fill_(best < positive_iou, UNCOUNTED)
    owner.masked_fill_((best < negative_iou) & ~covered, NEGATIVE)
    _keep_best_anchors(iou, anchors, truth, owner)
    return owner


def _keep_best_anchors(iou: Tensor, anchors: Tensor, truth: Truth, owner: Tensor) -> None:
    """Writes each object into `owner` at its best anchor.

    Where several objects want the same one, it goes to the closest, and the others want their next
    best: a further round, for them alone.
    """
    picture, own = truth.is_object.nonzero(as_tuple=True)
    taken = torch.zeros_like(owner, dtype=torch.bool)
    num_anchors = len(anchors)
    while len(picture):
        claims = iou[picture, own].masked_fill_(taken[picture], TAKEN)  # (objects, A)
        strength, wanted = claims.max(dim=1)
        lost = (strength <= 0).nonzero(as_tuple=True)[0]
        if len(lost):  # smaller than the space between anchors: the nearest one will do
            near = _nearness(truth.boxes[picture[lost], own[lost]], anchors)
            strength[lost], wanted[lost] = near.masked_fill_(taken[picture[lost]], TAKEN).max(1)
        place = picture * num_anchors + wanted
        strongest = torch.full((taken.numel(),), TAKEN, device=iou.device)
        strongest.scatter_reduce_(0, place, strength, "amax")
        wins = (strength == strongest[place]) & (strength > TAKEN)
        # Of objects with the very same overlap, the last one written stays; the rest go on.
        claimant = torch.full((taken.numel(),), -1, device=iou.device)
        claimant.scatter_reduce_(0, place[wins], own[wins], "amax")
        wins &= claimant[place] == own
        owner[picture[wins], wanted[wins]] = own[wins]
        taken[picture[wins], wanted[wins]] = True
        on = ~wins & (strength > TAKEN)  # an object that finds every anchor taken gives up
        picture, own = picture[on], own[on]


def _nearness(boxes: Tensor, anchors: Tensor) -> Tensor:
    """(N, 4) and (A, 4) to (N, A): above 0 and below any overlap, larger for nearer centres."""
    distance = torch.cdist(boxes[:, :2] + boxes[:, 2:], anchors[:, :2] + anchors[:, 2:])
    return 1e-9 / (1 + distance)
