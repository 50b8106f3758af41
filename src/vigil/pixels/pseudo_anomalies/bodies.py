"""Finds what moves in a clip, by the difference of its frames to the still background.

The background is the median of each pixel over time: what stands still for more than half of the
clip belongs to it (Lo and Velastin, "Automatic Congestion Detection System for Underground
Platforms", 2001).
"""

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from vigil.pixels.pictures.picture import Picture
from vigil.pixels.pseudo_anomalies.footage import Footage

MOST_FRAMES = 25
"""The background is the median of at most this number of frames, spread evenly over the clip."""
LEAST_DIFFERENCE = 16
"""The least difference of a moving pixel to the background, in grey levels of 256."""
TIMES_NOISE = 6.0
"""A moving pixel differs from the background by at least this multiple of the median difference."""
NOISE_STEP = 3
"""The median is taken over every n-th row and column."""
SMOOTHED = 1 / 60
"""Side of the square over which differences are averaged, as a fraction of the short side."""
LEAST_BODY, MOST_BODY = 0.04, 0.6
"""A body is at least and at most this high or wide, as fractions of the short side."""
AROUND_BODY = 1.25
"""Side of the patch around a body, as a multiple of the body's longer side."""
LEAST_PATCH = 0.2
"""The least side of a patch, as a fraction of the short side: a person may move an arm alone."""
TRAVEL = 1.5
"""What travels moves over at least this multiple of the side of its patch."""

Masks = npt.NDArray[np.bool_]


class Patch(NamedTuple):
    """A square of the picture, in px; the right and lower edges are exclusive."""

    x1: int
    y1: int
    x2: int
    y2: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """The rows and the columns of the patch."""
        return slice(self.y1, self.y2), slice(self.x1, self.x2)


def background_of(frames: Picture) -> Picture:
    """The median (H, W, 3) of frames (T, H, W, 3) over time."""
    rows = np.linspace(0, len(frames) - 1, min(len(frames), MOST_FRAMES)).astype(np.int64)
    return np.asarray(np.median(frames[rows], axis=0), np.uint8)


def moving_masks(frames: Picture, background: Picture) -> Masks:
    """Which pixels (T, H, W) of the frames show something that moves."""
    side = max(1, round(min(background.shape[:2]) * SMOOTHED))
    masks = np.empty(frames.shape[:3], bool)
    for at, frame in enumerate(frames):
        smooth = np.asarray(cv2.blur(largest_difference(frame, background), (side, side)), np.uint8)
        # A part of the pixels is enough for the noise, which is the same everywhere.
        noise = float(np.median(smooth[::NOISE_STEP, ::NOISE_STEP]))
        masks[at] = smooth >= max(LEAST_DIFFERENCE, TIMES_NOISE * noise)
    return masks


def largest_difference(one: Picture, other: Picture) -> Picture:
    """The difference (H, W) of two pictures in the colour in which they differ most."""
    blue, green, red = cv2.split(cv2.absdiff(one, other))
    return np.asarray(cv2.max(cv2.max(blue, green), red), np.uint8)


def body_side(masks: Masks) -> float | None:
    """The typical longer side of the largest body in a frame, in px; None: nothing moves."""
    short_side = min(masks.shape[1:])
    least, most = LEAST_BODY * short_side, MOST_BODY * short_side
    sides = []
    for mask in masks:
        _, _, facts, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
        found = facts[1:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]].max(axis=1, initial=0)
        fitting = found[(found >= least) & (found <= most)]
        if len(fitting):
            sides.append(float(fitting.max()))
    return float(np.median(sides)) if sides else None


def busiest_patch(footage: Footage, masks: Masks) -> Patch | None:
    """The square of a person's size in which a clip moves most; None: nothing moves.

    Motion is the change of moving pixels from frame to frame, summed over time.
    """
    side = body_side(masks)
    if side is None:
        return None
    height, width = masks.shape[1:]
    short_side = min(height, width)
    length = round(min(max(AROUND_BODY * side, LEAST_PATCH * short_side), short_side))
    change = np.zeros((height, width), np.float32)
    for at in range(1, len(masks)):
        step = largest_difference(footage.frames[at], footage.frames[at - 1])
        change += np.where(masks[at] | masks[at - 1], step, 0)
    sums = sums_of_squares(change, length)
    y, x = np.unravel_index(int(np.argmax(sums)), sums.shape)
    return Patch(int(x), int(y), int(x) + length, int(y) + length)


def travels(masks: Masks, patch: Patch) -> bool:
    """Whether what moves in a patch also moves beyond it.

    Who only waves belongs to the background, except for the arms. Who walks does not.
    """
    moved = np.asarray(masks.any(axis=0), np.uint8)
    _, parts, facts, _ = cv2.connectedComponentsWithStats(moved, connectivity=8)
    inside = np.bincount(parts[patch.slices].ravel(), minlength=len(facts))
    inside[0] = 0  # the still part of the picture
    extent = facts[int(np.argmax(inside)), [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]].max()
    return bool(inside.any() and extent >= TRAVEL * (patch.x2 - patch.x1))


def sums_of_squares(values: npt.NDArray[np.generic], length: int) -> npt.NDArray[np.float64]:
    """The sum over each square of this side that lies in the array, by its upper left corner."""
    sums = np.zeros((values.shape[0] + 1, values.shape[1] + 1))
    sums[1:, 1:] = np.asarray(values, np.float64).cumsum(axis=0).cumsum(axis=1)
    n = length
    return np.asarray(sums[n:, n:] - sums[:-n, n:] - sums[n:, :-n] + sums[:-n, :-n])
