"""The tracker: what holds for any boxes, and scenes whose tracks are known."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vigil.domain.detections import Detections
from vigil.domain.tracking.tracker import TrackedBox, Tracker
from vigil.plumbing.errors import InputError
from vigil.settings.tracking import DEFAULT as MULTIPLES
from vigil.settings.tracking import Tracking

DEFAULT = MULTIPLES.in_scores(0.5)

SIZE = np.array([20.0, 50.0])


def boxes_at(*centres: tuple[float, float], scores: tuple[float, ...] = ()) -> Detections:
    """People of one size."""
    middle = np.array(centres, float).reshape(-1, 2)
    corners = np.concatenate([middle - SIZE / 2, middle + SIZE / 2], axis=1)
    box_scores = np.array(scores or (0.9,) * len(middle))
    return Detections(corners, box_scores, np.array(["human"] * len(middle), object))


def follow(pictures: list[Detections], fps: float, rules: Tracking = DEFAULT) -> list[TrackedBox]:
    tracker = Tracker(rules)
    return [
        box
        for index, detections in enumerate(pictures)
        for box in tracker.update(detections, index, index / fps)
    ]


def by_track(boxes: list[TrackedBox]) -> dict[int, list[int]]:
    tracks = defaultdict(list)
    for box in boxes:
        tracks[box.track_id].append(box.frame_index)
    return dict(tracks)


@pytest.mark.parametrize("fps", [5, 10, 25, 60])
def test_two_who_cross_keep_their_numbers_at_any_rate(fps: int):
    """They pass each other, and one hides the other for a fifth of a second."""
    pictures, is_hidden = [], []
    for index in range(4 * fps):
        shift = 40 * (index / fps - 2)
        is_hidden.append(abs(shift) < 4)
        both = [(200 + shift, 100), (200 - shift, 108)]
        pictures.append(boxes_at(*both[: 1 if is_hidden[-1] else 2]))
    tracked = follow(pictures, fps)
    assert {box.track_id for box in tracked} == {1, 2}
    way = {
        track_id: [s.box_xyxy[0] for s in tracked if s.track_id == track_id] for track_id in (1, 2)
    }
    goes_right = {track_id: steps[-1] > steps[0] for track_id, steps in way.items()}
    assert sorted(goes_right.values()) == [False, True]
    assert by_track(tracked)[1][0] == 0, "the boxes from before the confirmation are returned, too"


def test_what_is_half_hidden_is_followed_by_poor_boxes():
    scores = [0.9] * 5 + [0.15] * 5 + [0.9] * 5
    pictures = [boxes_at((100 + 3 * i, 100), scores=(s,)) for i, s in enumerate(scores)]
    assert by_track(follow(pictures, 10)) == {1: list(range(15))}


def test_poor_boxes_begin_nothing():
    pictures = [boxes_at((100 + 3 * i, 100), scores=(0.35,)) for i in range(20)]
    assert follow(pictures, 10) == []


def test_a_track_that_is_lost_for_longer_than_it_may_comes_back_as_another():
    for away_s, expected in ((0.8, {1}), (1.5, {1, 2})):
        num_away = round(away_s * 10)
        still = boxes_at((100, 100))
        pictures = [still] * 10 + [boxes_at()] * num_away + [still] * 10
        assert set(by_track(follow(pictures, 10))) == expected


def test_one_sight_is_no_track():
    assert follow([boxes_at(), boxes_at((50, 50)), boxes_at(), boxes_at()], 10) == []


def test_classes_are_followed_apart():
    still = boxes_at((100, 100), (100, 100))
    labels = np.array(["human", "dog"], object)
    pictures = [Detections(still.boxes_xyxy, still.scores, labels)] * 8
    tracked = follow(pictures, 10)
    assert len(tracked) == 16
    assert len({(box.track_id, box.label) for box in tracked}) == 2


def test_numbers_begin_anew_with_each_run():
    pictures = [boxes_at((100, 100))] * 8
    assert follow(pictures, 10) == follow(pictures, 10)


def test_times_that_do_not_ascend_are_refused():
    tracker = Tracker(DEFAULT)
    tracker.update(boxes_at(), 0, 1.0)
    with pytest.raises(InputError, match="in order"):
        tracker.update(boxes_at(), 1, 1.0)


def test_a_score_that_is_no_number_is_refused():
    with pytest.raises(InputError, match="finite"):
        Tracker(DEFAULT).update(boxes_at((5, 5), scores=(np.nan,)), 0, 0.0)


def test_memory_does_not_grow_with_the_video():
    tracker = Tracker(DEFAULT)
    rng = np.random.default_rng(0)
    for index in range(600):
        tracker.update(boxes_at(*rng.uniform(0, 2000, (3, 2))), index, index * 0.5)
    assert len(tracker._tracks) <= 3 * 4


def test_settings_out_of_order_are_refused():
    with pytest.raises(ValueError, match="least_score <= first_score <= new_score"):
        DEFAULT.model_validate({**DEFAULT.model_dump(), "new_score": 0.2})


places = st.tuples(st.integers(0, 30), st.integers(0, 30))
pictures_of_boxes = st.lists(
    st.lists(st.tuples(places, st.sampled_from([0.05, 0.2, 0.45, 0.7, 0.9])), max_size=6),
    min_size=1,
    max_size=12,
)


def as_detections(boxes: list[tuple[tuple[int, int], float]]) -> Detections:
    centres = [(10.0 * x, 10.0 * y) for (x, y), _ in boxes]
    return boxes_at(*centres, scores=tuple(score for _, score in boxes))


@given(pictures=pictures_of_boxes, shuffle=st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_the_order_of_a_pictures_boxes_does_not_matter(pictures, shuffle):
    expected = follow([as_detections(boxes) for boxes in pictures], 10)
    mixed = [shuffle.sample(boxes, len(boxes)) for boxes in pictures]
    assert follow([as_detections(boxes) for boxes in mixed], 10) == expected


@given(pictures=pictures_of_boxes)
@settings(max_examples=60)
def test_every_box_of_a_track_was_found_there_and_belongs_to_one_track(pictures):
    detections = [as_detections(boxes) for boxes in pictures]
    tracked = follow(detections, 10)
    places = [(box.frame_index, box.box_xyxy) for box in tracked]
    for frame_index, box in places:
        assert list(box) in detections[frame_index].boxes_xyxy.tolist()
    counts = defaultdict(int)
    for place in places:
        counts[place] += 1
    for (frame_index, box), number in counts.items():
        assert number <= detections[frame_index].boxes_xyxy.tolist().count(list(box))
    for frames in by_track(tracked).values():
        assert (np.diff(frames) > 0).all()
    ids = list(dict.fromkeys(sorted(box.track_id for box in tracked)))
    assert ids == list(range(1, len(ids) + 1))


@given(pictures=pictures_of_boxes, scale=st.sampled_from([0.5, 2.0, 4.0]))
@settings(max_examples=40)
def test_tracks_do_not_depend_on_the_unit_of_length(pictures, scale):
    detections = [as_detections(boxes) for boxes in pictures]
    larger = [Detections(each.boxes_xyxy * scale, each.scores, each.labels) for each in detections]
    tracked, tracked_larger = follow(detections, 10), follow(larger, 10)
    assert [(s.track_id, s.frame_index, s.score) for s in tracked] == [
        (s.track_id, s.frame_index, s.score) for s in tracked_larger
    ]


def inside(outer: Detections, share: float) -> Detections:
    """The first box, and its upper part as a second box with a lower score."""
    corners = np.repeat(outer.boxes_xyxy[:1], 2, axis=0)
    corners[1, 3] = corners[1, 1] + share * (corners[0, 3] - corners[0, 1])
    return Detections(corners, np.array([0.9, 0.7]), np.array(["human"] * 2, object))


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_a_box_within_the_box_of_a_track_starts_no_track(share: float):
    pictures = [inside(boxes_at((100 + 3 * i, 100)), share) for i in range(10)]
    assert by_track(follow(pictures, 10)) == {1: list(range(10))}
    every_box = DEFAULT.model_copy(update={"most_covered": 1.0})
    assert set(by_track(follow(pictures, 10, every_box))) == {1, 2}


def test_a_box_around_the_box_of_a_track_starts_no_track():
    """The outer box appears later, with the higher score."""
    inner = [boxes_at((100, 100), scores=(0.7,))] * 5
    both = inside(boxes_at((100, 100)), 1.0)
    both.boxes_xyxy[0] += [-30, -60, 30, 60]
    tracked = follow([*inner, *[both] * 5], 10)
    assert {box.track_id for box in tracked} == {1}


@given(apart=st.floats(0, 30))
def test_two_who_stand_close_are_two_if_little_is_covered(apart: float):
    """People are 20 px wide, so the boxes share (20 - apart) / 20 of the smaller one."""
    pictures = [boxes_at((100, 100), (100 + apart, 100))] * 5
    covered = max(20 - apart, 0) / 20
    expected = {1} if covered > DEFAULT.most_covered + 1e-9 else {1, 2}
    if abs(covered - DEFAULT.most_covered) > 1e-6:
        assert set(by_track(follow(pictures, 10))) == expected


def test_people_of_other_classes_do_not_cover():
    one = inside(boxes_at((100, 100)), 0.9)
    pictures = [Detections(one.boxes_xyxy, one.scores, np.array(["human", "dog"], object))] * 5
    assert set(by_track(follow(pictures, 10))) == {1, 2}
