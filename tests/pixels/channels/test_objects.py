"""What tracked objects do: numbers against made tracks, and what must not change them."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_objects import (
    SIZE_WH,
    STEP_S,
    moments_of,
    objects,
    pieces_of,
    tracked_facts,
    walker,
)

from vigil.domain.clips.evidence import pieces as evidence
from vigil.pixels.channels.behaviour import (
    UNITS,
    WIDTHS,
    columns_of,
    measure_dwelling,
    measure_movement,
)
from vigil.pixels.channels.moments import (
    Moment,
    moment_tables,
    read_moments,
    write_moments,
)
from vigil.pixels.channels.objects import ObjectsFollower, measure_objects
from vigil.plumbing.errors import FieldError, InputError
from vigil.settings.embed_clips import OBJECTS, FeatureName

COLUMNS = columns_of(list(WIDTHS))
assert get_args(FeatureName) == tuple(WIDTHS) == tuple(UNITS)
assert evidence.OBJECTS == OBJECTS
PLACE = np.zeros(sum(WIDTHS.values()), bool)
PLACE[COLUMNS["place"]] = True


def of(pieces, name: str) -> np.ndarray:
    found = pieces.vectors[:, COLUMNS[name]]
    return found if name == "place" else found[:, 0]


def test_the_features_of_one_walker_are_those_computed_by_hand() -> None:
    pieces = pieces_of(moments_of({7: walker(100, 300, speed=1.5, height=80)}, 2.4))
    assert len(pieces) == 20 - 7  # the first 0.8 s have no complete past
    np.testing.assert_allclose(of(pieces, "speed"), 1.5, atol=1e-5)
    np.testing.assert_allclose(of(pieces, "acceleration"), 0, atol=1e-4)
    np.testing.assert_allclose(of(pieces, "shape"), 0, atol=1e-5)
    np.testing.assert_allclose(of(pieces, "crowd"), 1)
    np.testing.assert_allclose(of(pieces, "distance"), 5)
    times_s = pieces.spans_s[:, 1]
    x = 100 + 120 * times_s
    np.testing.assert_allclose(of(pieces, "place"), np.stack([x / 640, x * 0 + 300 / 480], 1), 1e-5)
    # Half a height is 40 px, which takes 0.333 s: two steps of 0.12 s are nearer.
    np.testing.assert_allclose(of(pieces, "dwelling"), 0.24, atol=1e-5)
    np.testing.assert_allclose(pieces.boxes_xyxy[:, 2] - pieces.boxes_xyxy[:, 0], 40)
    assert (pieces.spans_s[:, 1] - pieces.spans_s[:, 0] <= 0.8 + 1e-6).all()
    assert (pieces.sizes_wh == SIZE_WH).all()


def test_acceleration_and_change_of_shape_are_those_of_the_made_motion() -> None:
    def fall(time_s: float) -> tuple[float, float, float, float]:
        return 200 + 0.5 * 160 * time_s**2, 300.0, 40 * np.exp(0.5 * time_s), 80.0

    pieces = pieces_of(moments_of({1: fall}, 1.5))
    np.testing.assert_allclose(of(pieces, "acceleration"), 2.0, rtol=0.1)  # 160 px/s^2, 80 px
    np.testing.assert_allclose(of(pieces, "shape"), -0.5, atol=0.02)


def test_distance_is_to_the_nearest_other_and_crowd_counts_all() -> None:
    people = {1: walker(100), 2: walker(180), 3: walker(500, height=160)}
    pieces = pieces_of(moments_of(people, 1.3))
    own = of(pieces, "distance").reshape(-1, 3)
    np.testing.assert_allclose(own[:, :2], 1.0, rtol=1e-5)
    # Middles at (180, 260) and (500, 220); the mean height is 120.
    np.testing.assert_allclose(own[:, 2], np.hypot(320, 40) / 120, rtol=1e-5)
    np.testing.assert_allclose(of(pieces, "crowd"), 3)


def test_who_stays_dwells_until_they_go() -> None:
    def stay(time_s: float) -> tuple[float, float, float, float]:
        return 200 + 100 * max(time_s - 6.0, 0), 300.0, 40.0, 80.0

    pieces = pieces_of(moments_of({1: stay}, 9.0), objects(dwell_s=4.0))
    dwelling = dict(zip(pieces.spans_s[:, 1].round(2), of(pieces, "dwelling"), strict=True))
    assert dwelling[1.2] == pytest.approx(1.2, abs=1e-4)
    assert dwelling[5.4] == pytest.approx(4.0)  # no more than dwell_s
    assert dwelling[8.4] < 0.6
    jump = np.array([[0.0, 0.0]] * 5 + [[90.0, 0.0]] + [[0.0, 0.0]] * 5)
    assert measure_dwelling(np.arange(11.0), jump, 10.0) == 10.0  # a single jump is an error


@given(
    dx=st.floats(-40, 40), dy=st.floats(-40, 40), scale=st.floats(0.25, 4), seed=st.integers(0, 99)
)
@settings(max_examples=25, deadline=None)
def test_a_shift_changes_only_the_place_and_a_scale_nothing(
    dx: float, dy: float, scale: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    speeds, jitter = rng.uniform(0, 2, 3), rng.normal(0, 1, (3, 40, 2))

    def person(number: int):
        def path(time_s: float) -> tuple[float, float, float, float]:
            noise = jitter[number, round(time_s / STEP_S)]
            return (150 + 60 * number + 50 * speeds[number] * time_s + noise[0], 300 + noise[1],
                    40 + noise[0], 80 + noise[1])  # fmt: skip

        return path

    moments = moments_of({one: person(one) for one in range(3)}, 2.0)
    first = pieces_of(moments)
    shift = np.array([dx, dy, dx, dy])
    shifted = pieces_of([replace(one, boxes_xyxy=one.boxes_xyxy + shift) for one in moments])
    np.testing.assert_allclose(shifted.vectors[:, ~PLACE], first.vectors[:, ~PLACE], atol=2e-4)
    moved = np.array([dx, dy]) / SIZE_WH
    np.testing.assert_allclose(of(shifted, "place"), of(first, "place") + moved, atol=1e-5)
    size_wh = (round(SIZE_WH[0] * scale), round(SIZE_WH[1] * scale))
    exact = np.tile(np.array(size_wh) / SIZE_WH, 2)
    scaled = pieces_of(
        [replace(m, boxes_xyxy=m.boxes_xyxy * scale, size_wh=size_wh) for m in moments]
    )
    np.testing.assert_allclose(scaled.vectors[:, ~PLACE], first.vectors[:, ~PLACE], atol=2e-4)
    np.testing.assert_allclose(of(scaled, "place"), of(first, "place") * scale / exact[:2], 1e-4)


def test_the_evidence_of_a_moment_depends_on_the_past_alone() -> None:
    moments = moments_of({1: walker(speed=1.0), 2: walker(300, speed=0.2)}, 4.0)
    whole = pieces_of(moments)
    for stop in (10, 20, 30):
        part = pieces_of(moments[:stop])
        np.testing.assert_array_equal(part.vectors, whole.vectors[: len(part)])


def test_boxes_that_become_known_later_are_the_past_and_no_moment_before() -> None:
    """A tracker tells the first boxes of a track when it confirms the track."""
    moments = moments_of({1: walker(speed=1.0)}, 3.0)
    late = [replace(one, track_ids=one.track_ids[:0], times_s=one.times_s[:0],
                    boxes_xyxy=one.boxes_xyxy[:0]) for one in moments[:10]]  # fmt: skip
    told = moments[:11]
    confirming = replace(
        moments[10],
        track_ids=np.ones(11, np.int64),
        times_s=np.array([one.time_s for one in told]),
        boxes_xyxy=np.concatenate([one.boxes_xyxy for one in told]),
    )
    found, whole = pieces_of([*late, confirming, *moments[11:]]), pieces_of(moments)
    assert found.spans_s[0, 1] == moments[10].time_s
    at = np.flatnonzero(whole.spans_s[:, 1] == moments[10].time_s)[0]
    same = [name for name in WIDTHS if name not in ("crowd", "distance")]
    for name in same:
        np.testing.assert_array_equal(of(found, name)[0], of(whole, name)[at])


def test_a_single_jump_of_a_box_is_smoothed_away() -> None:
    times_s = np.arange(9) * 0.1
    boxes = np.tile([100.0, 100, 140, 180], (9, 1))
    boxes[4] += 30
    calm = measure_movement(times_s, boxes)
    assert calm.speed == pytest.approx(0, abs=1e-9)
    assert calm.acceleration == pytest.approx(0, abs=1e-9)


def test_who_is_cut_off_by_the_edge_is_not_measured_but_counts() -> None:
    people = {1: walker(19.0), 2: walker(300)}
    pieces = pieces_of(moments_of(people, 2.0))
    assert set(pieces.boxes_xyxy[:, 0]) == {280.0}
    np.testing.assert_allclose(of(pieces, "crowd"), 2)
    assert len(pieces_of(moments_of(people, 2.0), objects(edge=0.0))) == 2 * len(pieces)


def test_a_gap_restarts_the_measurement() -> None:
    first = moments_of({1: walker(speed=1)}, 2.0)
    second = moments_of({1: walker(speed=1)}, 2.0, first_s=5.0)
    pieces = pieces_of([*first, *second])
    after = pieces.spans_s[pieces.spans_s[:, 1] > 4]
    assert after[:, 0].min() == pytest.approx(5.12)  # the box at 5.0 s is older than 0.8 s
    assert after[:, 1].min() == pytest.approx(5.84)
    assert of(pieces, "dwelling").max() < 1


def test_only_the_asked_features_are_in_the_vectors() -> None:
    names: tuple[FeatureName, ...] = ("place", "speed")
    moments = moments_of({1: walker(speed=1.0)}, 2.0)
    few, every = pieces_of(moments, objects(features=names)), pieces_of(moments)
    assert few.vectors.shape[1] == 3
    np.testing.assert_array_equal(few.vectors[:, :2], of(every, "place"))
    np.testing.assert_array_equal(few.vectors[:, 2], of(every, "speed"))


def test_the_memory_does_not_grow() -> None:
    follower = ObjectsFollower(objects(dwell_s=3.0), "repeat_last")
    sizes = []
    for number in range(60):
        for moment in moments_of({number: walker(speed=0.5)}, 1.2, first_s=1.2 * number):
            follower.see(moment)
            follower.forget(moment.time_s - 2.5)
        kept = sum(len(one.times_s) + len(one.distances) for one in follower._tracks.values())
        sizes.append(kept + len(follower._pieces) + len(follower._counts) + len(follower._times_s))
    assert max(sizes[30:]) <= max(sizes[:30])


def windows_of(*spans: tuple[float, float]) -> pd.DataFrame:
    return pd.DataFrame([("v", *span) for span in spans], columns=["video", "start_s", "stop_s"])


def test_windows_hold_the_pieces_within_them_and_may_hold_none() -> None:
    nobody = [replace(one, track_ids=one.track_ids[:0], times_s=one.times_s[:0],
                      boxes_xyxy=one.boxes_xyxy[:0])
              for one in moments_of({1: walker()}, 3.0)]  # fmt: skip
    moments = [*nobody, *moments_of({1: walker(speed=1)}, 3.0, first_s=3.0)]
    windows = windows_of((3.0, 6.0), (0.0, 2.0), (3.0, 4.0), (0.0, np.inf))
    found = measure_objects(windows, {"v": moments}, tracked_facts(), objects(), "repeat_last")
    counts = found.index["num_pieces"].tolist()
    assert counts[1] == 0
    assert 0 < counts[2] < counts[0] == counts[3] == len(pieces_of(moments))
    assert found.facts["width"] == found.pieces.vectors.shape[1] == 8
    own = found.pieces[found.windows == 2]
    assert (own.spans_s[:, 0] >= 3.0 - 1e-4).all()
    assert (own.spans_s[:, 1] < 4.0).all()


def test_a_window_that_cannot_be_measured_is_one_clear_line() -> None:
    moments = {"v": moments_of({1: walker()}, 3.0)}
    facts = tracked_facts()
    with pytest.raises(FieldError, match=r"expected windows of at least 0.8 s for objects, got"):
        measure_objects(windows_of((0.0, 0.5)), moments, facts, objects(), "error")
    with pytest.raises(InputError, match=r"v from 7 to 9 s: expected a picture in which objects"):
        measure_objects(windows_of((7.0, 9.0)), moments, facts, objects(), "repeat_last")
    with pytest.raises(InputError, match=r"^v: expected its tracks for objects, found none"):
        measure_objects(windows_of((0.0, 1.0)), {}, facts, objects(), "repeat_last")
    follower = ObjectsFollower(objects(), "repeat_last")
    follower.see(moments["v"][1])
    with pytest.raises(InputError, match=r"^expected moments in order, got 0"):
        follower.see(moments["v"][0])


def test_moments_survive_their_files(tmp_path) -> None:
    moments = {"a, b": moments_of({1: walker(speed=1.37)}, 1.0), "=c": moments_of({}, 0.3)}
    (tmp_path / "t").mkdir()
    write_moments(*moment_tables(moments), {"score": 0.5}, tmp_path / "t")
    read, facts = read_moments(tmp_path / "t")
    assert facts == {"score": 0.5}
    assert list(read) == list(moments)
    for name, own in moments.items():
        for one, other in zip(own, read[name], strict=True):
            assert one.size_wh == other.size_wh
            np.testing.assert_allclose(one.time_s, other.time_s, atol=1e-6)
            np.testing.assert_array_equal(one.track_ids, other.track_ids)
            np.testing.assert_allclose(one.boxes_xyxy, other.boxes_xyxy, atol=5e-4)


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        ("moments.csv", "v,0.12,", "v,0.0,", "expected sizes, and times that ascend"),
        ("moments.csv", "v,0.12,640", "v,0.12,0", "expected sizes, and times that ascend"),
        ("moments.csv", "v,0.12,", "w,0.12,", "expected boxes of listed pictures, got others of v"),
        ("boxes.csv", "100.0", "inf", "expected finite numbers, got others"),
        ("boxes.csv", "track_id", "track", "expected the columns video, track_id"),
        ("facts.json", "{", "[{", "expected JSON, got"),
        ("facts.json", "{}", "[]", "expected facts of tracks, got"),
    ],
)
def test_damaged_tables_are_one_clear_line(tmp_path, name, old, new, told) -> None:
    def still(time_s: float) -> tuple[float, float, float, float]:
        return 120.0, 300.0, 40.0, 80.0

    write_moments(*moment_tables({"v": moments_of({1: still}, 0.3)}), {}, tmp_path)
    text = (tmp_path / name).read_text()
    assert old in text
    (tmp_path / name).write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=told) as caught:
        read_moments(tmp_path)
    assert str(caught.value).startswith(str(tmp_path / ("boxes.csv" if "listed" in told else name)))


def test_boxes_of_other_classes_are_left_out() -> None:
    from vigil.domain.tracking.tracker import TrackedBox

    boxes = [
        TrackedBox(number, 0, 0.0, (0.0, 0.0, 9.0, 9.0), 0.9, label)
        for number, label in enumerate(("car", "human"), start=1)
    ]
    assert Moment.of(boxes, 0.0, SIZE_WH, ["human"]).track_ids.tolist() == [2]
    assert Moment.of(boxes, 0.0, SIZE_WH).track_ids.tolist() == [1, 2]
