"""Gives boxes of one object one number, picture after picture.

Boxes are matched to where tracks are expected: good ones first, then poor ones to tracks that found
none, since what is half hidden scores low (Zhang et al., "ByteTrack: Multi-Object Tracking by
Associating Every Detection Box", 2022). Times are in seconds. The same pictures give the same
tracks, in whatever order a picture's boxes come.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from vigil.domain.boxes import Boxes, pairwise_iou
from vigil.domain.detections import Detections
from vigil.domain.tracking.motion import Motion
from vigil.plumbing.errors import InputError
from vigil.settings.tracking import Tracking

COST_DECIMALS = 6  # finer differences are of rounding, and must not decide
UNMATCHED = 10.0  # a cost that no pair which may match has

Positions = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Seen:
    """An object's box in one picture.

    Attributes:
        track_id: 1, 2, … by order of confirmation.
        frame_index: of the picture, 0-based.
        time_s: when it is shown.
        box_xyxy: x1, y1, x2, y2 px.
        score: of the detector.
        label: its class.
    """

    track_id: int
    frame_index: int
    time_s: float
    box_xyxy: tuple[float, float, float, float]
    score: float
    label: str


@dataclass(eq=False)
class _Object:
    """A track while it lives."""

    label: str
    motion: Motion
    first_s: float
    last_s: float
    number: int
    """By order of appearance: breaks ties."""
    track_id: int = 0
    """0 until it is confirmed."""
    waiting: list[tuple[int, float, tuple[float, float, float, float], float]] = field(
        default_factory=list
    )
    """What was seen of it before it was confirmed."""


class Tracker:
    """Follows objects through the pictures of one source."""

    def __init__(self, settings: Tracking) -> None:
        self._settings = settings
        self._objects: list[_Object] = []
        self._num_confirmed = self._num_begun = 0
        self._time_s = -np.inf

    def update(self, found: Detections, frame_index: int, time_s: float) -> list[Seen]:
        """Takes what was found in the next picture.

        Args:
            found: boxes of any score; those below `least_score` are not looked at.
            time_s: when the picture is shown; later than the one before.

        Returns:
            What is now known, by frame and number: the boxes of confirmed tracks in this picture,
            and, of a track that this picture confirms, those of before.

        Raises:
            InputError: a time that is not later than the one before, or a number not finite.
        """
        if not time_s > self._time_s:
            raise InputError(f"expected pictures in order, got {time_s} s after {self._time_s} s")
        previous_s, self._time_s = self._time_s, time_s
        boxes, scores, labels = _ordered(found, self._settings.least_score)
        self._end_lost(time_s)
        good = np.flatnonzero(scores >= self._settings.first_score)
        poor = np.flatnonzero(scores < self._settings.first_score)
        known = [one for one in self._objects if one.track_id]
        young = [one for one in self._objects if not one.track_id]
        least, least_poor = self._settings.least_overlap, self._settings.poor_overlap
        pairs, known, good = self._match(known, good, boxes, scores, labels, time_s, least)
        # Poor boxes speak for objects that were there a moment ago alone.
        recent = [one for one in known if one.last_s == previous_s]
        more, _, _ = self._match(recent, poor, boxes, scores, labels, time_s, least_poor)
        pairs += more
        more, missed, good = self._match(young, good, boxes, scores, labels, time_s, least)
        pairs += more
        self._objects = [one for one in self._objects if one not in missed]
        seen: list[Seen] = []
        for own, at in pairs:
            seen += self._see(own, frame_index, time_s, boxes[at], float(scores[at]))
        for at in good[scores[good] >= self._settings.new_score].tolist():
            self._begin(str(labels[at]), frame_index, time_s, boxes[at], float(scores[at]))
        return sorted(seen, key=lambda one: (one.frame_index, one.track_id))

    def _end_lost(self, time_s: float) -> None:
        lost_s = self._settings.lost_s
        self._objects = [one for one in self._objects if time_s - one.last_s <= lost_s + 1e-9]

    def _match(
        self,
        objects: list[_Object],
        chosen: Positions,
        boxes: Boxes,
        scores: Floats,
        labels: npt.NDArray[np.object_],
        time_s: float,
        least_overlap: float,
    ) -> tuple[list[tuple[_Object, int]], list[_Object], Positions]:
        """Pairs of an object and the position of its box; objects and positions left over."""
        if not objects or not len(chosen):
            return [], objects, chosen
        expected = np.stack([one.motion.at(time_s) for one in objects])
        growth = self._settings.growth
        overlap = pairwise_iou(_grown(expected, growth), _grown(boxes[chosen], growth))
        is_kind = np.array([one.label for one in objects], object)[:, None] == labels[chosen][None]
        may_match = (overlap >= least_overlap) & is_kind
        # A good score counts for a box: of two that fit alike, the better one is the object's.
        cost = np.where(may_match, 1 - overlap * scores[chosen][None], UNMATCHED)
        rows, columns = linear_sum_assignment(cost.round(COST_DECIMALS))
        pairs = [
            (objects[row], int(chosen[column]))
            for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
            if may_match[row, column]
        ]
        taken_objects = {id(own) for own, _ in pairs}
        taken = {at for _, at in pairs}
        left = np.array([at for at in chosen.tolist() if at not in taken], np.int64)
        return pairs, [one for one in objects if id(one) not in taken_objects], left

    def _see(
        self,
        own: _Object,
        frame_index: int,
        time_s: float,
        box: Floats,
        score: float,
    ) -> list[Seen]:
        settings = self._settings
        own.motion.see(
            box, time_s, acceleration=settings.acceleration, position_noise=settings.position_noise
        )
        own.last_s = time_s
        own.waiting.append((frame_index, time_s, _plain(box), score))
        if not own.track_id and time_s - own.first_s >= settings.confirm_s - 1e-9:
            self._num_confirmed += 1
            own.track_id = self._num_confirmed
        if not own.track_id:
            return []
        told = [Seen(own.track_id, *entry, own.label) for entry in own.waiting]
        own.waiting.clear()
        return told

    def _begin(
        self,
        label: str,
        frame_index: int,
        time_s: float,
        box: Floats,
        score: float,
    ) -> None:
        motion = Motion.begin(box, time_s, self._settings.position_noise)
        self._num_begun += 1
        own = _Object(label, motion, time_s, time_s, self._num_begun)
        own.waiting.append((frame_index, time_s, _plain(box), score))
        self._objects.append(own)


def _ordered(
    found: Detections, least_score: float
) -> tuple[Boxes, Floats, npt.NDArray[np.object_]]:
    """Boxes, scores and labels, the best first; of equal ones by their corners and label."""
    if not (np.isfinite(found.boxes_xyxy).all() and np.isfinite(found.scores).all()):
        raise InputError("expected finite boxes and scores, got others")
    kept = np.flatnonzero(found.scores >= least_score)
    boxes, scores, labels = found.boxes_xyxy[kept], found.scores[kept], found.labels[kept]
    names = labels.astype(str)
    order = np.lexsort((names, *boxes.T[::-1], -scores))
    return boxes[order], scores[order], labels[order]


def _grown(boxes_xyxy: Boxes, growth: float) -> Boxes:
    """Each box larger by a part of its own sides, on each side."""
    more = growth * (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2])
    return np.concatenate([boxes_xyxy[:, :2] - more, boxes_xyxy[:, 2:] + more], axis=1)


def _plain(box: Floats) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = (float(value) for value in box)
    return x1, y1, x2, y2
