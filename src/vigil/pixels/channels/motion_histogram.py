"""How the whole picture moves in a window: its directions over a grid in space and time.

The grid is that of Laptev et al., "Learning Realistic Human Actions from Movies", 2008; the square
root of sums, by choice, that of Perronnin et al., "Improving the Fisher Kernel for Large-Scale
Image Classification", 2010.
"""

from collections import deque
from typing import NamedTuple

import cv2
import numpy as np

from vigil.domain.clips.evidence import Pieces
from vigil.pixels.channels.channel import EDGE_S, Channel
from vigil.pixels.flow.directions import Floats, mean_in_time_cells, speeds_by_direction
from vigil.pixels.flow.motion import Motion
from vigil.plumbing.errors import FieldError, InputError
from vigil.settings.embed_clips import MotionHistogram, ShortClips


class _Moment(NamedTuple):
    directions: Floats  # (num_space_cells, num_space_cells, num_bins)
    from_s: float
    time_s: float
    size_wh: tuple[int, int]


def motion_histogram(settings: MotionHistogram, short_clips: ShortClips) -> Channel:
    """The channel; `short_clips` says what a window of too few pairs of frames is."""
    own = settings.histogram
    width = own.num_time_cells * settings.num_space_cells**2 * own.num_bins
    return Channel(settings.flow, width, lambda: HistogramFollower(settings, short_clips))


class HistogramFollower:
    """Follows the motion of one video."""

    def __init__(self, settings: MotionHistogram, short_clips: ShortClips) -> None:
        self._settings, self._short_clips = settings, short_clips
        self._moments: deque[_Moment] = deque()

    def see(self, motion: Motion) -> None:
        """Keeps the means of what moves which way."""
        num = self._settings.num_space_cells
        directions = speeds_by_direction(motion.velocities, self._settings.histogram)
        # Means over areas, a channel each; OpenCV takes no more than 4 of them at once.
        means = [
            cv2.resize(directions[..., one], (num, num), interpolation=cv2.INTER_AREA)
            for one in range(directions.shape[2])
        ]
        moment = np.stack(means, axis=-1).reshape(num, num, -1).astype(np.float32, copy=False)
        self._moments.append(_Moment(moment, motion.from_s, motion.time_s, motion.size_wh))

    def judge(self, start_s: float, stop_s: float) -> Pieces:
        """One vector for the window: by time, row, column and direction; see `Follower`."""
        own = self._settings
        moments = [
            one
            for one in self._moments
            if one.from_s >= start_s - EDGE_S and one.time_s < stop_s - EDGE_S
        ]
        if not moments:
            raise InputError(
                "expected at least 2 frames at most 1 s apart for motion_histogram, found none"
            )
        needed = max(own.histogram.num_time_cells, own.num_pairs)
        if len(moments) < needed and self._short_clips == "error":
            raise FieldError(
                "short_clips",
                f"expected windows of at least {needed} pairs of frames for motion_histogram, got "
                f"one of {len(moments)}; repeat_last takes it",
            )
        chosen = moments
        if own.num_pairs and len(moments) > own.num_pairs:
            places = np.linspace(0, len(moments) - 1, own.num_pairs) + 1e-9
            chosen = [moments[int(place)] for place in places]
        vector = mean_in_time_cells([one.directions for one in chosen], own.histogram).ravel()
        width, height = moments[-1].size_wh
        return Pieces(
            vector[None],
            np.array([[0, 0, width, height]], np.float64),
            np.array([[moments[0].from_s, moments[-1].time_s]]),
        )

    def forget(self, before_s: float) -> None:
        """See `Follower`."""
        while self._moments and self._moments[0].from_s < before_s - EDGE_S:
            self._moments.popleft()
