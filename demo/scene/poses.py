"""Poses of the body: pure functions from phase or time to joint positions.

A pose is ``(NUM_JOINTS, 3)``: forward, left and up of the standing point on the ground, in body
heights.  For a new behaviour, add a function that returns such an array.  Drawing, shadows, boxes
and occlusion use only the joints.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from scene.camera import FloatArray


class Joint(IntEnum):
    """Rows of a pose."""

    HEAD = 0
    NECK = 1
    PELVIS = 2
    LEFT_SHOULDER = 3
    LEFT_ELBOW = 4
    LEFT_HAND = 5
    RIGHT_SHOULDER = 6
    RIGHT_ELBOW = 7
    RIGHT_HAND = 8
    LEFT_HIP = 9
    LEFT_KNEE = 10
    LEFT_ANKLE = 11
    LEFT_TOE = 12
    RIGHT_HIP = 13
    RIGHT_KNEE = 14
    RIGHT_ANKLE = 15
    RIGHT_TOE = 16


NUM_JOINTS = len(Joint)

THIGH = 0.245
SHIN = 0.245
FOOT = 0.085
ANKLE_HEIGHT = 0.035
UPPER_ARM = 0.165
FOREARM = 0.185
SPINE = 0.30
HEAD_ABOVE_NECK = 0.105
SHOULDER_HALF_WIDTH = 0.105
HIP_HALF_WIDTH = 0.06
STRIDE_CYCLE = 0.62
"""The length of one full gait cycle (two steps), in body heights."""
RUN_CYCLE = 1.3
"""The same for running, where both feet leave the ground."""


def _limb(
    root: FloatArray, lengths: tuple[float, float], angles: tuple[float, float], out: float
) -> tuple[FloatArray, FloatArray]:
    """The middle joint and the end joint of a limb that hangs from ``root``.

    ``angles`` are the angles of both parts from straight down, positive forward; ``out`` leans the
    limb to the left.  All angles are in radians.
    """
    ends = []
    joint = root
    for length, angle in zip(lengths, angles, strict=True):
        step = np.array([np.sin(angle), np.cos(angle) * np.sin(out), -np.cos(angle) * np.cos(out)])
        joint = joint + length * step
        ends.append(joint)
    return ends[0], ends[1]


def body_pose(
    *,
    thighs: tuple[float, float],
    knees: tuple[float, float],
    upper_arms: tuple[float, float],
    elbows: tuple[float, float],
    arms_out: tuple[float, float] = (0.10, 0.10),
    lean: float = 0.0,
    sway: float = 0.0,
    head_turn: float = 0.0,
) -> FloatArray:
    """A pose from joint angles in radians, ``(left, right)`` each; the lower foot is on the ground.

    ``thighs`` and ``upper_arms`` count forward from straight down, ``knees`` and ``elbows`` are
    bends, ``arms_out`` lifts the arms sideways, ``lean`` bends the trunk forward, ``sway`` leans
    it to the left, ``head_turn`` moves the head's centre to the left.
    """
    pose = np.zeros((NUM_JOINTS, 3))
    trunk = np.array([np.sin(lean), np.sin(sway), np.cos(lean) * np.cos(sway)])
    pose[Joint.NECK] = SPINE * trunk
    pose[Joint.HEAD] = pose[Joint.NECK] + HEAD_ABOVE_NECK * trunk + (0.012, 0.02 * head_turn, 0)
    for index, side in enumerate((1.0, -1.0)):
        shoulder = pose[Joint.NECK] + (0, side * SHOULDER_HALF_WIDTH, -0.02)
        hip = np.array([0, side * HIP_HALF_WIDTH, 0.0])
        elbow, hand = _limb(
            shoulder,
            (UPPER_ARM, FOREARM),
            (upper_arms[index], upper_arms[index] + elbows[index]),
            side * arms_out[index],
        )
        knee, ankle = _limb(
            hip, (THIGH, SHIN), (thighs[index], thighs[index] - knees[index]), 0.02 * side
        )
        # the toes point down when the heel lifts
        pitch = min(thighs[index] - knees[index], 0.15)
        toe = ankle + FOOT * np.array([np.cos(pitch), 0.15 * side, 0.9 * np.sin(pitch) - 0.15])
        arm_start = Joint.LEFT_SHOULDER + 3 * index
        pose[arm_start : arm_start + 3] = shoulder, elbow, hand
        leg_start = Joint.LEFT_HIP + 4 * index
        pose[leg_start : leg_start + 4] = hip, knee, ankle, toe
    ankles = pose[[Joint.LEFT_ANKLE, Joint.RIGHT_ANKLE], 2]
    pose[:, 2] += ANKLE_HEIGHT - float(ankles.min())
    return pose


def walk_pose(phase: float, *, vigour: float = 1.0, carried: float = 0.0) -> FloatArray:
    """The pose of walking at gait ``phase`` (radians, one cycle is two steps).

    ``vigour`` scales the swing (0.7 slow .. 1.2 fast), ``carried`` (0..1) reduces the swing of the
    right arm, as with a bag in the hand.
    """
    swing = float(np.sin(phase))
    lift = float(np.cos(phase))
    hip = 0.27 * vigour
    arm = 0.22 * vigour
    return body_pose(
        thighs=(hip * swing + 0.04, -hip * swing + 0.04),
        knees=(
            0.12 + 0.55 * vigour * max(lift, 0.0) ** 1.5,
            0.12 + 0.55 * vigour * max(-lift, 0.0) ** 1.5,
        ),
        upper_arms=(-arm * swing - 0.05, (arm * swing - 0.05) * (1 - carried)),
        elbows=(0.25 - 0.12 * swing, 0.25 * (1 - 0.6 * carried) + 0.12 * swing * (1 - carried)),
        lean=0.05 * vigour,
    )


def stand_pose(time_s: float, *, seed: int = 0) -> FloatArray:
    """The pose of waiting; ``seed`` picks arms down, a phone, folded arms or hands in pockets."""
    sway = 0.025 * np.sin(0.9 * time_s + seed) + 0.015 * np.sin(2.1 * time_s + 2 * seed)
    look = np.sin(0.55 * time_s + 1.7 * seed)
    upper_arms, elbows, out = (
        ((0.02, -0.02), (0.12, 0.10), (0.10, 0.10)),
        ((0.05, 0.55), (0.15, 2.0), (0.10, 0.05)),
        ((0.45, 0.45), (1.35, 1.45), (-0.12, -0.12)),
        ((-0.12, -0.15), (0.65, 0.60), (0.28, 0.28)),
    )[seed % 4]
    return body_pose(
        thighs=(0.05 + 0.3 * sway, -0.03),
        knees=(0.06, 0.03),
        upper_arms=upper_arms,
        elbows=elbows,
        arms_out=out,
        sway=float(sway),
        head_turn=float(look),
    )


def talk_pose(time_s: float, *, seed: int = 0) -> FloatArray:
    """The pose of talking: hands rise now and then, and the head nods."""
    says = max(0.0, float(np.sin(0.8 * time_s + 2.3 * seed))) ** 0.7
    beat = 0.25 * float(np.sin(5.2 * time_s + seed))
    sway = 0.03 * float(np.sin(0.7 * time_s + seed))
    other = max(0.0, float(np.sin(0.8 * time_s + 2.3 * seed + 1.2))) ** 2
    return body_pose(
        thighs=(0.06, -0.04),
        knees=(0.05, 0.05),
        upper_arms=(0.05 + 0.45 * other, 0.05 + (0.55 + 0.4 * beat) * says),
        elbows=(0.15 + 1.0 * other, 0.15 + (1.35 + beat) * says),
        arms_out=(0.12, 0.12 + 0.1 * says),
        lean=0.03 + 0.02 * says,
        sway=sway,
        head_turn=0.3 * beat,
    )


def run_pose(phase: float, *, vigour: float = 1.0) -> FloatArray:
    """The pose of running at gait ``phase`` (radians, one cycle is two steps).

    Arms are bent, the body leans forward, and both feet leave the ground.  ``vigour`` scales the
    swing (0.85 jogging .. 1.15 sprinting).
    """
    swing = float(np.sin(phase))
    hip = 0.66 * vigour
    arm = 0.62 * vigour
    # the heel comes up while the thigh is brought forward
    recover = [max(float(np.cos(phase + turn)), 0.0) for turn in (0.45, 0.45 + np.pi)]
    pose = body_pose(
        thighs=(0.24 + hip * swing, 0.24 - hip * swing),
        knees=(0.32 + 1.45 * vigour * recover[0], 0.32 + 1.45 * vigour * recover[1]),
        upper_arms=(-arm * swing - 0.1, arm * swing - 0.1),
        elbows=(1.45 - 0.3 * swing, 1.45 + 0.3 * swing),
        arms_out=(0.16, 0.16),
        lean=0.17 * vigour,
    )
    flight = 0.475 + ANKLE_HEIGHT + 0.03 * swing**2 - pose[Joint.PELVIS, 2]
    pose[:, 2] += max(float(flight), 0.0)
    return pose


def blend_poses(first: FloatArray, second: FloatArray, fraction: float) -> FloatArray:
    """Interpolate the joints linearly from one pose (``fraction`` 0) to the other (1)."""
    return (1 - fraction) * first + fraction * second


def place_pose(
    pose: FloatArray, *, position_m: FloatArray, heading: float, height_m: float
) -> FloatArray:
    """World points ``(NUM_JOINTS, 3)`` in metres of a person who stands at ``(x, z)``.

    ``heading`` is in radians: 0 is to the right of the picture, pi/2 away from the camera.
    """
    forward, left, up = (pose * height_m).T
    x_m = position_m[0] + forward * np.cos(heading) - left * np.sin(heading)
    z_m = position_m[1] + forward * np.sin(heading) + left * np.cos(heading)
    return np.stack([x_m, up, z_m], axis=-1)
