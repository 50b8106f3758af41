"""By what torchvision's detectors of one stage divide their losses, found out from outside.

SSD and FCOS divide the losses of a batch by its number of matched places. RetinaNet divides those
of each picture by its own number, and averages over pictures.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torchvision.models.detection.fcos import FCOSHead
from torchvision.ops import box_iou


class CountingHead(FCOSHead):  # type: ignore[misc]
    """The parts of another head of FCOS, under their names, with a count.

    Attributes:
        num_matched: the number of places of the last batch that were matched with an object.
    """

    def __init__(self, head: FCOSHead) -> None:
        nn.Module.__init__(self)  # a new FCOSHead would draw random weights
        self.box_coder = head.box_coder
        self.classification_head = head.classification_head
        self.regression_head = head.regression_head
        self.num_matched = 0

    def compute_loss(
        self,
        targets: list[dict[str, Tensor]],
        head_outputs: dict[str, Tensor],
        anchors: list[Tensor],
        matched_idxs: list[Tensor],
    ) -> dict[str, Tensor]:
        self.num_matched = sum(int((one >= 0).sum()) for one in matched_idxs)
        losses: dict[str, Tensor] = super().compute_loss(
            targets, head_outputs, anchors, matched_idxs
        )
        return losses


@contextmanager
def outputs_kept(*modules: nn.Module) -> Iterator[list[Any]]:
    """What some modules return within the block, in the order of the calls."""
    kept: list[Any] = []
    handles = [
        module.register_forward_hook(lambda _module, _inputs, output: kept.append(output))
        for module in modules
    ]
    try:
        yield kept
    finally:
        for handle in handles:
            handle.remove()


def count_matched(
    network: Any, targets: Sequence[dict[str, Tensor]], anchors: Sequence[Tensor]
) -> int:
    """The number of anchors that SSD matches with objects.

    Args:
        network: the SSD.
        targets: of each picture, with `boxes` (N, 4) in px of the network's input.
        anchors: (A, 4) of each picture.
    """
    return sum(
        int((network.proposal_matcher(box_iou(target["boxes"], own)) >= 0).sum())
        for target, own in zip(targets, anchors, strict=True)
        if len(target["boxes"])
    )
