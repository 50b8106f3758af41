"""Chooses few boxes of a track as keyframes, between which the other boxes are interpolated.

The track is split at the box that the line between two keyframes misses by most, until it misses no
box by too much (Douglas and Peucker, "Algorithms for the Reduction of the Number of Points Required
to Represent a Digitized Line or its Caricature", 1973). Keyframes that turn out to be needless are
removed afterwards.
"""

import numpy as np
import numpy.typing as npt

from vigil.domain.boxes import Boxes

MOST_PX = 1.0
LEAST_IOU = 0.95
"""A box is near enough if no edge is off by more than `MOST_PX`, or if the IoU is `LEAST_IOU`."""
SLACK = 1e-6
"""Keyframes are stored with rounded numbers, so the limits are tightened by this."""

Floats = npt.NDArray[np.float64]


def choose_keyframes(
    positions: Floats, numbers: Floats, boxes_xyxy: Boxes
) -> npt.NDArray[np.int64]:
    """The indices of the boxes that become keyframes, ascending.

    Args:
        positions: (N,) where each box lies on the axis along which boxes are interpolated;
            ascending.
        numbers: (N,) where each box lies if it is a keyframe; NaN: it cannot be one. The first and
            the last box can.
        boxes_xyxy: (N, 4) px.
    """
    last = len(positions) - 1
    chosen = {0, last}
    waiting = [(0, last)]
    while waiting:
        start, stop = waiting.pop()
        middle = _farthest(start, stop, positions, numbers, boxes_xyxy)
        if middle is not None:
            chosen.add(middle)
            waiting += [(start, middle), (middle, stop)]
    kept = sorted(chosen)
    at = 1
    while at < len(kept) - 1:
        between = slice(kept[at - 1] + 1, kept[at + 1])
        line = _line(kept[at - 1], kept[at + 1], positions[between], numbers, boxes_xyxy)
        if is_near(line, boxes_xyxy[between]).all():
            del kept[at]
        else:
            at += 1
    return np.array(kept, np.int64)


def is_near(found_xyxy: Boxes, true_xyxy: Boxes) -> npt.NDArray[np.bool_]:
    """(N,): whether each of (N, 4) boxes is near enough to its true box."""
    is_close: npt.NDArray[np.bool_] = _edge_errors(found_xyxy, true_xyxy) <= MOST_PX - SLACK
    return is_close | (_pair_iou(found_xyxy, true_xyxy) >= LEAST_IOU + SLACK)


def _farthest(
    start: int, stop: int, positions: Floats, numbers: Floats, boxes: Boxes
) -> int | None:
    """The box between two keyframes at which to split; None: none is too far, or none can be."""
    if stop - start < 2:
        return None
    between = np.arange(start + 1, stop)
    line = _line(start, stop, positions[between], numbers, boxes)
    is_far = ~is_near(line, boxes[between])
    can_split = ~np.isnan(numbers[between])
    if not (is_far.any() and can_split.any()):
        return None
    errors = np.where(is_far & can_split, _edge_errors(line, boxes[between]), -1.0)
    if errors.max() < 0:  # a keyframe beside the boxes that are too far is the next best
        farthest = int(np.flatnonzero(is_far)[0])
        errors = np.where(can_split, -np.abs(np.arange(len(between)) - farthest), -np.inf)
    return int(between[int(errors.argmax())])


def _line(start: int, stop: int, positions: Floats, numbers: Floats, boxes: Boxes) -> Boxes:
    """(N, 4): the boxes at positions (N,) on the line between two keyframes."""
    ends = numbers[[start, stop]]
    columns = [np.interp(positions, ends, column) for column in boxes[[start, stop]].T]
    return np.stack(columns, axis=1)


def _edge_errors(one: Boxes, other: Boxes) -> Floats:
    errors: Floats = np.abs(one - other).max(axis=1)
    return errors


def _pair_iou(one: Boxes, other: Boxes) -> Floats:
    """(N,): the IoU of each box with the box of the same row; 0 for boxes without an area."""
    sides = np.minimum(one[:, 2:], other[:, 2:]) - np.maximum(one[:, :2], other[:, :2])
    shared = np.clip(sides, 0, None).prod(axis=1)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (one, other)]
    union = areas[0] + areas[1] - shared
    iou: Floats = np.divide(shared, union, out=np.zeros(len(one)), where=union > 0)
    return iou
