"""What the alarm says of each window of a source, as its frames go by."""

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vigil.domain.clips.scores import AUTOENCODER
from vigil.learn.alarm.trained import TrainedAlarm
from vigil.pixels.pictures.picture import Picture

EDGE_S = 1e-6
"""By which a frame may lie before a window and still be its first: stamps are rounded."""


@dataclass(frozen=True)
class Evidence:
    """A place that is unusual.

    Attributes:
        channel: of the alarm's, which tells what is unusual about it.
        box_xyxy: in px of the frame.
        ratio: score over threshold.
        time_s: of the frame.
    """

    channel: str
    box_xyxy: tuple[float, float, float, float]
    ratio: float
    time_s: float


@dataclass(frozen=True)
class Scored:
    """A window and what the alarm says of it.

    Attributes:
        start_s: when its first frame is shown.
        stop_s: `start_s` and its length.
        ratio: the score that raises the alarm, over its threshold.
        ratios: of all scorers.
        evidence: where it is unusual; empty where the alarm does not tell.
    """

    start_s: float
    stop_s: float
    ratio: float
    ratios: dict[str, float]
    evidence: tuple[Evidence, ...] = ()


class WindowScorer:
    """Scores windows of `window_s` every `stride_s`; holds the frames of one window and no more."""

    def __init__(self, alarm: TrainedAlarm, window_s: float, stride_s: float) -> None:
        self._alarm, self._window_s, self._stride_s = alarm, window_s, stride_s
        self._frames: deque[tuple[float, Picture]] = deque()
        self._start_s: float | None = None
        self._number = 0

    def push(self, picture: Picture, time_s: float) -> list[Scored]:
        """Takes the next frame, (H, W, 3) RGB, and scores the windows that end before it."""
        if self._start_s is None:
            self._start_s = time_s
        scored = self._scored_until(time_s)
        self._frames.append((time_s, picture))
        return scored

    def end(self, stop_s: float) -> list[Scored]:
        """Scores windows that end with the source at `stop_s`, and forgets all frames.

        A window that the source ends in is not scored: it would be shorter than those that the
        threshold was picked for.
        """
        scored = self._scored_until(stop_s) if self._start_s is not None else []
        self._frames.clear()
        self._start_s, self._number = None, 0
        return scored

    def _scored_until(self, time_s: float) -> list[Scored]:
        assert self._start_s is not None
        found: list[Scored] = []
        while True:
            start_s = self._start_s + self._number * self._stride_s
            stop_s = start_s + self._window_s
            if stop_s > time_s + EDGE_S:
                return found
            self._number += 1
            while self._frames and self._frames[0][0] < start_s - EDGE_S:
                self._frames.popleft()
            inside = [(at, frame) for at, frame in self._frames if at < stop_s - EDGE_S]
            # Where a frame lasts longer than half a window, nothing can be seen to move in it.
            if len(inside) >= 2:
                found.append(self._score(inside, start_s, stop_s))

    def _score(self, inside: list[tuple[float, Picture]], start_s: float, stop_s: float) -> Scored:
        times_s: npt.NDArray[np.float64] = np.array([at for at, _ in inside])
        verdict = self._alarm([frame for _, frame in inside], times_s)
        ratios = {name: float(ratio) for name, ratio in verdict.ratios.items()}
        return Scored(start_s, stop_s, ratios[AUTOENCODER], ratios)
