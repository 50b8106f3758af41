"""Measures of tracks: MOTA, IDF1 and HOTA, computed from their definitions.

- MOTA and its counts: Bernardin and Stiefelhagen, "Evaluating Multiple Object Tracking
  Performance: The CLEAR MOT Metrics", 2008.
- IDF1: Ristani et al., "Performance Measures and a Data Set for Multi-Target, Multi-Camera
  Tracking", 2016.
- HOTA: Luiten et al., "HOTA: A Higher Order Metric for Evaluating Multi-Object Tracking", 2021.

A true and a predicted box match if their IoU reaches a threshold. The threshold is 0.5 for MOTA and
IDF1. HOTA is the mean over the thresholds from 0.05 to 0.95.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import linear_sum_assignment

from vigil.domain.boxes import CORNERS, pairwise_iou

SAME_IOU = 0.5
HOTA_IOUS = np.arange(0.05, 0.99, 0.05)
KEPT_PAIR = 1000.0
"""The bonus of a pair of the previous frame, larger than any IoU: MOTA keeps pairs if it can."""
EPSILON = float(np.finfo(np.float64).eps)

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Frame:
    """True and predicted boxes of one frame.

    Attributes:
        true_ids: (T,) positions in the list of true tracks.
        predicted_ids: (P,) positions in the list of predicted tracks.
        iou: (T, P).
    """

    true_ids: Numbers
    predicted_ids: Numbers
    iou: Floats


@dataclass(frozen=True)
class TrackingCounts:
    """The counts behind MOTA and IDF1, for one or several videos.

    Attributes:
        num_true: true boxes.
        num_predicted: predicted boxes.
        num_matched: pairs with an IoU of at least 0.5.
        num_switches: how often the predicted number of a true object changes.
        num_fragments: how often a true object is matched again after frames without a match.
        num_same: pairs under the best one-to-one assignment of whole tracks.
    """

    num_true: int
    num_predicted: int
    num_matched: int
    num_switches: int
    num_fragments: int
    num_same: int

    @property
    def mota(self) -> float:
        """1 - (misses + false boxes + switches) / true boxes; it can be negative."""
        num_missed = self.num_true - self.num_matched
        num_false = self.num_predicted - self.num_matched
        return 1 - (num_missed + num_false + self.num_switches) / max(self.num_true, 1)

    @property
    def idf1(self) -> float:
        """The F1 of boxes with the right track number."""
        return 2 * self.num_same / max(self.num_true + self.num_predicted, 1)


@dataclass(frozen=True)
class Hota:
    """HOTA and its parts, each the mean over `HOTA_IOUS`.

    Attributes:
        hota: the geometric mean of detection and association.
        detection: DetA, the Jaccard index of boxes.
        association: AssA, the Jaccard index of tracks, averaged over matched boxes.
        localisation: LocA, the IoU of matched boxes.
    """

    hota: float
    detection: float
    association: float
    localisation: float


def pair_frames(true: pd.DataFrame, predicted: pd.DataFrame) -> list[Frame]:
    """All frames with at least one box.

    Args:
        true: `track_id`, `frame_index` and corners of each true box.
        predicted: the same for each predicted box.
    """
    true_by_frame, predicted_by_frame = _by_frame(true), _by_frame(predicted)
    empty = (np.empty(0, np.int64), np.empty((0, 4)))
    frames = []
    for index in sorted(true_by_frame.keys() | predicted_by_frame.keys()):
        true_ids, true_boxes = true_by_frame.get(index, empty)
        predicted_ids, predicted_boxes = predicted_by_frame.get(index, empty)
        frames.append(Frame(true_ids, predicted_ids, pairwise_iou(true_boxes, predicted_boxes)))
    return frames


def _by_frame(table: pd.DataFrame) -> dict[int, tuple[Numbers, Floats]]:
    positions, _ = pd.factorize(table["track_id"], sort=True)
    numbered = table.assign(position=positions)
    return {
        int(index): (boxes["position"].to_numpy(np.int64), boxes[CORNERS].to_numpy(np.float64))
        for index, boxes in numbered.groupby("frame_index", sort=True)
    }


def count_tracking(frames: list[Frame]) -> TrackingCounts:
    """The counts of one video."""
    num_true_tracks, num_predicted_tracks = _num_tracks(frames)
    last_match = np.full(num_true_tracks, -1)  # by true track: the last matched predicted track
    previous_match = np.full(num_true_tracks, -1)  # the match in the previous frame; -1: none
    num_spells = np.zeros(num_true_tracks, np.int64)
    num_matched = num_switches = 0
    for frame in frames:
        if not frame.iou.size:  # no true or no predicted box: pairs stay, as in TrackEval
            continue
        is_kept = previous_match[frame.true_ids][:, None] == frame.predicted_ids[None]
        value = np.where(frame.iou >= SAME_IOU - EPSILON, KEPT_PAIR * is_kept + frame.iou, 0)
        rows, columns = linear_sum_assignment(-value)
        is_pair = value[rows, columns] > EPSILON
        true, predicted = frame.true_ids[rows[is_pair]], frame.predicted_ids[columns[is_pair]]
        earlier = last_match[true]
        num_switches += int(((earlier >= 0) & (earlier != predicted)).sum())
        num_matched += len(true)
        num_spells[true[previous_match[true] < 0]] += 1
        last_match[true] = predicted
        previous_match[:] = -1
        previous_match[true] = predicted
    return TrackingCounts(
        num_true=sum(len(frame.true_ids) for frame in frames),
        num_predicted=sum(len(frame.predicted_ids) for frame in frames),
        num_matched=num_matched,
        num_switches=num_switches,
        num_fragments=int((num_spells[num_spells > 0] - 1).sum()),
        num_same=_num_same(frames, num_true_tracks, num_predicted_tracks),
    )


def add_counts(parts: list[TrackingCounts]) -> TrackingCounts:
    """The sums of the counts of several videos."""
    return TrackingCounts(*(sum(values) for values in zip(*map(_values, parts), strict=True)))


def _values(counts: TrackingCounts) -> tuple[int, ...]:
    return (
        counts.num_true, counts.num_predicted, counts.num_matched, counts.num_switches,
        counts.num_fragments, counts.num_same,
    )  # fmt: skip


def _num_same(frames: list[Frame], num_true_tracks: int, num_predicted_tracks: int) -> int:
    """The most pairs of boxes under a one-to-one assignment of whole tracks."""
    together = np.zeros((num_true_tracks, num_predicted_tracks))
    for frame in frames:
        rows, columns = np.nonzero(frame.iou >= SAME_IOU)
        together[frame.true_ids[rows], frame.predicted_ids[columns]] += 1
    return int(together[linear_sum_assignment(-together)].sum())


def measure_hota(frames: list[Frame]) -> Hota:
    """HOTA of one video, or of several videos without common track numbers (`join_videos`)."""
    num_true_tracks, num_predicted_tracks = _num_tracks(frames)
    shape = (num_true_tracks, num_predicted_tracks)
    true_counts, predicted_counts = np.zeros(num_true_tracks), np.zeros(num_predicted_tracks)
    joint = np.zeros(shape)
    for frame in frames:
        # The share of a pair in all overlaps of its two boxes, summed over frames.
        overlaps = frame.iou.sum(0)[None] + frame.iou.sum(1)[:, None] - frame.iou
        share = np.where(overlaps > EPSILON, frame.iou / np.maximum(overlaps, EPSILON), 0)
        joint[np.ix_(frame.true_ids, frame.predicted_ids)] += share
        true_counts[frame.true_ids] += 1
        predicted_counts[frame.predicted_ids] += 1
    union = true_counts[:, None] + predicted_counts[None] - joint
    alignment = joint / np.maximum(union, EPSILON)
    pairs = [_pairs(frame, alignment) for frame in frames]
    num_boxes = true_counts.sum() + predicted_counts.sum()
    parts = []
    for least_iou in HOTA_IOUS:
        matches, num_matched, overlap = np.zeros(shape), 0, 0.0
        for true, predicted, iou in pairs:
            is_match = iou >= least_iou - EPSILON
            matches[true[is_match], predicted[is_match]] += 1
            num_matched += int(is_match.sum())
            overlap += float(iou[is_match].sum())
        union = np.maximum(true_counts[:, None] + predicted_counts[None] - matches, 1)
        association = float((matches * matches / union).sum()) / max(num_matched, 1)
        detection = num_matched / max(num_boxes - num_matched, 1)
        localisation = overlap / num_matched if num_matched else 1.0
        parts.append(((detection * association) ** 0.5, detection, association, localisation))
    return Hota(*(float(value) for value in np.mean(parts, axis=0)))


def _pairs(frame: Frame, alignment: Floats) -> tuple[Numbers, Numbers, Floats]:
    """The best pairs of a frame by overlap and alignment: true tracks, predicted tracks, IoU."""
    value = alignment[np.ix_(frame.true_ids, frame.predicted_ids)] * frame.iou
    rows, columns = linear_sum_assignment(-value)
    return frame.true_ids[rows], frame.predicted_ids[columns], frame.iou[rows, columns]


def join_videos(videos: list[list[Frame]]) -> Iterator[Frame]:
    """Frames of several videos, renumbered so that videos have no common track numbers."""
    num_true = num_predicted = 0
    for frames in videos:
        more_true, more_predicted = _num_tracks(frames)
        for frame in frames:
            yield Frame(frame.true_ids + num_true, frame.predicted_ids + num_predicted, frame.iou)
        num_true, num_predicted = num_true + more_true, num_predicted + more_predicted


def _num_tracks(frames: list[Frame]) -> tuple[int, int]:
    true = max((int(f.true_ids.max()) + 1 for f in frames if len(f.true_ids)), default=0)
    predicted = max(
        (int(f.predicted_ids.max()) + 1 for f in frames if len(f.predicted_ids)), default=0
    )
    return true, predicted
