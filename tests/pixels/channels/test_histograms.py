"""Directions of what moves, over the whole picture and by places."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_settings import shipped

from vigil.pixels.channels.registry import BUILDERS, build_channel
from vigil.pixels.flow.directions import mean_in_time_cells, noise_floor, speeds_by_direction
from vigil.pixels.flow.motion import Motion
from vigil.plumbing.errors import FieldError, InputError
from vigil.settings.embed_clips import MOTION_CHANNELS, EmbedClips

ROWS, COLUMNS = 30, 45
STEPS = {0: (1, 0), 2: (0, 1), 4: (-1, 0), 6: (0, -1), 1: (0.7071, 0.7071)}
HISTOGRAM = {"num_bins": 8, "num_time_cells": 1, "min_speed": 0.0, "root": False}


def histogram(**changes: Any):
    return shipped(
        EmbedClips, motion_histogram={"histogram": {**HISTOGRAM, **changes}}
    ).motion_histogram.histogram


def motions_of(
    velocity: tuple[float, float], num: int = 12, at: tuple[int, int] = (10, 20)
) -> list[Motion]:
    found = []
    for number in range(num):
        field = np.zeros((ROWS, COLUMNS, 2), np.float32)
        field[at[0] : at[0] + 6, at[1] : at[1] + 6] = velocity
        found.append(Motion(field, number / 10, (number + 1) / 10, (90, 60)))
    return found


def judge(
    name: str,
    motions: list[Motion],
    stop_s: float = 9.0,
    short: str = "repeat_last",
    **changes: Any,
):
    settings = getattr(shipped(EmbedClips, **{name: changes}), name)
    channel = build_channel(name, settings, short)
    follower = channel.follow()
    for motion in motions:
        follower.see(motion)
    found = follower.judge(0.0, stop_s)
    assert found.vectors.shape[1] == channel.width
    return found


@pytest.mark.parametrize("direction", STEPS)
def test_a_direction_has_the_weight_of_its_speed(direction: int) -> None:
    velocity = np.array(STEPS[direction]) * 0.3
    field = np.broadcast_to(velocity.astype(np.float32), (2, 3, 2))
    found = speeds_by_direction(field, histogram())
    assert found.argmax(axis=-1).tolist() == [[direction] * 3] * 2
    np.testing.assert_allclose(found.sum(axis=-1), 0.3, rtol=1e-3)


@given(angle=st.floats(0, 6.28), speed=st.floats(0.01, 3), num_bins=st.integers(2, 16))
def test_no_speed_is_lost_among_bins(angle: float, speed: float, num_bins: int) -> None:
    field = np.array([[[np.cos(angle), np.sin(angle)]]], np.float32) * np.float32(speed)
    found = speeds_by_direction(field, histogram(num_bins=num_bins))
    assert found.sum() == pytest.approx(speed, rel=1e-3)
    assert (found > 0).sum() <= 2


def test_the_noise_floor_is_measured_and_no_more_than_a_walk() -> None:
    rng = np.random.default_rng(0)
    noise = np.hypot(*rng.normal(0, 0.002, (2, 60, 90))).astype(np.float32)
    floor = noise_floor(noise, "measured")
    assert 0.004 < floor < 0.01
    assert (noise > floor).mean() < 0.01
    assert noise_floor(noise + 5, "measured") == 0.05
    assert noise_floor(noise, 0.2) == 0.2


@given(num=st.integers(1, 20), cells=st.integers(1, 12))
def test_time_cells_are_means_of_equal_parts(num: int, cells: int) -> None:
    moments = [np.array([float(at)], np.float32) for at in range(num)]
    found = mean_in_time_cells(moments, histogram(num_time_cells=cells)).ravel()
    assert len(found) == cells
    assert (np.diff(found) >= 0).all()
    if num % cells == 0:
        expected = np.arange(num).reshape(cells, -1).mean(axis=1)
        np.testing.assert_allclose(found, expected)
    assert found[0] >= 0
    assert found[-1] <= num - 1


def test_the_whole_picture_is_one_vector_by_time_place_and_direction() -> None:
    moving = motions_of((0.3, 0), 6) + [
        one._replace(from_s=one.from_s + 0.6, time_s=one.time_s + 0.6)
        for one in motions_of((0, -0.3), 6, at=(0, 30))
    ]
    found = judge(
        "motion_histogram", moving, histogram={**HISTOGRAM, "num_time_cells": 2},
        num_space_cells=3, num_pairs=0,
    )  # fmt: skip
    assert len(found) == 1
    assert found.boxes_xyxy.tolist() == [[0, 0, 90, 60]]
    assert found.spans_s[0].tolist() == pytest.approx([0, 1.2])
    cells = found.vectors.reshape(2, 3, 3, 8)
    share = 0.3 * 36 / (10 * 15)
    assert cells[0, 1, 1, 0] == pytest.approx(share, rel=1e-3)
    assert cells[1, 0, 2, 6] == pytest.approx(share, rel=1e-3)
    assert cells.sum() == pytest.approx(2 * share, rel=1e-3)


def test_pairs_may_be_few_and_roots_taken_as_before() -> None:
    own = {**HISTOGRAM, "num_time_cells": 4, "min_speed": 0.05}
    linear = judge("motion_histogram", motions_of((0.3, 0), 32), histogram=own, num_pairs=16)
    root = judge(
        "motion_histogram", motions_of((0.3, 0), 32), histogram={**own, "root": True}, num_pairs=16
    )
    np.testing.assert_allclose(root.vectors**2, linear.vectors, rtol=1e-5)


def test_a_place_tells_of_itself_whatever_else_moves() -> None:
    """One body among many: its vector is as if it was alone."""
    alone = judge("motion_cells", motions_of((0.5, 0)), size=0.2, histogram=HISTOGRAM)
    crowd = motions_of((0.5, 0))
    for motion in crowd:
        motion.velocities[20:28, 2:9] = (0, 0.1)
    among = judge("motion_cells", crowd, size=0.2, histogram=HISTOGRAM)
    best = int(np.argmax(alone.vectors[:, 0]))
    same = int(np.argmax(among.vectors[:, 0]))
    assert np.array_equal(alone.vectors[best], among.vectors[same])
    assert np.array_equal(alone.boxes_xyxy[best], among.boxes_xyxy[same])
    x1, y1, x2, y2 = alone.boxes_xyxy[best]
    assert x1 <= 46 <= x2
    assert y1 <= 26 <= y2
    assert len(among) > len(alone)


def test_places_where_nothing_moves_are_not_told_but_one() -> None:
    still = judge("motion_cells", motions_of((0, 0)))
    assert (still.vectors == 0).all()
    assert len(still) == len(np.unique(still.spans_s[:, 1]))


@pytest.mark.parametrize("root", [False, True])
def test_a_place_that_a_body_has_left_gives_no_evidence(root: bool) -> None:
    """Evidence lies where the body is, and ends when it has left the picture."""
    motions = []
    for at in range(30):
        field = np.zeros((ROWS, COLUMNS, 2), np.float32)
        if at < 18:  # it crosses the picture in 1.8 s
            field[5:11, 2 * at : 2 * at + 6] = (0.5, 0)
        field[20:26, 20:26] = (0, 0.05)
        motions.append(Motion(field, at / 10, (at + 1) / 10, (90, 60)))
    own = {**HISTOGRAM, "num_time_cells": 4, "root": root}
    found = judge("motion_cells", motions, size=0.2, histogram=own)
    is_fast = found.boxes_xyxy[:, 1] < 30
    assert is_fast.any()
    for box, (_, time_s) in zip(found.boxes_xyxy[is_fast], found.spans_s[is_fast], strict=True):
        x1, x2 = box[0] / 2, box[2] / 2  # px to cells of 2 px
        moved = 2 * (time_s * 10 - 1)
        assert x1 <= moved + 6
        assert x2 >= moved - 5, "the body was there more than a quarter of a second ago"
    late = found.spans_s[:, 1] > 2.2
    assert late.any()
    assert not is_fast[late].any()


@pytest.mark.parametrize("name", MOTION_CHANNELS)
def test_short_windows_are_measured_or_refused_and_empty_ones_are_an_error(name: str) -> None:
    found = judge(name, motions_of((0.3, 0), 2))
    assert found.vectors.any() == (name != "local_disorder"), "there is a single direction"
    with pytest.raises(
        FieldError, match=f"^short_clips: expected windows of at least .* for {name}"
    ):
        judge(name, motions_of((0.3, 0), 2), short="error")
    with pytest.raises(InputError, match=f"to 1 s apart for {name}, found none"):
        judge(name, motions_of((0.3, 0), 12), stop_s=0.05)


def test_every_channel_of_motion_can_be_built() -> None:
    assert set(BUILDERS) == set(MOTION_CHANNELS)
