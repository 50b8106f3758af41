"""Measures of frame scores: how well they separate unusual from normal frames.

- micro: the frames of all videos are joined.
- macro: the mean over videos. It is undefined for a video with only normal or only unusual frames.
- padded macro: each video gets one more normal frame with score 0, and one more unusual frame with
  an infinite score. Much published code does this. Then every video is defined, and looks better.
  Use it only to compare with such published numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score, roc_auc_score

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class FrameScores:
    """The frames of one video.

    Attributes:
        scores: (F,) higher for more unusual frames.
        is_unusual: (F,) the truth.
    """

    scores: Floats
    is_unusual: Flags

    @property
    def is_mixed(self) -> bool:
        """Whether there are normal and unusual frames."""
        return bool(self.is_unusual.any() and not self.is_unusual.all())


@dataclass(frozen=True)
class FrameMeasures:
    """Measures over several videos; None: undefined.

    Attributes:
        auroc_micro: the AUROC of the frames of all videos.
        auroc_macro: the mean AUROC over videos with normal and unusual frames.
        auroc_macro_padded: the mean AUROC over all videos, each padded.
        average_precision: the average precision of the frames of all videos.
        one_kind: names of the videos that are left out of `auroc_macro`.
    """

    auroc_micro: float | None
    auroc_macro: float | None
    auroc_macro_padded: float | None
    average_precision: float | None
    one_kind: tuple[str, ...]


def window_to_frames(starts_s: Floats, stops_s: Floats, scores: Floats, times_s: Floats) -> Floats:
    """(F,): for each frame, the highest score of the windows that contain it.

    A frame outside all windows, as at the end of a video, has the score of the nearest window.

    Args:
        starts_s: (N,) starts of windows, at least one.
        stops_s: (N,) ends of windows.
        scores: (N,) scores of windows.
        times_s: (F,) times of frames.
    """
    contains = (times_s[:, None] >= starts_s) & (times_s[:, None] < stops_s)
    best = np.where(contains, scores, -np.inf).max(axis=1)
    middles = (starts_s + stops_s) / 2
    nearest = scores[np.abs(times_s[:, None] - middles).argmin(axis=1)]
    return np.where(contains.any(axis=1), best, nearest)


def measure_frames(videos: Mapping[str, FrameScores]) -> FrameMeasures:
    """Measures the frame scores of several videos."""
    scores = np.concatenate([video.scores for video in videos.values()] or [np.empty(0)])
    flags = np.concatenate([video.is_unusual for video in videos.values()] or [np.empty(0, bool)])
    joined = FrameScores(scores, flags)
    mixed = [video for video in videos.values() if video.is_mixed]
    padded = [_auroc(_padded(video)) for video in videos.values()]
    return FrameMeasures(
        _auroc(joined) if joined.is_mixed else None,
        float(np.mean([_auroc(video) for video in mixed])) if mixed else None,
        float(np.mean(padded)) if padded else None,
        float(average_precision_score(flags, scores)) if joined.is_mixed else None,
        tuple(sorted(name for name, video in videos.items() if not video.is_mixed)),
    )


def _auroc(video: FrameScores) -> float:
    return float(roc_auc_score(video.is_unusual, video.scores))


def _padded(video: FrameScores) -> FrameScores:
    # Any number above all scores has the same effect as infinity.
    top = float(np.max(video.scores, initial=0.0)) + 1
    return FrameScores(
        np.append(video.scores, [0.0, top]), np.append(video.is_unusual, [False, True])
    )
