"""Local disorder: motion in several directions within a place of a person's size.

A body that walks, or a vehicle, moves as a whole. People who fight, fall or jump move their limbs
and each other in several directions at the same time. The disorder of a place is the mean speed of
its cells minus the length of their mean velocity: 0 for motion in one direction. It needs no
training, and it does not depend on the place, so it can be compared between cameras.
"""

from __future__ import annotations

from collections.abc import Sequence
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

    def without_noise(motion: Motion) -> Motion:
        speeds = np.hypot(motion.velocities[..., 0], motion.velocities[..., 1])
        moves = speeds >= noise_floor(speeds, settings.min_speed)
        return motion._replace(velocities=motion.velocities * moves[..., None])

    def measure(motions: Sequence[Motion], _: int) -> Disorder:
        return disorder(np.stack([one.velocities for one in motions]), settings.size)

    rule = PeakRule(
        *("local_disorder", settings.past_s, 0.0, settings.num_peaks), without_noise, measure
    )
    return Channel(settings.flow, 1, lambda: PeakFollower(rule, short_clips))


def disorder(velocities: Velocities, size: float) -> Disorder:
    """The disorder (R, C) around each cell, at least 0, in short sides a second.

    Args:
        velocities: (T, R, C, 2) in short sides a second. Disorder is a mean over T moments.
        size: side of the square around a cell, as a fraction of the short side.
    """
    rows, columns = velocities.shape[1:3]
    side = max(1, round(size * min(rows, columns)))
    speeds = np.hypot(velocities[..., 0], velocities[..., 1]).mean(axis=0)
    # Both means are over the same cells. Outside the picture there are none.
    border = cv2.BORDER_CONSTANT
    mean_speeds = cv2.boxFilter(speeds, -1, (side, side), borderType=border)
    lengths = np.zeros_like(speeds)
    for moment in velocities:
        means = cv2.boxFilter(moment, -1, (side, side), borderType=border)
        lengths += np.hypot(means[..., 0], means[..., 1])
    found: Disorder = np.maximum(mean_speeds - lengths / np.float32(len(velocities)), 0)
    return found
