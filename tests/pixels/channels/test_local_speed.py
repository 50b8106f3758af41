"""Bodies keep their speed; what swings, flickers or stands still has none."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_settings import shipped

from vigil.pixels.channels.local_speed import local_speed, speeds_along_paths
from vigil.pixels.flow.motion import Motion
from vigil.plumbing.errors import FieldError, InputError
from vigil.settings.embed_clips import EmbedClips

ROWS, COLUMNS, GAP_S = 60, 90, 0.1


def settings_of(**changes: object):
    return shipped(EmbedClips, local_speed=changes).local_speed


def motions_of(speed: float, num: int = 20, start_s: float = 0.0, row: int = 30) -> list[Motion]:
    """A body of 7x5 cells that crosses the picture, in short sides a second."""
    found = []
    for at in range(num):
        velocities = np.zeros((ROWS, COLUMNS, 2), np.float32)
        x = round(5 + speed * ROWS * GAP_S * at)
        velocities[row : row + 7, x : x + 5, 0] = speed
        time_s = start_s + at * GAP_S
        found.append(Motion(velocities, time_s, time_s + GAP_S, (180, 120)))
    return found


def follow(motions: list[Motion], short_clips: str = "repeat_last", **changes: object):
    follower = local_speed(settings_of(**changes), short_clips).follow()
    for motion in motions:
        follower.see(motion)
    return follower


@pytest.mark.parametrize("speed", [0.1, 0.2, 0.4])
def test_a_body_keeps_its_speed_and_is_found_where_it_is(speed: float) -> None:
    found = follow(motions_of(speed, 14), mean_cells=1).judge(0.0, 1.4)
    assert found.vectors.shape[1] == 1
    best = int(np.argmax(found.vectors))
    assert found.vectors[best, 0] == pytest.approx(speed, rel=0.02)
    x1, y1, x2, y2 = found.boxes_xyxy[best]
    last = 5 + speed * ROWS * GAP_S * (found.spans_s[best, 1] / GAP_S - 1)
    assert abs(x1 / 2 - last) <= 3  # a cell is 2 px, and the body 5 cells
    assert (y1, y2) == (60, 74)
    assert x2 - x1 <= 14


def test_what_swings_back_and_forth_cancels() -> None:
    motions = motions_of(0.3, 16)
    swinging = [
        one._replace(velocities=motions[0].velocities * (1 if at % 2 else -1))
        for at, one in enumerate(motions)
    ]
    body = follow(motions).judge(0.0, 1.6).vectors.max()
    assert follow(swinging).judge(0.0, 1.6).vectors.max() < 0.2 * body


def test_flicker_of_still_places_cancels() -> None:
    rng = np.random.default_rng(0)
    noise = [
        Motion(rng.normal(0, 0.1, (ROWS, COLUMNS, 2)).astype(np.float32), t, t + 0.1, (180, 120))
        for t in np.arange(16) / 10
    ]
    assert follow(noise).judge(0.0, 1.6).vectors.max() < 0.06


@given(u=st.floats(-0.3, 0.3), v=st.floats(-0.3, 0.3), num=st.integers(1, 9), at=st.integers(0, 8))
def test_a_picture_that_moves_as_a_whole_has_one_speed(
    u: float, v: float, num: int, at: int
) -> None:
    """Away from the edges, which paths leave."""
    velocities = np.broadcast_to(np.array([u, v], np.float32), (num, ROWS, COLUMNS, 2))
    speeds = speeds_along_paths(velocities, np.arange(num) * 0.05, min(at, num - 1))
    np.testing.assert_allclose(speeds[18:-18, 18:-18], np.hypot(u, v), rtol=1e-4, atol=1e-6)
    assert (speeds <= np.hypot(u, v) * 1.0001 + 1e-6).all()


def test_a_path_by_hand() -> None:
    """A cell moves a cell a moment; what it meets turns from right to down."""
    velocities = np.zeros((3, 4, 6, 2), np.float32)
    step = 1 / 4 / 0.1  # a cell is a quarter of the short side
    velocities[2, 1, 4] = [step, 0]
    velocities[1, 1, 3] = [step, 0]
    velocities[0, 1, 2] = [0, step]
    speeds = speeds_along_paths(velocities, np.array([0.0, 0.1, 0.2]), 2)
    assert speeds[1, 4] == pytest.approx(step * np.hypot(2, 1) / 3)


def test_memory_is_bounded_and_forgetting_changes_nothing() -> None:
    motions = motions_of(0.05, 60)
    every = follow(motions)
    lean = local_speed(settings_of(), "repeat_last").follow()
    for motion in motions:
        lean.see(motion)
        lean.forget(motion.time_s - 1.0)
        assert len(lean._motions) <= 20
        assert len(lean._pieces) <= 12
    for one, other in zip(
        (every.judge(5.1, 6.0), lean.judge(5.1, 6.0)), (lean.judge(5.1, 6.0),) * 2, strict=True
    ):
        assert np.array_equal(one.vectors, other.vectors)
        assert np.array_equal(one.spans_s, other.spans_s)


def test_a_window_holds_what_lies_within_it_alone() -> None:
    """A fast body before a window is none of the window's."""
    motions = motions_of(0.4, 10) + motions_of(0.05, 20, start_s=1.0)
    follower = follow(motions)
    assert follower.judge(0.0, 3.0).vectors.max() > 0.2
    late = follower.judge(1.0, 3.0)
    assert late.vectors.max() < 0.1
    assert (late.spans_s[:, 0] >= 1.0 - 1e-4).all()
    assert (late.spans_s[:, 1] < 3.0).all()


def test_what_is_known_does_not_depend_on_what_comes() -> None:
    motions = motions_of(0.2, 20)
    before = follow(motions[:12]).judge(0.0, 1.15)
    after = follow(motions).judge(0.0, 1.15)
    assert np.array_equal(before.vectors, after.vectors)


def test_with_time_ahead_the_same_is_known_later() -> None:
    motions = motions_of(0.2, 20)
    found = follow(motions, past_s=0.3, ahead_s=0.3).judge(0.0, 2.0)
    assert found.vectors.max() == pytest.approx(
        follow(motions, past_s=0.6).judge(0.0, 2.0).vectors.max(), rel=0.1
    )
    assert np.allclose(found.spans_s[:, 1] - found.spans_s[:, 0], 0.7)


def test_a_window_shorter_than_a_path_is_measured_by_what_it_has_or_refused() -> None:
    motions = motions_of(0.2, 4)
    found = follow(motions, mean_cells=1).judge(0.0, 0.5)
    assert found.vectors.max() == pytest.approx(0.2, rel=0.02)
    assert found.spans_s[0].tolist() == pytest.approx([0.0, 0.4])
    with pytest.raises(FieldError, match=r"short_clips: expected windows of at least 0.7 s"):
        follow(motions, "error").judge(0.0, 0.4)


def test_without_motion_there_is_an_error_and_no_zero() -> None:
    with pytest.raises(InputError, match=r"expected at least 2 frames from flow\.gap_s to 1 s"):
        follow(motions_of(0.2, 4)).judge(2.0, 4.0)


def test_a_still_video_has_measured_no_speed() -> None:
    found = follow(motions_of(0.0, 15)).judge(0.0, 1.5)
    assert len(found) >= 1
    assert found.vectors.max() == 0
