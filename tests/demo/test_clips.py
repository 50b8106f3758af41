"""The clips: names, people in view, and behaviours that differ in what can be measured."""

import re
from dataclasses import replace

import numpy as np
import pytest
from scene.behaviours import BEHAVIOURS
from scene.clips import GROUP_PATTERN, ClipScene
from scene.people import draw_person
from scene.poses import Joint

NUM_CLIPS = 3
NUM_SCENES = 3


@pytest.fixture(scope="module")
def scenes():
    """Some scenes of each class; nothing is drawn but their backgrounds."""
    return {
        behaviour: [
            ClipScene(behaviour, first_index(behaviour) + scene, seed=7, num_clips=NUM_CLIPS)
            for scene in range(NUM_SCENES)
        ]
        for behaviour in BEHAVIOURS
    }


def first_index(behaviour):
    """The number of the class's first scene."""
    return NUM_SCENES * list(BEHAVIOURS).index(behaviour)


def outlines(scene, clip):
    """(num_actors, num_frames, 4): the box of every actor's joints, xyxy, px."""
    boxes = []
    for actor in clip.actors:
        px = scene.place.camera.project(actor.joints_m)
        boxes.append(np.concatenate([px.min(axis=1), px.max(axis=1)], axis=1))
    return np.array(boxes)


def speed(clip, joint):
    """Median over frames, m/s, of the first actor's joint over the ground and up."""
    moved = np.diff(clip.actors[0].joints_m[:, joint], axis=0)
    return float(np.median(np.linalg.norm(moved, axis=1)) * clip.fps)


def test_there_are_allowed_and_alarming_behaviours():
    assert {"walking", "standing", "waving", "meeting"} < BEHAVIOURS.keys()
    assert {"falling", "running", "fighting"} < BEHAVIOURS.keys()


def test_the_group_pattern_finds_the_scene(scenes):
    sources = []
    for behaviour, own in scenes.items():
        for scene in own:
            names = [clip.name for clip in scene.clips]
            assert len(set(names)) == NUM_CLIPS
            folders, files = zip(*(name.split("/") for name in names), strict=True)
            assert set(folders) == {behaviour}
            found = {re.search(GROUP_PATTERN, file)[1] for file in files}
            assert len(found) == 1
            sources += found
    assert len(set(sources)) == len(sources)  # no scene is found in two classes


def test_formats_are_mixed_within_every_class(scenes):
    for own in scenes.values():
        clips = [clip for scene in own for clip in scene.clips]
        assert {clip.name.rsplit(".", 1)[1] for clip in clips} == {"mp4", "webm", "avi"}
        assert len({clip.fps for clip in clips}) > 1
        assert all(1.9 < clip.num_frames / clip.fps < 3.1 for clip in clips)


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_people_are_in_view_and_of_useful_size(scenes, behaviour):
    for scene in scenes[behaviour]:
        width, height = scene.place.size_wh
        for clip in scene.clips:
            assert 1 <= len(clip.actors) <= 2
            boxes = outlines(scene, clip)
            x, y = (boxes[..., 0] + boxes[..., 2]) / 2, (boxes[..., 1] + boxes[..., 3]) / 2
            seen = (x > 0) & (x < width) & (y > 0) & (y < height)
            assert seen[0].mean() > 0.7
            sizes = (boxes[..., 2:] - boxes[..., :2]).max(axis=-1)
            assert 45 < np.median(sizes[seen]) < 150


def test_frames_show_the_people(scenes):
    scene = scenes["meeting"][0]
    empty = ClipScene("meeting", first_index("meeting"), seed=7, num_clips=1)
    away = [
        replace(actor, joints_m=actor.joints_m + np.array([50.0, 0, 0]))
        for actor in empty.clips[0].actors
    ]
    empty.clips[0] = replace(empty.clips[0], actors=away)
    with_people, without = next(scene.frames(0)).astype(int), next(empty.frames(0)).astype(int)
    assert with_people.shape == (*scene.place.size_wh[::-1], 3)
    different = np.abs(with_people - without).max(axis=2) > 25
    tops = []
    for actor in scene.clips[0].actors:
        heading = float(actor.headings[0])
        body = draw_person(
            scene.place.camera, actor.joints_m[0], heading, actor.looks, scene.place.sun_xz
        )
        left, top, right, bottom = (int(edge) for edge in body.box_xyxy)
        assert different[top : bottom + 1, left : right + 1].mean() > 0.2
        tops.append(top)
    assert not different[: min(tops) - 1].any()


def test_the_same_each_time_and_other_with_another_seed(scenes):
    index = first_index("fighting")
    first = list(scenes["fighting"][0].frames(1))
    again = ClipScene("fighting", index, seed=7, num_clips=NUM_CLIPS)
    for frame, repeated in zip(first, again.frames(1), strict=True):
        np.testing.assert_array_equal(frame, repeated)
    other = ClipScene("fighting", index, seed=8, num_clips=NUM_CLIPS)
    assert not np.array_equal(next(other.frames(1)), first[0])


def test_more_clips_leave_those_there_are_as_they_are(scenes):
    fewer = ClipScene("waving", first_index("waving"), seed=7, num_clips=1)
    np.testing.assert_array_equal(next(fewer.frames(0)), next(scenes["waving"][0].frames(0)))


def clips_of(scenes, behaviour):
    return [clip for scene in scenes[behaviour] for clip in scene.clips]


def test_runners_are_faster_than_walkers_who_are_faster_than_the_others(scenes):
    running, walking, standing, waving = (
        [speed(clip, Joint.PELVIS) for clip in clips_of(scenes, name)]
        for name in ("running", "walking", "standing", "waving")
    )
    assert min(running) > 2 * max(walking)
    assert min(walking) > 3 * max(standing + waving)


def test_a_runner_leaves_the_ground_a_walker_never(scenes):
    feet = [Joint.LEFT_ANKLE, Joint.RIGHT_ANKLE, Joint.LEFT_TOE, Joint.RIGHT_TOE]
    for name, flies in (("walking", False), ("running", True)):
        for clip in clips_of(scenes, name):
            lowest = clip.actors[0].joints_m[:, feet, 1].min(axis=1) / clip.actors[0].looks.height_m
            assert (lowest.max() > 0.06) == flies


def test_who_falls_stands_first_and_lies_at_the_end(scenes):
    for scene in scenes["falling"]:
        for clip in scene.clips:
            sides = outlines(scene, clip)[0][:, 2:] - outlines(scene, clip)[0][:, :2]
            assert sides[0, 1] > 1.5 * sides[0, 0]
            assert sides[-1, 0] > sides[-1, 1]
            joints_m, height_m = clip.actors[0].joints_m, clip.actors[0].looks.height_m
            assert joints_m[0, Joint.HEAD, 1] > 0.8 * height_m
            assert joints_m[-1, :, 1].max() < 0.35 * height_m


def test_nobody_sinks_into_the_ground(scenes):
    for name in BEHAVIOURS:
        for clip in clips_of(scenes, name):
            for actor in clip.actors:
                assert (
                    actor.joints_m[..., 1].min() > -0.03 * actor.looks.height_m
                )  # the tip of a toe


def test_a_waving_hand_is_up_and_moves(scenes):
    for clip in clips_of(scenes, "waving"):
        joints_m = clip.actors[0].joints_m
        hands = joints_m[:, [Joint.LEFT_HAND, Joint.RIGHT_HAND]]
        over_neck = hands[..., 1] - joints_m[:, [Joint.NECK], 1]
        assert (over_neck.max(axis=1) > 0).mean() > 0.4
        up = int(over_neck.mean(axis=0).argmax())
        still = hands[:, up] - joints_m[:, Joint.NECK]
        assert np.ptp(still, axis=0).max() > 0.15


def test_who_meets_comes_close_and_some_shake_hands(scenes):
    touched = 0
    for clip in clips_of(scenes, "meeting"):
        first, second = (actor.joints_m for actor in clip.actors)
        gap_m = np.linalg.norm((first - second)[:, Joint.PELVIS], axis=1)
        assert 0.6 < gap_m[-1] < 1.0
        hands_m = np.linalg.norm((first - second)[:, Joint.RIGHT_HAND], axis=1)
        touched += bool(hands_m.min() < 0.12)
    assert touched > 0.5 * len(clips_of(scenes, "meeting"))


def test_a_fight_is_more_violent_than_a_meeting(scenes):
    def violence(clip):
        steps = [np.diff(actor.joints_m, axis=0) * float(clip.fps) for actor in clip.actors]
        return float(np.mean([np.linalg.norm(step, axis=-1).max(axis=-1) for step in steps]))

    fights = [violence(clip) for clip in clips_of(scenes, "fighting")]
    assert min(fights) > max(violence(clip) for clip in clips_of(scenes, "meeting"))
