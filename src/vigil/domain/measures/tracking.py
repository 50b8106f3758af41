"""How good tracks are: MOTA, IDF1 and HOTA, from their definitions.

- MOTA and what it counts: Bernardin and Stiefelhagen, "Evaluating Multiple Object Tracking
  Performance: The CLEAR MOT Metrics", 2008.
- IDF1: Ristani et al., "Performance Measures and a Data Set for Multi-Target, Multi-Camera
  Tracking", 2016.
- HOTA: Luiten et al., "HOTA: A Higher Order Metric for Evaluating Multi-Object Tracking", 2021.

Boxes are one where their IoU reaches a threshold: one half for MOTA and IDF1; HOTA is the mean over
0.05 to 0.95.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import linear_sum_assignment

from vigil.domain.boxes import pairwise_iou
from vigil.domain.pictures.annotated import CORNERS

SAME_IOU = 0.5
HOTA_IOUS = np.arange(0.05, 0.99, 0.05)
KEPT_PAIR = 1000.0
"""What a pair of the frame before counts more than any new pair: MOTA keeps pairs while it can."""
EPSILON = float(np.finfo(np.float64).eps)

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Frame:
    """True and found boxes of one frame.

    Attributes:
        true_ids: (T,) positions in the list of true tracks.
        found_ids: (F,) positions in the list of found tracks.
        iou: (T, F).
    """

    true_ids: Numbers
    found_ids: Numbers
    iou: Floats


@dataclass(frozen=True)
class TrackingCounts:
    """What MOTA and IDF1 count, of one video or of several.

    Attributes:
        num_true: true boxes.
        num_found: found boxes.
        num_matched: pairs at an IoU of at least one half.
        num_switches: times a true object went on under another number.
        num_fragments: times a true object was found again after it was not.
        num_same: pairs under the best assignment of whole tracks, one to one.
    """

    num_true: int
    num_found: int
    num_matched: int
    num_switches: int
    num_fragments: int
    num_same: int

    @property
    def mota(self) -> float:
        """1 less misses, false boxes and switches over true boxes; below 0 where these are more."""
        num_missed = self.num_true - self.num_matched
        num_false = self.num_found - self.num_matched
        return 1 - (num_missed + num_false + self.num_switches) / max(self.num_true, 1)

    @property
    def idf1(self) -> float:
        """The F1 of boxes under the right number."""
        return 2 * self.num_same / max(self.num_true + self.num_found, 1)


@dataclass(frozen=True)
class Hota:
    """HOTA and its parts, each the mean over `HOTA_IOUS`.

    Attributes:
        hota: the geometric mean of detection and association, at each threshold.
        detection: DetA, the Jaccard index of boxes.
        association: AssA, the Jaccard index of tracks, over the boxes that are found.
        localisation: LocA, the IoU of the pairs.
    """

    hota: float
    detection: float
    association: float
    localisation: float


def pair_frames(true: pd.DataFrame, found: pd.DataFrame) -> list[Frame]:
    """Frames that hold any box.

    Args:
        true: `track_id`, `frame_index` and corners of each true box.
        found: the same of found ones.
    """
    own_true, own_found = _by_frame(true), _by_frame(found)
    empty = (np.empty(0, np.int64), np.empty((0, 4)))
    frames = []
    for index in sorted(own_true.keys() | own_found.keys()):
        true_ids, true_boxes = own_true.get(index, empty)
        found_ids, found_boxes = own_found.get(index, empty)
        frames.append(Frame(true_ids, found_ids, pairwise_iou(true_boxes, found_boxes)))
    return frames


def _by_frame(table: pd.DataFrame) -> dict[int, tuple[Numbers, Floats]]:
    positions, _ = pd.factorize(table["track_id"], sort=True)
    numbered = table.assign(position=positions)
    return {
        int(index): (own["position"].to_numpy(np.int64), own[CORNERS].to_numpy(np.float64))
        for index, own in numbered.groupby("frame_index", sort=True)
    }


def count_tracking(frames: list[Frame]) -> TrackingCounts:
    """Counts one video."""
    num_true_tracks, num_found_tracks = _num_tracks(frames)
    last_found = np.full(num_true_tracks, -1)  # by true track: the number it was found under last
    just_found = np.full(num_true_tracks, -1)  # the same, of the frame before alone
    num_spells = np.zeros(num_true_tracks, np.int64)
    num_matched = num_switches = 0
    for frame in frames:
        if not frame.iou.size:  # one side saw nothing: pairs are kept over it, as TrackEval does
            continue
        is_kept = just_found[frame.true_ids][:, None] == frame.found_ids[None]
        worth = np.where(frame.iou >= SAME_IOU - EPSILON, KEPT_PAIR * is_kept + frame.iou, 0)
        rows, columns = linear_sum_assignment(-worth)
        is_pair = worth[rows, columns] > EPSILON
        true, found = frame.true_ids[rows[is_pair]], frame.found_ids[columns[is_pair]]
        before = last_found[true]
        num_switches += int(((before >= 0) & (before != found)).sum())
        num_matched += len(true)
        num_spells[true[just_found[true] < 0]] += 1
        last_found[true] = found
        just_found[:] = -1
        just_found[true] = found
    return TrackingCounts(
        num_true=sum(len(frame.true_ids) for frame in frames),
        num_found=sum(len(frame.found_ids) for frame in frames),
        num_matched=num_matched,
        num_switches=num_switches,
        num_fragments=int((num_spells[num_spells > 0] - 1).sum()),
        num_same=_num_same(frames, num_true_tracks, num_found_tracks),
    )


def add_counts(parts: list[TrackingCounts]) -> TrackingCounts:
    """What several videos count together."""
    return TrackingCounts(*(sum(values) for values in zip(*map(_values, parts), strict=True)))


def _values(counts: TrackingCounts) -> tuple[int, ...]:
    return (
        counts.num_true, counts.num_found, counts.num_matched, counts.num_switches,
        counts.num_fragments, counts.num_same,
    )  # fmt: skip


def _num_same(frames: list[Frame], num_true_tracks: int, num_found_tracks: int) -> int:
    """Pairs of boxes under the assignment of whole tracks that has most of them."""
    together = np.zeros((num_true_tracks, num_found_tracks))
    for frame in frames:
        rows, columns = np.nonzero(frame.iou >= SAME_IOU)
        together[frame.true_ids[rows], frame.found_ids[columns]] += 1
    return int(together[linear_sum_assignment(-together)].sum())


def measure_hota(frames: list[Frame]) -> Hota:
    """HOTA of one video, or of several whose tracks have numbers of their own."""
    num_true_tracks, num_found_tracks = _num_tracks(frames)
    shape = (num_true_tracks, num_found_tracks)
    true_counts, found_counts = np.zeros(num_true_tracks), np.zeros(num_found_tracks)
    likely = np.zeros(shape)
    for frame in frames:
        # How much of its boxes' overlap a pair has to itself, which tells who goes with whom.
        shared = frame.iou.sum(0)[None] + frame.iou.sum(1)[:, None] - frame.iou
        share = np.where(shared > EPSILON, frame.iou / np.maximum(shared, EPSILON), 0)
        likely[np.ix_(frame.true_ids, frame.found_ids)] += share
        true_counts[frame.true_ids] += 1
        found_counts[frame.found_ids] += 1
    either = true_counts[:, None] + found_counts[None] - likely
    alignment = likely / np.maximum(either, EPSILON)
    pairs = [_pairs(frame, alignment) for frame in frames]
    num_boxes = true_counts.sum() + found_counts.sum()
    parts = []
    for least_iou in HOTA_IOUS:
        matches, num_matched, overlap = np.zeros(shape), 0, 0.0
        for true, found, iou in pairs:
            is_match = iou >= least_iou - EPSILON
            matches[true[is_match], found[is_match]] += 1
            num_matched += int(is_match.sum())
            overlap += float(iou[is_match].sum())
        union = np.maximum(true_counts[:, None] + found_counts[None] - matches, 1)
        association = float((matches * matches / union).sum()) / max(num_matched, 1)
        detection = num_matched / max(num_boxes - num_matched, 1)
        localisation = overlap / num_matched if num_matched else 1.0
        parts.append(((detection * association) ** 0.5, detection, association, localisation))
    return Hota(*(float(value) for value in np.mean(parts, axis=0)))


def _pairs(frame: Frame, alignment: Floats) -> tuple[Numbers, Numbers, Floats]:
    """The pairs of a frame that overlap and align best: true and found tracks, IoU."""
    worth = alignment[np.ix_(frame.true_ids, frame.found_ids)] * frame.iou
    rows, columns = linear_sum_assignment(-worth)
    return frame.true_ids[rows], frame.found_ids[columns], frame.iou[rows, columns]


def join_videos(videos: list[list[Frame]]) -> Iterator[Frame]:
    """Frames of several videos, in which no track of one is a track of another."""
    num_true = num_found = 0
    for frames in videos:
        own_true, own_found = _num_tracks(frames)
        for frame in frames:
            yield Frame(frame.true_ids + num_true, frame.found_ids + num_found, frame.iou)
        num_true, num_found = num_true + own_true, num_found + own_found


def _num_tracks(frames: list[Frame]) -> tuple[int, int]:
    true = max((int(f.true_ids.max()) + 1 for f in frames if len(f.true_ids)), default=0)
    found = max((int(f.found_ids.max()) + 1 for f in frames if len(f.found_ids)), default=0)
    return true, found
