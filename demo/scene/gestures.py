"""Poses of waving, shaking hands, fighting and wrestling.

Each hand goes to a given point, and the elbow follows (inverse kinematics of two bones).  Points
and poses are in the units of ``poses``: forward, left and up, in body heights.
"""

from __future__ import annotations

import numpy as np

from scene.camera import FloatArray
from scene.poses import FOREARM, UPPER_ARM, Joint, body_pose, stand_pose

LEFT, RIGHT = 0, 1


def with_hand_at(
    pose: FloatArray,
    side: int,
    point: FloatArray,
    *,
    elbow_toward: tuple[float, float, float] = (-0.3, 0.4, -1.0),
) -> FloatArray:
    """The pose with one hand at ``point``, or as close to it as the arm reaches.

    ``elbow_toward`` is the direction in which the left elbow bends; the right one is mirrored.
    """
    first = Joint.LEFT_SHOULDER + 3 * side
    shoulder = pose[first]
    way = point - shoulder
    distance = float(np.clip(np.linalg.norm(way), 0.06, UPPER_ARM + FOREARM - 1e-3))
    along = way / max(float(np.linalg.norm(way)), 1e-6)
    bend = np.array(elbow_toward) * (1, 1 - 2 * side, 1)
    bend = bend - along * float(bend @ along)
    bend /= max(float(np.linalg.norm(bend)), 1e-6)
    cosine = (UPPER_ARM**2 + distance**2 - FOREARM**2) / (2 * UPPER_ARM * distance)
    cosine = float(np.clip(cosine, -1, 1))
    moved = pose.copy()
    moved[first + 1] = shoulder + UPPER_ARM * (cosine * along + np.sqrt(1 - cosine**2) * bend)
    moved[first + 2] = shoulder + distance * along
    return moved


def reach(pose: FloatArray, side: int, point: FloatArray, fraction: float) -> FloatArray:
    """The pose with the hand at a ``fraction`` (0..1) of the path from its place to ``point``."""
    hand = pose[Joint.LEFT_HAND + 3 * side]
    return with_hand_at(pose, side, (1 - fraction) * hand + fraction * point)


def wave_pose(
    time_s: float,
    *,
    sides: tuple[int, ...],
    raised: float,
    rate_hz: float,
    sweep: float,
    height: float,
    seed: int = 0,
) -> FloatArray:
    """The pose of a standing person who waves with the arms of ``sides``, ``raised`` 0..1.

    Hands move sideways by ``sweep`` to each side, at ``height`` above the shoulder (0.1: a small
    wave, 0.3: a stretched arm), in body heights.
    """
    turn = 2 * np.pi * rate_hz * time_s + seed
    pose = stand_pose(time_s, seed=4 * seed)
    for side in sides:
        outward = 1 - 2 * side
        shoulder = pose[Joint.LEFT_SHOULDER + 3 * side]
        across = 0.06 + sweep * np.sin(turn)
        dip = -0.3 * abs(across)  # the hand swings on an arc
        point = shoulder + np.array([0.06, outward * across, height + dip])
        hand = pose[Joint.LEFT_HAND + 3 * side]
        beside = shoulder + np.array([0.12, outward * 0.25, 0.0])  # hands rise beside the body
        # a quadratic curve from the hand's place past `beside` to the point
        middle = (
            (1 - raised) * hand
            + raised * point
            + 2 * raised * (1 - raised) * (beside - (hand + point) / 2)
        )
        pose = with_hand_at(pose, side, middle, elbow_toward=(-0.2, 1.0, -0.6))
    return pose


def shake_hands(pose: FloatArray, *, gap: float, height: float, fraction: float) -> FloatArray:
    """The pose with the right hand held out, by ``fraction`` (0..1), to a person ``gap`` ahead.

    ``height`` is the height of both hands above the ground.  All lengths are in body heights.
    """
    return reach(pose, RIGHT, np.array([gap / 2, 0.0, height]), fraction)


def fight_pose(
    *,
    punches: tuple[float, float],
    kick: float,
    struck: float,
    bounce: float,
    step: float,
    reach_ahead: float,
) -> FloatArray:
    """The pose of a boxer: fists at the chin, one foot ahead.

    ``punches`` ``(left, right)``, ``kick`` and ``struck`` (thrown back by a hit) are 0..1,
    ``bounce`` 0..1 bends the knees, ``step`` -1..1 opens and closes the legs, and ``reach_ahead``
    is the distance to the opponent's head, in body heights.
    """
    blow = max(punches)
    pose = body_pose(
        thighs=(0.38 + 0.22 * step - 0.1 * struck, -0.22 - 0.22 * step + 1.75 * kick),
        knees=(0.35 + 0.3 * bounce, 0.40 + 0.3 * bounce + 1.2 * kick * (1 - kick)),
        upper_arms=(0.3, 0.3),
        elbows=(1.6, 1.6),
        lean=0.12 + 0.28 * blow - 0.62 * struck - 0.30 * kick,
        head_turn=struck * 1.5,
    )
    neck = pose[Joint.NECK]
    for side, punch in enumerate(punches):
        outward = 1 - 2 * side
        guard = neck + np.array([0.15, 0.07 * outward, 0.01])
        flung = neck + np.array([0.12, 0.26 * outward, 0.06])
        held = (1 - 0.8 * struck) * guard + 0.8 * struck * flung
        target = np.array([reach_ahead, 0.0, 0.86])
        pose = with_hand_at(pose, side, (1 - punch) * held + punch * target)
    return pose


def wrestle_pose(*, gap: float, pull: float, step: float) -> FloatArray:
    """The pose of a person who holds another, ``gap`` ahead, by the shoulders; ``pull`` -1..1."""
    pose = body_pose(
        thighs=(0.42 + 0.45 * step, -0.18 - 0.45 * step),
        knees=(0.35 + 0.3 * max(step, 0.0), 0.35 + 0.3 * max(-step, 0.0)),
        upper_arms=(0.8, 0.8),
        elbows=(0.8, 0.8),
        lean=0.24 - 0.30 * pull,
        sway=0.16 * step,
    )
    for side in (LEFT, RIGHT):
        outward = 1 - 2 * side
        grip = np.array([gap - 0.03, 0.10 * outward, 0.76 + 0.05 * pull * outward])
        pose = with_hand_at(pose, side, grip, elbow_toward=(-0.2, 0.9, -0.6))
    return pose
