"""The long videos: their events and boxes agree with their pictures."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from scene.gate import ANNOTATED_GATE, GATES, UNUSUAL, Gate, GateScene

SHORT = Gate("short.mp4", Fraction(8), 5, ("falling", "walking"))


@pytest.fixture(scope="module")
def scene() -> GateScene:
    return GateScene(SHORT, seed=7)


def test_every_video_has_all_that_is_unusual_and_more_that_is_allowed():
    for gate in GATES:
        assert set(UNUSUAL) < set(gate.acts)
        assert sum(act in UNUSUAL for act in gate.acts) <= len(gate.acts) / 2


def test_the_shipped_videos_are_a_minute_and_longer():
    """By their acts, without drawing a frame."""
    for gate in GATES:
        scene = GateScene(replace(gate, fps=Fraction(5)), seed=7)
        assert scene.num_frames / 5 >= 60
        assert [act.kind for act in scene.events] == [a for a in gate.acts if a in UNUSUAL]


def test_a_fall_lasts_from_losing_balance_to_standing_again(scene: GateScene):
    ((kind, start_s, end_s, people),) = scene.events
    assert people == (1,)
    assert kind == "falling"
    boxes = scene.tracks()[1]
    heights = {frame / 8: box[3] - box[1] for frame, box in boxes.items()}
    middle = heights[min(heights, key=lambda time_s: abs(time_s - (start_s + end_s) / 2))]
    before = [height for time_s, height in heights.items() if time_s < start_s - 0.5]
    after = [height for time_s, height in heights.items() if time_s > end_s + 1.0]
    assert middle < 0.6 * np.median(before)
    assert np.median(after) > 0.7 * np.median(before)


def test_people_move_without_jumps(scene: GateScene):
    """No joint goes faster than a kick: parts of a visit are joined without a seam."""
    for visit in scene._visits:
        speed = np.linalg.norm(np.diff(visit.joints_m, axis=0), axis=-1).max() * 8
        assert speed < 9


def test_boxes_are_where_pictures_change(scene: GateScene):
    frames = list(scene.frames())
    assert len(frames) == scene.num_frames
    empty = np.median(np.stack(frames[:: max(1, len(frames) // 15)]), axis=0)
    for frame, box in list(scene.tracks()[1].items())[::10]:
        x1, y1, x2, y2 = (round(edge) for edge in box)
        changed = np.abs(frames[frame].astype(float) - empty).max(axis=2)
        assert changed[y1:y2, x1:x2].mean() > 2 * np.median(changed)


def test_the_same_seed_is_the_same_video(scene: GateScene):
    again = GateScene(SHORT, seed=7)
    assert again.events == scene.events
    assert np.array_equal(next(iter(again.frames())), next(iter(scene.frames())))


def test_the_annotated_video_shows_the_place_of_a_long_one_and_other_people():
    few = {"seed": 7, "max_frames": 30}
    annotated = GateScene(ANNOTATED_GATE, **few)
    watched = GateScene(replace(GATES[0], fps=ANNOTATED_GATE.fps), **few)
    assert not set(ANNOTATED_GATE.acts) & set(UNUSUAL)
    assert annotated.num_frames == 30
    assert max(max(boxes) for boxes in annotated.tracks().values()) <= 29
    first = [next(iter(scene.frames())).astype(int) for scene in (annotated, watched)]
    assert np.median(np.abs(first[0] - first[1])) <= 12, "the same place, with other noise"
    looks = [scene._visits[0].looks for scene in (annotated, watched)]
    assert looks[0] != looks[1]
