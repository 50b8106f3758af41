"""The motion in each place of a person's size: one vector for each place and moment.

The vectors of all places are comparable, so a scorer learns the motion of bodies independently of
their place. The most unusual place gives the score of a window. So one unusual body among many is
not averaged out.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from vigil.domain.clips.evidence.pieces import Pieces, join_evidence
from vigil.pixels.channels.channel import EDGE_S, Channel, no_motion
from vigil.pixels.flow.directions import Floats, mean_in_time_cells, speeds_by_direction
from vigil.pixels.flow.motion import Motion
from vigil.plumbing.errors import FieldError

if TYPE_CHECKING:  # an exported alarm has its settings from a card, without pydantic
    from vigil.settings.embed_clips import MotionCells, ShortClips

ROUNDING_S = 1e-6
LEAST_MOTION = 1e-3
"""The least mean speed of a place that gives a piece, in short sides a second, over `past_s` and in
its last part. If no place has it, the place with the most motion in the last part gives a piece, so
that a window without motion has evidence of that."""
LEAST_NOW = 0.25
"""The least speed of a place in the last part of `past_s`, as a fraction of its mean speed. A place
that a body has left describes what is over. It would keep an alarm open for a second after somebody
has left the picture, and draw the evidence behind a body."""


class _Moment(NamedTuple):
    directions: Floats  # (rows of places, columns of places, num_bins)
    boxes_xyxy: npt.NDArray[np.float64]  # (rows * columns, 4), in px of the video's frames
    from_s: float
    time_s: float
    size_wh: tuple[int, int]


def motion_cells(settings: MotionCells, short_clips: ShortClips) -> Channel:
    """Builds the channel; `short_clips` is for windows shorter than `past_s`."""
    width = settings.histogram.num_time_cells * settings.histogram.num_bins
    follow = partial(CellsFollower, settings, short_clips)
    return Channel(settings.flow, width, settings.past_s, follow)


class CellsFollower:
    """Follows the motion in the places of one video."""

    def __init__(self, settings: MotionCells, short_clips: ShortClips) -> None:
        self._settings, self._short_clips = settings, short_clips
        self._moments: deque[_Moment] = deque()
        self._pieces: deque[Pieces] = deque()
        self._next_s = -np.inf

    def see(self, motion: Motion) -> None:
        """Adds the vectors of all places at this moment, once every `step_s`."""
        if self._moments and motion.from_s - self._moments[-1].time_s > ROUNDING_S:
            self._moments.clear()  # after a gap, the measurement restarts
        self._moments.append(self._place(motion))
        since_s = motion.time_s - self._settings.past_s - ROUNDING_S
        oldest = self._moments[0]
        is_seen = oldest.from_s - (oldest.time_s - oldest.from_s) < since_s
        if not is_seen or motion.time_s < self._next_s:
            return
        self._next_s = motion.time_s + self._settings.step_s - ROUNDING_S
        self._pieces.append(self._measure([one for one in self._moments if one.from_s >= since_s]))

    def judge(self, start_s: float, stop_s: float) -> Pieces:
        """A vector of each place that moves, in the order time, direction; see `Follower`."""
        start_s, stop_s = start_s - EDGE_S, stop_s - EDGE_S
        within = [one.within(start_s, stop_s) for one in self._pieces]
        if pieces := [one for one in within if len(one)]:
            return join_evidence(pieces)
        moments = [one for one in self._moments if one.from_s >= start_s and one.time_s < stop_s]
        if not moments:
            raise no_motion("motion_cells")
        if self._short_clips == "error":
            raise FieldError(
                "short_clips",
                f"expected windows of at least {self._settings.past_s:g} s for motion_cells, got "
                f"one of {moments[-1].time_s - moments[0].from_s:g} s; repeat_last takes it",
            )
        return self._measure(moments)

    def forget(self, before_s: float) -> None:
        """See `Follower`."""
        while self._pieces and self._pieces[0].spans_s[0, 0] < before_s - EDGE_S:
            self._pieces.popleft()
        if not self._moments:
            return
        needed_s = self._moments[-1].time_s - self._settings.past_s - 2 * ROUNDING_S
        while len(self._moments) > 1 and self._moments[1].from_s <= needed_s:
            if self._moments[0].from_s >= before_s - EDGE_S:
                break
            self._moments.popleft()

    def _place(self, motion: Motion) -> _Moment:
        """The mean speed in each direction, by place. Neighbouring places overlap by half."""
        rows, columns = motion.velocities.shape[:2]
        side = max(1, round(self._settings.size * min(rows, columns)))
        y = np.arange(side // 2, rows, max(1, side // 2))
        x = np.arange(side // 2, columns, max(1, side // 2))
        directions = speeds_by_direction(motion.velocities, self._settings.histogram)
        means = np.stack(
            [
                cv2.blur(np.ascontiguousarray(directions[..., one]), (side, side))[np.ix_(y, x)]
                for one in range(directions.shape[2])
            ],
            axis=-1,
        )
        means = np.maximum(means, 0)  # the running sums of a blur can be slightly negative
        width, height = motion.cell_px
        middles = np.stack(np.meshgrid((x + 0.5) * width, (y + 0.5) * height), -1).reshape(-1, 2)
        half = np.array([side * width, side * height]) / 2
        corners = np.concatenate([middles - half, middles + half], axis=1)
        boxes = np.clip(corners, 0, np.tile(motion.size_wh, 2))
        return _Moment(means, boxes, motion.from_s, motion.time_s, motion.size_wh)

    def _measure(self, moments: list[_Moment]) -> Pieces:
        """The vectors of the places that move at the end of these moments."""
        directions = [one.directions for one in moments]
        means = mean_in_time_cells(directions, self._settings.histogram)
        # (time, row, column, direction) to one row for each place.
        vectors = means.transpose(1, 2, 0, 3).reshape(len(moments[-1].boxes_xyxy), -1)
        motion = np.mean([one.directions.sum(axis=-1).ravel() for one in moments], axis=0)
        last = means[-1] ** 2 if self._settings.histogram.root else means[-1]
        now = last.sum(axis=-1).ravel()
        moves = (motion > LEAST_MOTION) & (now > LEAST_MOTION) & (now >= LEAST_NOW * motion)
        if not moves.any():
            moves[np.argmax(now)] = True
        span_s = moments[0].from_s, moments[-1].time_s
        return Pieces(
            vectors[moves],
            moments[-1].boxes_xyxy[moves],
            np.tile(span_s, (int(moves.sum()), 1)),
            np.tile(np.array(moments[-1].size_wh, np.float64), (int(moves.sum()), 1)),
        )
