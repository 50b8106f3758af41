"""What an alarm says of a window: how unusual it is, by which channel, and where."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

LARGEST_RATIO = 1e9
"""Stands for that of a score to a threshold of 0: tables hold finite numbers."""
Box = tuple[float, float, float, float]


def ratio_of(score: float, threshold: float) -> float:
    """A score in terms of its threshold: more than 1 raises the alarm."""
    if threshold > 0:
        return score / threshold
    return np.inf if score > threshold else 0.0


@dataclass(frozen=True)
class Evidence:
    """What speaks for an alarm.

    Attributes:
        channel: which found it.
        box_xyxy: where, in px of the frames.
        ratio: its score in terms of the channel's threshold.
        time_s: of the last frame that counts, on the clock of the frames.
    """

    channel: str
    box_xyxy: Box
    ratio: float
    time_s: float


@dataclass(frozen=True)
class Verdict:
    """What the alarm says of a window.

    Attributes:
        scores: by scorer, named `<channel>.<scorer>`; the higher, the more unusual.
        thresholds: by scorer.
        raising: by channel, the scorer that raises the alarm.
        evidence: of these, the strongest of each channel at each moment, the strongest first.
    """

    scores: Mapping[str, float]
    thresholds: Mapping[str, float]
    raising: Mapping[str, str]
    evidence: tuple[Evidence, ...]

    @property
    def ratios(self) -> dict[str, float]:
        """By channel, the score that counts in terms of its threshold."""
        return {
            channel: ratio_of(self.scores[scorer], self.thresholds[scorer])
            for channel, scorer in self.raising.items()
        }

    @property
    def ratio(self) -> float:
        """The largest of the channels'."""
        return max(self.ratios.values())

    @property
    def channel(self) -> str:
        """The channel of the largest ratio; of equal ones, the first."""
        return max(self.ratios, key=lambda name: self.ratios[name])

    @property
    def is_alarm(self) -> bool:
        """Whether a channel raises the alarm."""
        return self.ratio > 1


@dataclass(frozen=True)
class WindowVerdict:
    """The verdict of a window of a stream: the frames shown in [start_s, stop_s)."""

    start_s: float
    stop_s: float
    verdict: Verdict
