"""Poses and drawn people."""

import numpy as np
import pytest
from scene.camera import Camera
from scene.people import draw_person, random_appearance
from scene.poses import (
    ANKLE_HEIGHT,
    NUM_JOINTS,
    Joint,
    place_pose,
    stand_pose,
    talk_pose,
    walk_pose,
)
from scene.sprites import paint

CAMERA = Camera(size_wh=(480, 360), focal_px=450.0, horizon_px=12.0, height_m=7.4)


@pytest.mark.parametrize("moment", [0.0, 0.7, 2.0, 4.4])
@pytest.mark.parametrize("pose", [walk_pose, stand_pose, talk_pose])
def test_pose_is_a_body_standing_on_the_ground(pose, moment):
    joints = pose(moment)
    assert joints.shape == (NUM_JOINTS, 3)
    ankles = joints[[Joint.LEFT_ANKLE, Joint.RIGHT_ANKLE], 2]
    assert ankles.min() == pytest.approx(ANKLE_HEIGHT)
    assert 0.85 < joints[Joint.HEAD, 2] < 1.0
    np.testing.assert_array_equal(joints, pose(moment))


def test_gait_repeats_after_one_cycle_and_mirrors_after_half():
    np.testing.assert_allclose(walk_pose(0.6), walk_pose(0.6 + 2 * np.pi), atol=1e-9)
    left, right = slice(9, 13), slice(13, 17)
    now, later = walk_pose(0.6), walk_pose(0.6 + np.pi)
    np.testing.assert_allclose(now[left, 0], later[right, 0], atol=1e-9)


@pytest.mark.parametrize("seed", range(12))
def test_box_is_the_drawn_silhouette(seed):
    rng = np.random.default_rng(seed)
    looks = random_appearance(rng)
    heading = float(rng.uniform(-np.pi, np.pi))
    joints_m = place_pose(
        walk_pose(float(rng.uniform(0, 6))),
        position_m=np.array([rng.uniform(-3, 3), rng.uniform(13, 25)]),
        heading=heading,
        height_m=looks.height_m,
    )
    person = draw_person(CAMERA, joints_m, heading, looks, (0.4, 0.2))
    image = np.full((360, 480, 3), 255, np.float32)  # whiter than any cloth
    paint(image, person.sprite)
    rows, columns = np.nonzero(np.abs(image - 255).max(axis=2) > 4)
    changed = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    np.testing.assert_allclose(person.box_xyxy, changed, atol=1.0)
    height_px = person.box_xyxy[3] - person.box_xyxy[1]
    expected_px = CAMERA.scale(person.depth_m) * looks.height_m
    assert height_px == pytest.approx(expected_px, rel=0.12)
