"""Follows the places with the largest value of one number in a video: the peaks of a map.

A map is measured at each moment over the motions around it. Its peaks are the evidence.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from vigil.domain.clips.evidence.pieces import Pieces, join_evidence, no_evidence
from vigil.pixels.channels.channel import EDGE_S, no_motion
from vigil.pixels.flow.motion import Motion
from vigil.plumbing.errors import FieldError

if TYPE_CHECKING:  # an exported alarm has its settings from a card, without pydantic
    from vigil.settings.embed_clips import ShortClips

ROUNDING_S = 1e-6
LEAST_OF_PEAK = 0.5
"""The cells of a body have at least this fraction of the value of its peak."""

Map = npt.NDArray[np.float32]


class PeakRule(NamedTuple):
    """What is measured at each moment, and over which time.

    Attributes:
        channel: the channel's name, for messages.
        past_s, ahead_s: the time before and after a moment that its map needs.
        num_peaks: the number of peaks that are kept at each moment.
        prepare: what `measure` needs of each motion, an array (R, C, ...), computed once.
        measure: the map (R, C) at one of T motions: the prepared arrays (T, R, C, ...), the middle
            times (T,) of the motions, and the number of that one.
    """

    channel: str
    past_s: float
    ahead_s: float
    num_peaks: int
    prepare: Callable[[Motion], Map]
    measure: Callable[[Map, npt.NDArray[np.float64], int], Map]


class PeakFollower:
    """Follows the peaks in one video."""

    def __init__(self, rule: PeakRule, short_clips: ShortClips) -> None:
        self._rule, self._short_clips = rule, short_clips
        self._motions: deque[Motion] = deque()
        self._prepared: deque[Map] = deque()
        """Of each motion."""
        self._pieces: deque[Pieces] = deque()

    def see(self, motion: Motion) -> None:
        """Adds the peaks of the newest moment whose past and future are complete."""
        rule = self._rule
        if self._motions and motion.from_s - self._motions[-1].time_s > ROUNDING_S:
            self._motions.clear()  # after a gap, the measurement restarts
            self._prepared.clear()
        self._motions.append(motion)
        self._prepared.append(rule.prepare(motion))
        # The newest motion with a complete `ahead_s`, and the motions within its `past_s`.
        until_s = motion.middle_s - rule.ahead_s + ROUNDING_S
        at = max((i for i, one in enumerate(self._motions) if one.middle_s <= until_s), default=-1)
        if at < 0:
            return
        since_s = self._motions[at].middle_s - rule.past_s - ROUNDING_S
        oldest = self._motions[0]
        if oldest.middle_s - (oldest.time_s - oldest.from_s) >= since_s:
            return  # its past is not complete
        first = next(i for i, one in enumerate(self._motions) if one.middle_s >= since_s)
        self._pieces.append(self._measure(range(first, len(self._motions)), at))

    def judge(self, start_s: float, stop_s: float) -> Pieces:
        """The pieces of the peaks, with one number each; see `Follower`."""
        start_s, stop_s = start_s - EDGE_S, stop_s - EDGE_S
        within = [one.within(start_s, stop_s) for one in self._pieces]
        if pieces := [one for one in within if len(one)]:
            return join_evidence(pieces)
        rule = self._rule
        held = [
            i
            for i, one in enumerate(self._motions)
            if one.from_s >= start_s and one.time_s < stop_s
        ]
        if not held:
            raise no_motion(rule.channel)
        length_s = rule.past_s + rule.ahead_s
        if self._short_clips == "error":
            found_s = self._motions[held[-1]].time_s - self._motions[held[0]].from_s
            raise FieldError(
                "short_clips",
                f"expected windows of at least {length_s:g} s and a pair of frames "
                f"for {rule.channel}, got one of {found_s:g} s; "
                "repeat_last takes it",
            )
        share = rule.past_s / length_s if length_s else 1.0
        return self._measure(held, held[round(share * (len(held) - 1))])

    def forget(self, before_s: float) -> None:
        """See `Follower`."""
        while self._pieces and self._pieces[0].spans_s[0, 0] < before_s - EDGE_S:
            self._pieces.popleft()
        if not self._motions:
            return
        rule = self._rule
        length_s = rule.past_s + rule.ahead_s + 2 * ROUNDING_S
        needed_s = self._motions[-1].middle_s - length_s
        while len(self._motions) > 1 and self._motions[1].middle_s <= needed_s:
            if self._motions[0].from_s >= before_s - EDGE_S:
                break
            self._motions.popleft()
            self._prepared.popleft()

    def _measure(self, held: Sequence[int], at: int) -> Pieces:
        """The peaks at one of the motions with these numbers, measured over all of them."""
        motions = [self._motions[i] for i in held]
        values = self._rule.measure(
            np.stack([self._prepared[i] for i in held]),
            np.array([one.middle_s for one in motions]),
            held.index(at),
        )
        peaks, boxes = find_peaks(values, self._rule.num_peaks)
        width, height = self._motions[at].cell_px
        span_s = motions[0].from_s, motions[-1].time_s
        return replace(
            no_evidence(1),
            vectors=peaks[:, None],
            boxes_xyxy=boxes * np.array([width, height, width, height]),
            spans_s=np.tile(span_s, (len(peaks), 1)),
            sizes_wh=np.tile(np.array(self._motions[at].size_wh, np.float64), (len(peaks), 1)),
        )


def find_peaks(values: Map, num_peaks: int) -> tuple[Map, npt.NDArray[np.float64]]:
    """The peaks of a map: the largest value of each, and the box of its connected large cells.

    Args:
        values: (R, C), at least 0.
        num_peaks: the largest number of peaks. There is at least one, even without motion.

    Returns:
        (P,) values, the largest first, and (P, 4) boxes in cells, x1 y1 x2 y2.
    """
    left = values.copy()
    peaks: list[float] = []
    boxes: list[tuple[int, int, int, int]] = []
    while len(peaks) < num_peaks:
        row, column = np.unravel_index(int(np.argmax(left)), left.shape)
        peak = left[row, column]
        if peaks and peak <= 0:
            break
        is_large = (left >= LEAST_OF_PEAK * peak).astype(np.uint8)
        _, parts, facts, _ = cv2.connectedComponentsWithStats(is_large, connectivity=4)
        part = parts[row, column]
        x, y, width, height = (int(value) for value in facts[part, :4])
        peaks.append(float(peak))
        boxes.append((x, y, x + width, y + height))
        left[parts == part] = 0
    return np.array(peaks, np.float32), np.array(boxes, np.float64)
