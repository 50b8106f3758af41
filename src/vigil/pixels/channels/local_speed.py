"""Local speed: the speed of the fastest body. It has no training, and its vectors have one number.

Velocities of cells are averaged over a square of cells, then along the straight path of each cell.
A body continues along its path, while limbs swing back and noise flickers. So bodies keep their
speed, and the rest cancels out. Since the cells are small, one fast body among many slow ones is
not averaged out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from vigil.domain.clips.evidence import Pieces, join_evidence, no_evidence
from vigil.pixels.channels.channel import EDGE_S, Channel
from vigil.pixels.flow.motion import Motion, Velocities
from vigil.plumbing.errors import FieldError, InputError

if TYPE_CHECKING:  # an exported alarm has its settings from a card, without pydantic
    from vigil.settings.embed_clips import LocalSpeed, ShortClips

ROUNDING_S = 1e-6
LEAST_OF_PEAK = 0.5
"""The cells of a body have at least this fraction of the speed of its peak."""
LEAST_IN_SIGHT = 0.5
"""The mean along a path is over the moments inside the picture, but its divisor is at least this
fraction of all moments."""

Speeds = npt.NDArray[np.float32]


def local_speed(settings: LocalSpeed, short_clips: ShortClips) -> Channel:
    """Builds the channel; `short_clips` is for windows shorter than a path."""
    return Channel(settings.flow, 1, lambda: LocalSpeedFollower(settings, short_clips))


class LocalSpeedFollower:
    """Follows the velocities in one video."""

    def __init__(self, settings: LocalSpeed, short_clips: ShortClips) -> None:
        self._settings, self._short_clips = settings, short_clips
        self._motions: deque[Motion] = deque()
        self._pieces: deque[Pieces] = deque()

    def see(self, motion: Motion) -> None:
        """Adds the fastest bodies of the newest moment whose path is complete."""
        settings = self._settings
        if self._motions and motion.from_s - self._motions[-1].time_s > ROUNDING_S:
            self._motions.clear()  # after a gap, the measurement restarts
        size = (settings.mean_cells, settings.mean_cells)
        smooth = cv2.blur(motion.velocities, size).astype(np.float32, copy=False)
        self._motions.append(motion._replace(velocities=smooth))
        # The newest motion with a complete `ahead_s`, and the motions within its `past_s`.
        until_s = motion.middle_s - settings.ahead_s + ROUNDING_S
        at = max((i for i, one in enumerate(self._motions) if one.middle_s <= until_s), default=-1)
        if at < 0:
            return
        since_s = self._motions[at].middle_s - settings.past_s - ROUNDING_S
        oldest = self._motions[0]
        if oldest.middle_s - (oldest.time_s - oldest.from_s) >= since_s:
            return  # its past is not complete
        first = next(i for i, one in enumerate(self._motions) if one.middle_s >= since_s)
        self._pieces.append(self._measure(list(self._motions)[first:], at - first))

    def judge(self, start_s: float, stop_s: float) -> Pieces:
        """The pieces of the fastest bodies, with one number each; see `Follower`."""
        start_s, stop_s = start_s - EDGE_S, stop_s - EDGE_S
        within = [one.within(start_s, stop_s) for one in self._pieces]
        if pieces := [one for one in within if len(one)]:
            return join_evidence(pieces)
        settings = self._settings
        motions = [one for one in self._motions if one.from_s >= start_s and one.time_s < stop_s]
        if not motions:
            raise InputError(
                "expected at least 2 frames at most 1 s apart for local_speed, found none"
            )
        length_s = settings.past_s + settings.ahead_s
        if self._short_clips == "error":
            raise FieldError(
                "short_clips",
                f"expected windows of at least {length_s:g} s and a pair of frames "
                f"for local_speed, got one of {motions[-1].time_s - motions[0].from_s:g} s; "
                "repeat_last takes it",
            )
        share = settings.past_s / length_s if length_s else 1.0
        return self._measure(motions, round(share * (len(motions) - 1)))

    def forget(self, before_s: float) -> None:
        """See `Follower`."""
        while self._pieces and self._pieces[0].spans_s[0, 0] < before_s - EDGE_S:
            self._pieces.popleft()
        if not self._motions:
            return
        settings = self._settings
        length_s = settings.past_s + settings.ahead_s + 2 * ROUNDING_S
        needed_s = self._motions[-1].middle_s - length_s
        while len(self._motions) > 1 and self._motions[1].middle_s <= needed_s:
            if self._motions[0].from_s >= before_s - EDGE_S:
                break
            self._motions.popleft()

    def _measure(self, motions: Sequence[Motion], at: int) -> Pieces:
        """The fastest bodies at one of these motions, with paths through all of them."""
        speeds = speeds_along_paths(
            np.stack([one.velocities for one in motions]),
            np.array([one.middle_s for one in motions]),
            at,
        )
        peaks, boxes = find_peaks(speeds, self._settings.num_peaks)
        width, height = motions[at].cell_px
        span_s = motions[0].from_s, motions[-1].time_s
        return replace(
            no_evidence(1),
            vectors=peaks[:, None],
            boxes_xyxy=boxes * np.array([width, height, width, height]),
            spans_s=np.tile(span_s, (len(peaks), 1)),
            sizes_wh=np.tile(np.array(motions[at].size_wh, np.float64), (len(peaks), 1)),
        )


def speeds_along_paths(velocities: Velocities, times_s: npt.NDArray[np.float64], at: int) -> Speeds:
    """The speeds (R, C) of cells at one moment, averaged along the path of each cell.

    The path of a cell is the straight line along its velocity at this moment. The velocities on the
    path are averaged as vectors, so motion to and fro cancels out.

    Args:
        velocities: (T, R, C, 2) in short sides a second.
        times_s: (T,) the times of the velocities.
        at: the index of the moment among the T moments.
    """
    _, rows, columns, _ = velocities.shape
    cells = min(rows, columns)  # along the short side
    y, x = np.mgrid[:rows, :columns].astype(np.float32)
    starts = velocities[at]
    total = np.zeros_like(starts)
    num_inside = np.zeros((rows, columns), np.float32)
    for moment, time_s in zip(velocities, times_s, strict=True):
        # The cell that each path reaches at this moment, in units of cells.
        moved = starts * np.float32((time_s - times_s[at]) * cells)
        to_x = np.rint(x + moved[..., 0]).astype(np.int64)
        to_y = np.rint(y + moved[..., 1]).astype(np.int64)
        inside = (to_x >= 0) & (to_x < columns) & (to_y >= 0) & (to_y < rows)
        reached = moment[np.clip(to_y, 0, rows - 1), np.clip(to_x, 0, columns - 1)]
        total += np.where(inside[..., None], reached, np.float32(0))
        num_inside += inside
    weights = np.maximum(num_inside, np.float32(len(velocities) * LEAST_IN_SIGHT))
    means = total / weights[..., None]
    speeds: Speeds = np.hypot(means[..., 0], means[..., 1])
    return speeds


def find_peaks(speeds: Speeds, num_peaks: int) -> tuple[Speeds, npt.NDArray[np.float64]]:
    """The fastest bodies: the largest speed of each, and the box of its connected fast cells.

    Args:
        speeds: (R, C).
        num_peaks: the largest number of bodies. There is at least one, even without motion.

    Returns:
        (P,) speeds, the largest first, and (P, 4) boxes in cells, x1 y1 x2 y2.
    """
    left = speeds.copy()
    peaks: list[float] = []
    boxes: list[tuple[int, int, int, int]] = []
    while len(peaks) < num_peaks:
        row, column = np.unravel_index(int(np.argmax(left)), left.shape)
        peak = left[row, column]
        if peaks and peak <= 0:
            break
        is_fast = (left >= LEAST_OF_PEAK * peak).astype(np.uint8)
        _, parts, facts, _ = cv2.connectedComponentsWithStats(is_fast, connectivity=4)
        part = parts[row, column]
        x, y, width, height = (int(value) for value in facts[part, :4])
        peaks.append(float(peak))
        boxes.append((x, y, x + width, y + height))
        left[parts == part] = 0
    return np.array(peaks, np.float32), np.array(boxes, np.float64)
