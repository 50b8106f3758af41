"""Gives the boxes of one object one number, picture by picture.

Boxes are matched to the predicted positions of tracks. Boxes with high scores are matched first.
Boxes with low scores are then matched to tracks that are still without a box, since half hidden
objects have low scores (Zhang et al., "ByteTrack: Multi-Object Tracking by Associating Every
Detection Box", 2022). Times are in seconds. The order of the boxes of a picture does not matter.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from vigil.domain.boxes import Boxes, pairwise_iou, pairwise_share
from vigil.domain.detections import Detections
from vigil.domain.tracking.motion import Motion
from vigil.plumbing.errors import InputError
from vigil.settings.tracking import Tracking

COST_DECIMALS = 6  # smaller differences are rounding errors, and must not decide
UNMATCHED = 10.0  # the cost of a forbidden pair, above the cost of any allowed pair

Positions = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TrackedBox:
    """The box of a track in one picture.

    Attributes:
        track_id: 1, 2, … in the order in which tracks are confirmed.
        frame_index: number of the picture, 0-based.
        time_s: the time of the picture.
        box_xyxy: x1, y1, x2, y2 px.
        score: the detector's score.
        label: the class.
    """

    track_id: int
    frame_index: int
    time_s: float
    box_xyxy: tuple[float, float, float, float]
    score: float
    label: str


@dataclass(eq=False)
class _Track:
    """A track that has not ended, confirmed or not."""

    label: str
    motion: Motion
    first_s: float
    last_s: float
    number: int
    """In the order of first boxes."""
    track_id: int = 0
    """0 until it is confirmed."""
    new_boxes: list[tuple[int, float, tuple[float, float, float, float], float]] = field(
        default_factory=list
    )
    """Frame index, time, box and score of boxes that were not returned yet."""


class Tracker:
    """Tracks objects through the pictures of one source."""

    def __init__(self, settings: Tracking) -> None:
        self._settings = settings
        self._tracks: list[_Track] = []
        self._num_confirmed = self._num_started = 0
        self._time_s = -np.inf

    def update(self, detections: Detections, frame_index: int, time_s: float) -> list[TrackedBox]:
        """Adds the detections in the next picture.

        Args:
            detections: boxes with any score. Boxes below `least_score` are ignored.
            time_s: the time of the picture, later than that of the previous picture.

        Returns:
            The boxes of confirmed tracks in this picture, and all earlier boxes of a track that
            this picture confirms; in order of frame and track number.

        Raises:
            InputError: the time is not later than the previous time, or a number is not finite.
        """
        if not time_s > self._time_s:
            raise InputError(f"expected pictures in order, got {time_s} s after {self._time_s} s")
        previous_s, self._time_s = self._time_s, time_s
        boxes, scores, labels = _ordered(detections, self._settings.least_score)
        self._end_lost(time_s)
        high = np.flatnonzero(scores >= self._settings.first_score)
        low = np.flatnonzero(scores < self._settings.first_score)
        confirmed = [track for track in self._tracks if track.track_id]
        tentative = [track for track in self._tracks if not track.track_id]
        least, least_low = self._settings.least_overlap, self._settings.poor_overlap
        pairs, missing, high = self._match(confirmed, high, boxes, scores, labels, time_s, least)
        # A box with a low score counts only for a track that had a box in the previous picture.
        recent = [track for track in missing if track.last_s == previous_s]
        low_pairs, _, _ = self._match(recent, low, boxes, scores, labels, time_s, least_low)
        tentative_pairs, missed, high = self._match(
            tentative, high, boxes, scores, labels, time_s, least
        )
        self._tracks = [track for track in self._tracks if track not in missed]
        tracked: list[TrackedBox] = []
        taken = list[int]()
        for track, position in [*pairs, *low_pairs, *tentative_pairs]:
            box, score = boxes[position], float(scores[position])
            tracked += self._extend(track, frame_index, time_s, box, score)
            taken.append(position)
        for position in high[scores[high] >= self._settings.new_score].tolist():
            same_class = [other for other in taken if labels[other] == labels[position]]
            if _covered(boxes[position], boxes[same_class]) > self._settings.most_covered:
                continue
            box, score = boxes[position], float(scores[position])
            self._start(str(labels[position]), frame_index, time_s, box, score)
            taken.append(position)
        return sorted(tracked, key=lambda box: (box.frame_index, box.track_id))

    def _end_lost(self, time_s: float) -> None:
        lost_s = self._settings.lost_s
        self._tracks = [track for track in self._tracks if time_s - track.last_s <= lost_s + 1e-9]

    def _match(
        self,
        tracks: list[_Track],
        positions: Positions,
        boxes: Boxes,
        scores: Floats,
        labels: npt.NDArray[np.object_],
        time_s: float,
        least_overlap: float,
    ) -> tuple[list[tuple[_Track, int]], list[_Track], Positions]:
        """Pairs of a track and the position of its box; unmatched tracks; unmatched positions."""
        if not tracks or not len(positions):
            return [], tracks, positions
        predicted = np.stack([track.motion.at(time_s) for track in tracks])
        growth = self._settings.growth
        overlap = pairwise_iou(_enlarged(predicted, growth), _enlarged(boxes[positions], growth))
        track_labels = np.array([track.label for track in tracks], object)
        is_same_class = track_labels[:, None] == labels[positions][None]
        may_match = (overlap >= least_overlap) & is_same_class
        # Of two boxes with the same overlap, the box with the higher score has the lower cost.
        cost = np.where(may_match, 1 - overlap * scores[positions][None], UNMATCHED)
        rows, columns = linear_sum_assignment(cost.round(COST_DECIMALS))
        pairs = [
            (tracks[row], int(positions[column]))
            for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
            if may_match[row, column]
        ]
        matched_tracks = {id(track) for track, _ in pairs}
        matched = {position for _, position in pairs}
        unmatched = np.array([n for n in positions.tolist() if n not in matched], np.int64)
        return pairs, [track for track in tracks if id(track) not in matched_tracks], unmatched

    def _extend(
        self,
        track: _Track,
        frame_index: int,
        time_s: float,
        box: Floats,
        score: float,
    ) -> list[TrackedBox]:
        settings = self._settings
        track.motion.update(
            box, time_s, acceleration=settings.acceleration, position_noise=settings.position_noise
        )
        track.last_s = time_s
        track.new_boxes.append((frame_index, time_s, _as_tuple(box), score))
        if not track.track_id and time_s - track.first_s >= settings.confirm_s - 1e-9:
            self._num_confirmed += 1
            track.track_id = self._num_confirmed
        if not track.track_id:
            return []
        tracked = [TrackedBox(track.track_id, *entry, track.label) for entry in track.new_boxes]
        track.new_boxes.clear()
        return tracked

    def _start(
        self,
        label: str,
        frame_index: int,
        time_s: float,
        box: Floats,
        score: float,
    ) -> None:
        motion = Motion.start(box, time_s, self._settings.position_noise)
        self._num_started += 1
        track = _Track(label, motion, time_s, time_s, self._num_started)
        track.new_boxes.append((frame_index, time_s, _as_tuple(box), score))
        self._tracks.append(track)


def _ordered(
    detections: Detections, least_score: float
) -> tuple[Boxes, Floats, npt.NDArray[np.object_]]:
    """Boxes, scores and labels in order of the score, ties in order of corners and label."""
    if not (np.isfinite(detections.boxes_xyxy).all() and np.isfinite(detections.scores).all()):
        raise InputError("expected finite boxes and scores, got others")
    kept = np.flatnonzero(detections.scores >= least_score)
    boxes, scores = detections.boxes_xyxy[kept], detections.scores[kept]
    labels = detections.labels[kept]
    names = labels.astype(str)
    order = np.lexsort((names, *boxes.T[::-1], -scores))
    return boxes[order], scores[order], labels[order]


def _covered(box_xyxy: Floats, others_xyxy: Boxes) -> float:
    """The largest fraction of a box that one of (N, 4) others covers, or that it covers of it."""
    box = box_xyxy[None]
    shares = [pairwise_share(box, others_xyxy), pairwise_share(others_xyxy, box).T]
    return float(np.max(shares, initial=0))


def _enlarged(boxes_xyxy: Boxes, growth: float) -> Boxes:
    """Boxes enlarged on each side by a fraction of their width or height."""
    margin = growth * (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2])
    return np.concatenate([boxes_xyxy[:, :2] - margin, boxes_xyxy[:, 2:] + margin], axis=1)


def _as_tuple(box: Floats) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = (float(value) for value in box)
    return x1, y1, x2, y2
