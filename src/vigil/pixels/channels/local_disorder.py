"""Local disorder: motion in several directions within a place of a person's size.

A body that walks, or a vehicle, moves as a whole. People who fight, fall or jump move their limbs
and each other in several directions at the same time. The disorder of a place is the mean speed of
its cells minus the length of their mean velocity: 0 for motion in one direction. It needs no
training, and it does not depend on the place, so it can be compared between cameras.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from vigil.pixels.channels.channel import Channel
from vigil.pixels.channels.peaks import PeakFollower, PeakRule
from vigil.pixels.flow.directions import noise_floor
from vigil.pixels.flow.motion import Motion, Velocities

if TYPE_CHECKING:  # an exported alarm has its settings from a card, without pydantic
    from vigil.settings.embed_clips import LocalDisorder, ShortClips

Disorder = npt.NDArray[np.float32]


def local_disorder(settings: LocalDisorder, short_clips: ShortClips) -> Channel:
    """Builds the channel; `short_clips` is for windows shorter than `past_s`."""

    def disorder_of(motion: Motion) -> Disorder:
        speeds = np.hypot(motion.velocities[..., 0], motion.velocities[..., 1])
        moves = speeds >= noise_floor(speeds, settings.min_speed)
        return disorder(motion.velocities * moves[..., None], settings.size)

    def mean(maps: Disorder, _times_s: npt.NDArray[np.float64], _at: int) -> Disorder:
        return np.asarray(maps.mean(axis=0))

    rule = PeakRule(
        *("local_disorder", settings.past_s, 0.0, settings.num_peaks), disorder_of, mean
    )
    needs_s = rule.past_s + rule.ahead_s
    return Channel(settings.flow, 1, needs_s, lambda: PeakFollower(rule, short_clips))


def disorder(velocities: Velocities, size: float) -> Disorder:
    """The disorder (R, C) around each cell, at least 0, in short sides a second.

    Args:
        velocities: (R, C, 2) in short sides a second.
        size: side of the square around a cell, as a fraction of the short side. Cells of the square
            outside the picture count as still.
    """
    side = max(1, round(size * min(velocities.shape[:2])))

    def average(values: Velocities) -> Velocities:
        border = cv2.BORDER_CONSTANT
        return np.asarray(cv2.boxFilter(values, -1, (side, side), borderType=border), np.float32)

    means = average(velocities)
    speeds = average(np.hypot(velocities[..., 0], velocities[..., 1]))
    found: Disorder = np.maximum(speeds - np.hypot(means[..., 0], means[..., 1]), 0)
    return found
