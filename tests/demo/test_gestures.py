"""Reaching hands and falling bodies keep their bones."""

import itertools

import numpy as np
import pytest
from scene.falls import FALLS, fall_pose, progress
from scene.gestures import LEFT, RIGHT, fight_pose, wave_pose, with_hand_at, wrestle_pose
from scene.poses import FOREARM, UPPER_ARM, Joint, run_pose, stand_pose

BONES = [
    (Joint.NECK, Joint.PELVIS),
    *itertools.pairwise([Joint.LEFT_SHOULDER, Joint.LEFT_ELBOW, Joint.LEFT_HAND]),
    *itertools.pairwise([Joint.RIGHT_SHOULDER, Joint.RIGHT_ELBOW, Joint.RIGHT_HAND]),
    *itertools.pairwise([Joint.LEFT_HIP, Joint.LEFT_KNEE, Joint.LEFT_ANKLE]),
    *itertools.pairwise([Joint.RIGHT_HIP, Joint.RIGHT_KNEE, Joint.RIGHT_ANKLE]),
]


def lengths(pose):
    return np.array([np.linalg.norm(pose[first] - pose[second]) for first, second in BONES])


POSES = {
    "run": lambda t: run_pose(5 * t),
    "wave": lambda t: wave_pose(
        t, sides=(LEFT, RIGHT), raised=min(t, 1.0), rate_hz=1.3, sweep=0.15, height=0.27
    ),
    "fight": lambda t: fight_pose(
        punches=(abs(np.sin(3 * t)), 0.0),
        kick=abs(np.cos(2 * t)),
        struck=abs(np.sin(t)),
        bounce=0.5,
        step=np.sin(4 * t),
        reach_ahead=0.42,
    ),
    "wrestle": lambda t: wrestle_pose(gap=0.3, pull=np.sin(t), step=np.cos(3 * t)),
    **{
        name: lambda t, fall=fall: fall_pose(fall, t / 2, mirrored=t > 1, stir=np.sin(9 * t))
        for name, fall in FALLS.items()
    },
}


@pytest.mark.parametrize("name", POSES)
def test_bones_keep_their_lengths(name):
    expected = lengths(stand_pose(0.0))
    for time_s in np.linspace(0, 2, 15):
        np.testing.assert_allclose(lengths(POSES[name](float(time_s))), expected, atol=1e-3)


@pytest.mark.parametrize("side", [LEFT, RIGHT])
def test_the_hand_goes_where_it_is_sent_or_as_far_as_it_can(side):
    pose = stand_pose(0.0)
    shoulder = pose[Joint.LEFT_SHOULDER + 3 * side]
    near = shoulder + np.array([0.15, 0.05, 0.1])
    moved = with_hand_at(pose, side, near)
    np.testing.assert_allclose(moved[Joint.LEFT_HAND + 3 * side], near, atol=1e-9)
    far = shoulder + np.array([2.0, 0, 0])
    reached = with_hand_at(pose, side, far)[Joint.LEFT_HAND + 3 * side] - shoulder
    np.testing.assert_allclose(reached, [UPPER_ARM + FOREARM, 0, 0], atol=2e-3)
    other = slice(*((6, 9) if side == LEFT else (3, 6)))
    np.testing.assert_array_equal(moved[other], pose[other])


@pytest.mark.parametrize("name", FALLS)
def test_a_fall_ends_flat_on_the_ground(name):
    upright, flat = fall_pose(FALLS[name], 0.0), fall_pose(FALLS[name], 1.0)
    assert upright[Joint.HEAD, 2] > 0.85
    assert flat[:, 2].max() < 0.35
    trunk = flat[Joint.NECK] - flat[Joint.PELVIS]
    assert np.linalg.norm(trunk[:2]) > 0.9 * np.linalg.norm(trunk)
    heights = [fall_pose(FALLS[name], done)[Joint.HEAD, 2] for done in np.linspace(0, 1, 20)]
    assert np.diff(heights).max() < 0.01  # never up again


def test_progress_speeds_up_and_comes_to_rest():
    steps = [progress(time_s, start_s=1.0, duration_s=0.6) for time_s in np.linspace(0, 3, 61)]
    assert steps[0] == steps[20] == 0.0
    assert np.all(np.diff(steps[20:32], n=2) > -1e-9)
    assert max(steps) == pytest.approx(1.0)
    assert steps[-1] == pytest.approx(1.0)
