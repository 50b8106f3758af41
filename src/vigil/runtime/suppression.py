"""Non-maximum suppression with numpy alone: of boxes that mark one object, the best is kept.

It gives the boxes of `learn/detector/network/suppression.py`, which needs torch.
"""

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from vigil.runtime.decoding import Candidates, Floats


class Rule(Protocol):
    """Which boxes are kept; `vigil.settings.suppression.Suppression` explains the numbers."""

    @property
    def method(self) -> str: ...
    @property
    def iou(self) -> float: ...
    @property
    def sigma(self) -> float: ...
    @property
    def min_score(self) -> float: ...
    @property
    def max_boxes(self) -> int: ...


class StoredRule(NamedTuple):
    """The rule in a card."""

    method: str
    iou: float
    sigma: float
    min_score: float
    max_boxes: int


def suppress(candidates: Candidates, rule: Rule) -> Candidates:
    """Returns the boxes that are kept, the highest score first."""
    is_confident = candidates.scores >= np.float32(rule.min_score)
    boxes, scores = candidates.boxes[is_confident], candidates.scores[is_confident]
    labels = candidates.labels[is_confident]
    if rule.method == "hard":
        kept = _keep_hard(boxes, labels, rule.iou)
    else:
        scores = _soften(boxes, scores, labels, rule.sigma)
        kept = np.argsort(-scores, kind="stable")
        kept = kept[scores[kept] >= np.float32(rule.min_score)]
    kept = kept[: rule.max_boxes]
    return Candidates(boxes[kept], scores[kept], labels[kept])


def _keep_hard(
    boxes: Floats, labels: npt.NDArray[np.int64], largest_iou: float
) -> npt.NDArray[np.int64]:
    """The positions of boxes that overlap no kept better box of their class by more."""
    is_left = np.ones(len(boxes), np.bool_)
    for best in range(len(boxes)):
        if is_left[best]:
            later = (
                best
                + 1
                + np.flatnonzero(is_left[best + 1 :] & (labels[best + 1 :] == labels[best]))
            )
            overlaps = _overlaps(boxes[best], boxes[later])
            # In 64 bits: 0.7 in 32 bits is another number.
            is_left[later[overlaps > np.float64(largest_iou)]] = False
    return np.flatnonzero(is_left)


def _soften(boxes: Floats, scores: Floats, labels: npt.NDArray[np.int64], sigma: float) -> Floats:
    """(N,): the scores after Gaussian soft-NMS within each class (Bodla et al., 2017)."""
    softened = scores.copy()
    is_left = np.ones(len(scores), np.bool_)
    for _ in range(len(scores)):
        best = int(np.where(is_left, softened, np.float32(-1)).argmax())
        is_left[best] = False
        others = np.flatnonzero(is_left & (labels == labels[best]))
        overlaps = _overlaps(boxes[best], boxes[others])
        softened[others] *= np.exp(-(overlaps**2) / np.float32(sigma))
    return softened


def _overlaps(box: Floats, others: Floats) -> Floats:
    """(N,): the IoU of a box with each of N boxes."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = np.maximum(sides, 0).prod(axis=1)
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1)
    return np.asarray(shared / ((box[2:] - box[:2]).prod() + areas - shared))
