"""Falls: a person stumbles forward, slips backward or collapses sideways.

Joint angles follow key poses, while the whole body turns about its feet like an inverted pendulum:
slowly at first, fast at the end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scene.camera import FloatArray
from scene.poses import ANKLE_HEIGHT, NUM_JOINTS, Joint, body_pose

_RADII = np.full(NUM_JOINTS, 0.025)
_RADII[[Joint.HEAD]] = 0.06
_RADII[[Joint.NECK, Joint.LEFT_SHOULDER, Joint.RIGHT_SHOULDER]] = 0.05
_RADII[[Joint.PELVIS, Joint.LEFT_HIP, Joint.RIGHT_HIP]] = 0.055
_RADII[[Joint.LEFT_KNEE, Joint.RIGHT_KNEE]] = 0.035
_RADII[[Joint.LEFT_ANKLE, Joint.RIGHT_ANKLE]] = ANKLE_HEIGHT
_RADII[[Joint.LEFT_TOE, Joint.RIGHT_TOE]] = -0.02
"""The thickness of the body around each joint, in body heights; a lying body rests on it."""

Keys = tuple[float, ...]
_KEYS_AT = (0.0, 0.3, 0.65, 1.0)


@dataclass(frozen=True)
class Fall:
    """A kind of fall: angles in radians at the progress ``_KEYS_AT``, ``(left, right)`` each.

    ``pitch`` turns the body forward, ``roll`` to the left.  ``slide`` says how far the feet slip:
    with 0 the feet stay and the hips move, with 1 the hips stay and the feet move.
    """

    thighs: tuple[Keys, Keys]
    knees: tuple[Keys, Keys]
    upper_arms: tuple[Keys, Keys]
    elbows: tuple[Keys, Keys]
    arms_out: tuple[Keys, Keys]
    lean: Keys
    pitch: Keys
    roll: Keys
    slide: float


_NONE = (0.0, 0.0, 0.0, 0.0)

FALLS = {
    "stumble": Fall(
        thighs=((0.15, 0.75, 0.35, -0.02), (0.0, -0.25, -0.10, -0.05)),
        knees=((0.2, 0.8, 0.55, 0.30), (0.2, 0.7, 0.45, 0.12)),
        upper_arms=((0.1, 1.0, 1.9, 2.75), (-0.1, 0.8, 1.8, 2.60)),
        elbows=((0.3, 0.5, 0.4, 0.55), (0.3, 0.5, 0.5, 0.80)),
        arms_out=((0.1, 0.25, 0.1, -0.35), (0.1, 0.30, 0.1, -0.45)),
        lean=(0.05, 0.35, 0.20, -0.02),
        pitch=(0.0, 0.15, 0.80, 1.52),
        roll=(0.0, 0.05, 0.08, 0.10),
        slide=0.15,
    ),
    "slip": Fall(
        thighs=((0.1, 0.7, 1.10, 0.60), (0.0, 0.3, 0.75, 0.22)),
        knees=((0.15, 0.3, 0.60, 1.15), (0.15, 0.3, 0.45, 0.40)),
        upper_arms=((0.0, 0.9, -0.5, -0.12), (0.0, 1.2, 0.4, -0.10)),
        elbows=((0.3, 0.4, 0.4, 0.20), (0.3, 0.5, 0.5, 0.35)),
        arms_out=((0.1, 0.9, 1.1, 0.85), (0.1, 1.0, 1.2, 1.15)),
        lean=(0.05, -0.10, 0.30, 0.0),
        pitch=(0.0, -0.25, -0.90, -1.52),
        roll=(0.0, 0.0, 0.05, 0.0),
        slide=0.75,
    ),
    "collapse": Fall(
        thighs=((0.1, 0.75, 1.15, 0.70), (0.0, 0.60, 1.00, 0.35)),
        knees=((0.15, 1.15, 1.80, 1.20), (0.15, 1.10, 1.75, 0.75)),
        upper_arms=((0.0, 0.1, 0.3, 1.10), (0.0, 0.1, 0.3, 0.70)),
        elbows=((0.3, 0.3, 0.4, 0.70), (0.3, 0.3, 0.4, 0.60)),
        arms_out=((0.1, 0.15, 0.3, 0.10), (0.1, 0.15, 0.3, 0.15)),
        lean=(0.05, 0.35, 0.50, 0.20),
        pitch=(0.0, 0.0, 0.10, 0.15),
        roll=(0.0, 0.10, 0.55, 1.45),
        slide=0.5,
    ),
}


def progress(time_s: float, *, start_s: float, duration_s: float) -> float:
    """The progress of a fall, 0..1: faster and faster, with a small rebound after the impact."""
    part = (time_s - start_s) / duration_s
    if part <= 1:
        return float(max(part, 0.0) ** 1.8)
    after_s = time_s - start_s - duration_s
    return 1 - 0.05 * float(np.sin(min(after_s / 0.28, 1.0) * np.pi))


def grounded(pose: FloatArray) -> FloatArray:
    """The pose, moved up or down until its lowest part touches the ground."""
    resting = pose.copy()
    resting[:, 2] -= float((pose[:, 2] - _RADII).min())
    return resting


def turned(pose: FloatArray, *, pitch: float, roll: float, slide: float) -> FloatArray:
    """The pose, turned as a rigid body about its standing point, then placed on the ground."""
    forward = np.array(
        [
            [np.cos(pitch), 0, np.sin(pitch)],
            [0, 1, 0],
            [-np.sin(pitch), 0, np.cos(pitch)],
        ]
    )
    leftward = np.array(
        [[1, 0, 0], [0, np.cos(roll), np.sin(roll)], [0, -np.sin(roll), np.cos(roll)]]
    )
    moved = pose @ (leftward @ forward).T
    moved[:, :2] -= slide * (moved[Joint.PELVIS, :2] - pose[Joint.PELVIS, :2])
    return grounded(moved)


def fall_pose(fall: Fall, done: float, *, mirrored: bool = False, stir: float = 0.0) -> FloatArray:
    """The pose at the progress ``done`` (0..1) of a fall.

    ``stir`` moves the limbs, for a person who lies on the ground.  ``mirrored`` swaps left and
    right.
    """

    def at(keys: Keys) -> float:
        return float(np.interp(done, _KEYS_AT, keys))

    def both(pair: tuple[Keys, Keys]) -> tuple[float, float]:
        left, right = at(pair[0]), at(pair[1])
        return (right, left) if mirrored else (left, right)

    knees, elbows = both(fall.knees), both(fall.elbows)
    pose = body_pose(
        thighs=both(fall.thighs),
        knees=(knees[0] + 0.25 * stir, knees[1] - 0.10 * stir),
        upper_arms=both(fall.upper_arms),
        elbows=(elbows[0] - 0.2 * stir, elbows[1] + 0.4 * stir),
        arms_out=both(fall.arms_out),
        lean=at(fall.lean),
    )
    roll = -at(fall.roll) if mirrored else at(fall.roll)
    return turned(pose, pitch=at(fall.pitch), roll=roll, slide=fall.slide)
