"""The verdict of the alarm on a window: how unusual it is, by which channel, and where."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from vigil.domain.clips.evidence import Vectors

LARGEST_RATIO = 1e9
"""The ratio of a score to a threshold of 0 in tables, which hold finite numbers."""
Box = tuple[float, float, float, float]


def ratio_of(score: float, threshold: float) -> float:
    """The ratio of a score to its threshold: above 1 raises the alarm."""
    if threshold > 0:
        return score / threshold
    return np.inf if score > threshold else 0.0


@dataclass(frozen=True)
class Evidence:
    """One piece of evidence.

    Attributes:
        channel: the channel that measured it.
        box_xyxy: the place, in px of the frames.
        ratio: the ratio of its score to the channel's threshold.
        time_s: the time of its last frame, on the clock of the frames.
    """

    channel: str
    box_xyxy: Box
    ratio: float
    time_s: float


@dataclass(frozen=True)
class Verdict:
    """The verdict on a window.

    Attributes:
        scores: the score of each scorer, named `<channel>.<scorer>`; higher is more unusual.
        thresholds: the threshold of each scorer.
        raising: the scorer of each channel that raises the alarm.
        evidence: the strongest piece of each channel at each moment, by the scorers that raise the
            alarm; the strongest first.
        vector: (D,) the vector of the first piece of `evidence`, as scored. Some alarms have none.
    """

    scores: Mapping[str, float]
    thresholds: Mapping[str, float]
    raising: Mapping[str, str]
    evidence: tuple[Evidence, ...]
    vector: Vectors | None = field(default=None, compare=False, repr=False)

    @property
    def ratios(self) -> dict[str, float]:
        """By channel, the ratio of the score that raises the alarm to its threshold."""
        return {
            channel: ratio_of(self.scores[scorer], self.thresholds[scorer])
            for channel, scorer in self.raising.items()
        }

    @property
    def ratio(self) -> float:
        """The largest ratio of all channels."""
        return max(self.ratios.values())

    @property
    def channel(self) -> str:
        """The channel with the largest ratio; the first of equal ones."""
        return max(self.ratios, key=lambda name: self.ratios[name])

    @property
    def is_alarm(self) -> bool:
        """Whether at least one channel raises the alarm."""
        return self.ratio > 1


@dataclass(frozen=True)
class WindowVerdict:
    """The verdict on a window of a stream: the frames with times in [start_s, stop_s)."""

    start_s: float
    stop_s: float
    verdict: Verdict
