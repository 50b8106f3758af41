"""How well scores tell unusual frames from others, over one video and over many.

- micro: the frames of all videos are joined; macro: the mean of the videos' own, undefined for a
  video whose frames are all of one kind.
- padded macro: as much published code has it, each video gets one normal frame of score 0 and one
  unusual one of infinite score, so that no video is undefined and all look better. It is here under
  its own name, to be compared with such numbers and with nothing else.
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
        scores: (F,) the higher, the more unusual.
        is_unusual: (F,).
    """

    scores: Floats
    is_unusual: Flags

    @property
    def is_mixed(self) -> bool:
        """Whether there are frames of both kinds."""
        return bool(self.is_unusual.any() and not self.is_unusual.all())


@dataclass(frozen=True)
class FrameMeasures:
    """Numbers over several videos; None where nothing defines them.

    Attributes:
        auroc_micro: of all frames joined.
        auroc_macro: the mean over videos with frames of both kinds.
        auroc_macro_padded: the mean over all videos, each padded.
        average_precision: of all frames joined.
        one_kind: names of the videos that `auroc_macro` leaves out.
    """

    auroc_micro: float | None
    auroc_macro: float | None
    auroc_macro_padded: float | None
    average_precision: float | None
    one_kind: tuple[str, ...]


def window_to_frames(starts_s: Floats, stops_s: Floats, scores: Floats, times_s: Floats) -> Floats:
    """(F,): each frame's highest score of the windows that hold it.

    A frame that no window holds, as at the end of a video, has that of the window nearest to it.

    Args:
        starts_s: (N,) at least one.
        stops_s: (N,).
        scores: (N,) of windows.
        times_s: (F,) of frames.
    """
    holds = (times_s[:, None] >= starts_s) & (times_s[:, None] < stops_s)
    best = np.where(holds, scores, -np.inf).max(axis=1)
    middles = (starts_s + stops_s) / 2
    nearest = scores[np.abs(times_s[:, None] - middles).argmin(axis=1)]
    return np.where(holds.any(axis=1), best, nearest)


def measure_frames(videos: Mapping[str, FrameScores]) -> FrameMeasures:
    """Measures several videos."""
    scores = np.concatenate([one.scores for one in videos.values()] or [np.empty(0)])
    flags = np.concatenate([one.is_unusual for one in videos.values()] or [np.empty(0, bool)])
    joined = FrameScores(scores, flags)
    mixed = [one for one in videos.values() if one.is_mixed]
    padded = [_auroc(_padded(one)) for one in videos.values()]
    return FrameMeasures(
        _auroc(joined) if joined.is_mixed else None,
        float(np.mean([_auroc(one) for one in mixed])) if mixed else None,
        float(np.mean(padded)) if padded else None,
        float(average_precision_score(flags, scores)) if joined.is_mixed else None,
        tuple(sorted(name for name, one in videos.items() if not one.is_mixed)),
    )


def _auroc(video: FrameScores) -> float:
    return float(roc_auc_score(video.is_unusual, video.scores))


def _padded(video: FrameScores) -> FrameScores:
    # Any number above all others does for infinity.
    top = float(np.max(video.scores, initial=0.0)) + 1
    return FrameScores(
        np.append(video.scores, [0.0, top]), np.append(video.is_unusual, [False, True])
    )
