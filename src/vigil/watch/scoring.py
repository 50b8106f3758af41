"""Scores the windows of a source with the alarm, frame by frame."""

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vigil.domain.clips.scores import AUTOENCODER
from vigil.learn.alarm.trained import TrainedAlarm
from vigil.pixels.pictures.picture import Picture

EDGE_S = 1e-6
"""The tolerance for rounded time stamps at the edges of windows."""


@dataclass(frozen=True)
class Evidence:
    """An unusual place in a frame.

    Attributes:
        channel: the channel of the alarm. It tells why the place is unusual.
        box_xyxy: x1, y1, x2, y2 in px of the frame.
        ratio: score over threshold.
        time_s: the time of the frame.
    """

    channel: str
    box_xyxy: tuple[float, float, float, float]
    ratio: float
    time_s: float


@dataclass(frozen=True)
class WindowScore:
    """A window and its scores.

    Attributes:
        start_s: the time of its first frame.
        stop_s: `start_s` plus the length of a window.
        ratio: the score that raises the alarm, over its threshold.
        ratios: score over threshold of each scorer.
        evidence: unusual places in it; empty if the alarm gives none.
    """

    start_s: float
    stop_s: float
    ratio: float
    ratios: dict[str, float]
    evidence: tuple[Evidence, ...] = ()


class WindowScorer:
    """Scores windows of `window_s` every `stride_s`. It keeps the frames of one window only."""

    def __init__(self, alarm: TrainedAlarm, window_s: float, stride_s: float) -> None:
        self._alarm, self._window_s, self._stride_s = alarm, window_s, stride_s
        self._frames: deque[tuple[float, Picture]] = deque()
        self._start_s: float | None = None
        self._number = 0

    def push(self, picture: Picture, time_s: float) -> list[WindowScore]:
        """Adds the next frame, (H, W, 3) RGB, and scores the windows that end before it."""
        if self._start_s is None:
            self._start_s = time_s
        scores = self._score_until(time_s)
        self._frames.append((time_s, picture))
        return scores

    def end(self, stop_s: float) -> list[WindowScore]:
        """Scores windows that end by the end of the source, `stop_s`, and drops all frames.

        A window that would end later is not scored: it would be shorter than the windows for which
        the threshold was picked.
        """
        scores = self._score_until(stop_s) if self._start_s is not None else []
        self._frames.clear()
        self._start_s, self._number = None, 0
        return scores

    def _score_until(self, time_s: float) -> list[WindowScore]:
        assert self._start_s is not None
        scores: list[WindowScore] = []
        while True:
            start_s = self._start_s + self._number * self._stride_s
            stop_s = start_s + self._window_s
            if stop_s > time_s + EDGE_S:
                return scores
            self._number += 1
            while self._frames and self._frames[0][0] < start_s - EDGE_S:
                self._frames.popleft()
            frames = [entry for entry in self._frames if entry[0] < stop_s - EDGE_S]
            # Motion needs two frames. A window has fewer where a frame lasts too long.
            if len(frames) >= 2:
                scores.append(self._score(frames, start_s, stop_s))

    def _score(
        self, frames: list[tuple[float, Picture]], start_s: float, stop_s: float
    ) -> WindowScore:
        times_s: npt.NDArray[np.float64] = np.array([time_s for time_s, _ in frames])
        verdict = self._alarm([picture for _, picture in frames], times_s)
        ratios = {name: float(ratio) for name, ratio in verdict.ratios.items()}
        return WindowScore(start_s, stop_s, ratios[AUTOENCODER], ratios)
