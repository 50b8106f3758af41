"""The motion of the whole picture in a window: histograms of direction over space and time.

The grid in space and time follows Laptev et al., "Learning Realistic Human Actions from Movies",
2008. The optional square root of sums follows Perronnin et al., "Improving the Fisher Kernel for
Large-Scale Image Classification", 2010.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from vigil.domain.clips.evidence.pieces import Pieces
from vigil.pixels.channels.channel import EDGE_S, Channel, no_motion
from vigil.pixels.flow.directions import Floats, mean_in_time_cells, speeds_by_direction
from vigil.pixels.flow.motion import Motion
from vigil.plumbing.errors import FieldError

if TYPE_CHECKING:  # an exported alarm has its settings from a card, without pydantic
    from vigil.settings.embed_clips import MotionHistogram, ShortClips


class _Moment(NamedTuple):
    directions: Floats  # (num_space_cells, num_space_cells, num_bins)
    from_s: float
    time_s: float
    size_wh: tuple[int, int]


def motion_histogram(settings: MotionHistogram, short_clips: ShortClips) -> Channel:
    """Builds the channel; `short_clips` is for windows with too few pairs of frames."""
    histogram = settings.histogram
    width = histogram.num_time_cells * settings.num_space_cells**2 * histogram.num_bins
    needs_s = max(settings.histogram.num_time_cells, settings.num_pairs) * settings.flow.gap_s
    return Channel(settings.flow, width, needs_s, lambda: HistogramFollower(settings, short_clips))


class HistogramFollower:
    """Follows the motion of one video."""

    def __init__(self, settings: MotionHistogram, short_clips: ShortClips) -> None:
        self._settings, self._short_clips = settings, short_clips
        self._moments: deque[_Moment] = deque()

    def see(self, motion: Motion) -> None:
        """Stores the mean speed in each direction, by part of the picture."""
        num = self._settings.num_space_cells
        directions = speeds_by_direction(motion.velocities, self._settings.histogram)
        # Means over areas. OpenCV takes at most 4 channels, so each direction is resized alone.
        means = [
            cv2.resize(directions[..., one], (num, num), interpolation=cv2.INTER_AREA)
            for one in range(directions.shape[2])
        ]
        moment = np.stack(means, axis=-1).reshape(num, num, -1).astype(np.float32, copy=False)
        self._moments.append(_Moment(moment, motion.from_s, motion.time_s, motion.size_wh))

    def judge(self, start_s: float, stop_s: float) -> Pieces:
        """One vector for the window, in the order time, row, column, direction; see `Follower`."""
        settings = self._settings
        moments = [
            one
            for one in self._moments
            if one.from_s >= start_s - EDGE_S and one.time_s < stop_s - EDGE_S
        ]
        if not moments:
            raise no_motion("motion_histogram")
        needed = max(settings.histogram.num_time_cells, settings.num_pairs)
        if len(moments) < needed and self._short_clips == "error":
            raise FieldError(
                "short_clips",
                f"expected windows of at least {needed} pairs of frames for motion_histogram, got "
                f"one of {len(moments)}; repeat_last takes it",
            )
        chosen = moments
        if settings.num_pairs and len(moments) > settings.num_pairs:
            places = np.linspace(0, len(moments) - 1, settings.num_pairs) + 1e-9
            chosen = [moments[int(place)] for place in places]
        directions = [one.directions for one in chosen]
        vector = mean_in_time_cells(directions, settings.histogram).ravel()
        width, height = moments[-1].size_wh
        return Pieces(
            vector[None],
            np.array([[0, 0, width, height]], np.float64),
            np.array([[moments[0].from_s, moments[-1].time_s]]),
            np.array([[width, height]], np.float64),
        )

    def forget(self, before_s: float) -> None:
        """See `Follower`."""
        while self._moments and self._moments[0].from_s < before_s - EDGE_S:
            self._moments.popleft()
