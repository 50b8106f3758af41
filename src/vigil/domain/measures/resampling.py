"""Metrics of videos that are drawn several times or not at all, for intervals by resampling.

Scores are sorted once. A round of resampling then takes only sums.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from vigil.domain.measures.frames import Bools, Floats
from vigil.domain.measures.intervals import Counts
from vigil.domain.measures.regions import RegionScores, area_under


class _Ranked:
    """Scores of several videos, as ranks among all different scores, the highest first."""

    def __init__(self, ranks: npt.NDArray[np.int64], videos: Counts, num: int) -> None:
        self._ranks, self._videos, self._num = ranks, videos, num

    def sums(self, counts: Counts) -> Floats:
        """(K,): how many scores are at least as high as each different one, if videos count so."""
        weights = counts[self._videos].astype(np.float64)
        return np.bincount(self._ranks, weights, minlength=self._num).cumsum()


def _rank(groups: Sequence[Sequence[Floats]]) -> list[_Ranked]:
    """Ranks among the scores of all groups. Args: groups: in each, the scores of each video."""
    flat = [score for group in groups for score in group]
    _, inverse = np.unique(-np.concatenate(flat), return_inverse=True)
    num = int(inverse.max(initial=-1)) + 1
    ranked, start = [], 0
    for group in groups:
        lengths = [len(scores) for scores in group]
        stop = start + sum(lengths)
        videos = np.repeat(np.arange(len(group)), lengths)
        ranked.append(_Ranked(inverse[start:stop], videos, num))
        start = stop
    return ranked


class ResampledFrames:
    """AUROC and average precision of the frames of videos, as scikit-learn has them."""

    def __init__(self, is_anomalous: Sequence[Bools], scores: Sequence[Floats]) -> None:
        """Args: is_anomalous, scores: (F,) the labels and scores of the frames of each video."""
        pairs = list(zip(is_anomalous, scores, strict=True))
        self._positive, self._negative = _rank(
            [[own[labels] for labels, own in pairs], [own[~labels] for labels, own in pairs]]
        )

    def measure(self, counts: Counts) -> dict[str, float | None]:
        """`auroc_micro` and `average_precision_micro`; None: all frames are of one kind.

        Args:
            counts: (V,) how often each video was drawn.
        """
        true, false = self._positive.sums(counts), self._negative.sums(counts)
        if not (true[-1] and false[-1]):
            return {"auroc_micro": None, "average_precision_micro": None}
        recall, alarms = true / true[-1], false / false[-1]
        rises = np.diff(recall, prepend=0.0)
        area = 1 - np.sum(rises * (alarms - np.diff(alarms, prepend=0.0) / 2))
        known = true + false
        precision = np.divide(true, known, out=np.zeros_like(true), where=known > 0)
        return {
            "auroc_micro": float(area),
            "average_precision_micro": float(np.sum(rises * precision)),
        }


class ResampledRegions:
    """RBDC and TBDC of videos, as `vigil.domain.measures.regions` has them."""

    def __init__(self, videos: Sequence[RegionScores]) -> None:
        self._num_frames = np.array([video.num_frames for video in videos])
        # A region that is never detected has the lowest of all ranks.
        right = [video.regions for video in videos], [video.tracks for video in videos]
        regions, tracks, self._false = _rank([*right, [video.false for video in videos]])
        self._right = {"rbdc": regions, "tbdc": tracks}
        self._is_never = bool(np.isinf(np.concatenate([*right[0], *right[1]])).any())

    def measure(self, counts: Counts) -> dict[str, float | None]:
        """`rbdc` and `tbdc`; None: there is no true region. Args: see `ResampledFrames`."""
        num_frames = float((counts * self._num_frames).sum())
        false = self._false.sums(counts)
        rate = np.append(0.0, false / num_frames if num_frames else false)
        return {name: self._area(one.sums(counts), rate) for name, one in self._right.items()}

    def _area(self, right: Floats, rate: Floats) -> float | None:
        if not right[-1]:
            return None
        detected = np.append(0.0, right / right[-1])
        if self._is_never:  # what is never detected is part of all, but is no point of the curve
            rate, detected = rate[:-1], detected[:-1]
        return area_under(rate, detected)
