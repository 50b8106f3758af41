"""The verdict of the alarm on a window: how unusual it is, by which channel, and where."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from vigil.domain.clips.evidence.pieces import Vectors

LARGEST_RATIO = 1e9
"""The ratio of a score to a threshold of 0 in tables, which hold finite numbers."""
NO_EVIDENCE = -1.0
"""The score and the ratio of a window or clip in which a channel has no evidence, as `objects`
where nobody is. It is below each score and each ratio of evidence, which are at least 0."""
Box = tuple[float, float, float, float]


def ratio_of(score: float, threshold: float) -> float:
    """The ratio of a score to its threshold: above 1 raises the alarm. Without evidence, -1."""
    if score == NO_EVIDENCE:
        return NO_EVIDENCE
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
        feature: what is unusual in it, for a channel whose scorers score several features.
    """

    channel: str
    box_xyxy: Box
    ratio: float
    time_s: float
    feature: str = ""

    @property
    def reason(self) -> str:
        """The channel, and the feature if there is one: `objects: speed`."""
        return reason_of(self.channel, self.feature)


def reason_of(channel: str, feature: str) -> str:
    """A channel and its feature in words."""
    return f"{channel}: {feature}" if feature else channel


@dataclass(frozen=True)
class Verdict:
    """The verdict on a window.

    Attributes:
        scores: the score of each scorer, named `<channel>.<scorer>`; higher is more unusual. A
            channel without evidence in the window has none.
        thresholds: the threshold of each scorer.
        raising: the scorer of each channel with evidence that raises the alarm.
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
        """The largest ratio of all channels; `NO_EVIDENCE` if none has evidence."""
        return max(self.ratios.values(), default=NO_EVIDENCE)

    @property
    def channel(self) -> str:
        """The channel with the largest ratio; the first of equal ones; empty without evidence."""
        return max(self.ratios, key=lambda name: self.ratios[name], default="")

    @property
    def reason(self) -> str:
        """The channel with the largest ratio, and the feature of its strongest evidence."""
        own = (each.feature for each in self.evidence if each.channel == self.channel)
        return reason_of(self.channel, next(own, ""))

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
