"""Motion in one direction has no disorder; motion in several directions has."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_settings import shipped

from vigil.pixels.channels.local_disorder import disorder, local_disorder
from vigil.pixels.flow.motion import Motion
from vigil.plumbing.errors import FieldError, InputError
from vigil.settings.embed_clips import EmbedClips

ROWS, COLUMNS, GAP_S = 60, 90, 0.1


def settings_of(**changes: object):
    return shipped(EmbedClips, local_disorder=changes).local_disorder


def motions_of(velocities: np.ndarray, num: int = 12, start_s: float = 0.0) -> list[Motion]:
    times_s = [start_s + at * GAP_S for at in range(num)]
    return [Motion(velocities, time_s, time_s + GAP_S, (180, 120)) for time_s in times_s]


def judge(motions: list[Motion], start_s: float, stop_s: float, short: str = "repeat_last"):
    follower = local_disorder(settings_of(), short).follow()
    for motion in motions:
        follower.see(motion)
    return follower.judge(start_s, stop_s)


def body(*halves: tuple[float, float]) -> np.ndarray:
    """A body of 8x8 cells; each of its parts, from left to right, has one velocity."""
    velocities = np.zeros((ROWS, COLUMNS, 2), np.float32)
    width = 8 // len(halves)
    for at, velocity in enumerate(halves):
        velocities[26:34, 40 + at * width : 40 + (at + 1) * width] = velocity
    return velocities


@given(
    u=st.floats(-1, 1),
    v=st.floats(-1, 1),
    speed=st.floats(0.01, 2),
    size=st.sampled_from([0.05, 0.15, 0.4, 1.0]),
)
def test_motion_in_one_direction_has_no_disorder(
    u: float, v: float, speed: float, size: float
) -> None:
    """At any speeds, and at the edge of the picture too."""
    direction = np.array([u, v]) / max(np.hypot(u, v), 1e-3)
    speeds = np.random.default_rng(0).uniform(0, speed, (20, 30, 1))
    found = disorder((direction * speeds).astype(np.float32), size)
    np.testing.assert_allclose(found, 0, atol=1e-5 * speed)


@given(turn=st.floats(0, 2 * np.pi))
def test_disorder_does_not_depend_on_the_direction(turn: float) -> None:
    velocities = np.random.default_rng(1).normal(0, 0.3, (20, 30, 2)).astype(np.float32)
    turned = velocities @ np.array(
        [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]], np.float32
    )
    np.testing.assert_allclose(disorder(turned, 0.3), disorder(velocities, 0.3), atol=1e-5)


def test_disorder_by_hand() -> None:
    """Half of a place moves to the right and half to the left: the mean velocity is 0."""
    velocities = np.zeros((9, 9, 2), np.float32)
    velocities[3:6, 3] = [0.6, 0]
    velocities[3:6, 5] = [-0.6, 0]
    found = disorder(velocities, 3 / 9)
    assert found[4, 4] == pytest.approx(0.4)  # six of nine cells with a speed of 0.6
    assert found[4, 2] == pytest.approx(0)  # three cells with one direction


def test_what_swings_in_time_as_a_whole_has_no_disorder() -> None:
    """A moment has one direction at each place, so there is no disorder at any moment."""
    velocities = body((0.3, 0.0))
    there, back = motions_of(velocities), motions_of(-velocities)
    mixed = [pair[at % 2] for at, pair in enumerate(zip(there, back, strict=True))]
    assert judge(mixed, 0.0, 1.2).vectors.max() < 1e-6


def test_a_body_in_disorder_is_found_where_it_is() -> None:
    """Beside a faster body that moves as a whole."""
    velocities = body((0.3, 0.0), (-0.3, 0.0))
    velocities[5:13, 60:68] = [0.9, 0.0]
    found = judge(motions_of(velocities), 0.0, 1.2)
    assert found.vectors.shape[1] == 1
    best = int(np.argmax(found.vectors))
    x1, y1, x2, y2 = found.boxes_xyxy[best] / 2  # a cell is 2 px
    assert x1 <= 44 <= x2
    assert y1 <= 30 <= y2
    assert y1 > 13


def test_slow_cells_are_noise() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.01, (ROWS, COLUMNS, 2)).astype(np.float32)
    quiet = judge(motions_of(noise), 0.0, 1.2).vectors.max()
    loud = judge(motions_of(noise + body((0.3, 0.0), (-0.3, 0.0))), 0.0, 1.2).vectors.max()
    assert quiet < 0.02 * loud


def test_disorder_is_averaged_over_the_past() -> None:
    settings = settings_of()
    calm, wild = body((0.3, 0.0), (0.3, 0.0)), body((0.3, 0.0), (-0.3, 0.0))
    start_s = 12 * GAP_S
    one = [*motions_of(calm), *motions_of(wild, 1, start_s), *motions_of(calm, 12, start_s + GAP_S)]
    moments = round(settings.past_s / GAP_S) + 1
    whole = judge(motions_of(wild), 0.0, 1.2).vectors.max()
    assert judge(one, 0.0, 2.5).vectors.max() == pytest.approx(whole / moments, rel=1e-4)


def test_a_short_window_is_measured_by_what_it_has_or_refused() -> None:
    motions = motions_of(body((0.3, 0.0), (-0.3, 0.0)), 3)
    assert judge(motions, 0.0, 0.4).vectors.max() > 0
    with pytest.raises(FieldError, match=r"0\.5 s and a pair of frames for local_disorder"):
        judge(motions, 0.0, 0.4, "error")


def test_without_motion_there_is_an_error_and_no_zero() -> None:
    with pytest.raises(InputError, match="1 s apart for local_disorder, found none"):
        judge(motions_of(body((0.3, 0.0))), 5.0, 6.0)
