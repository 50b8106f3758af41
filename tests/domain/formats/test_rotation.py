"""The upright box around a turned one, against the corners turned one by one."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigil.domain.formats.rotation import check_upright, degrees_of, enclosing
from vigil.plumbing.errors import InputError

px = st.floats(0, 1000)


@given(st.tuples(px, px), st.tuples(px, px), st.floats(-720, 720))
def test_it_holds_the_turned_corners_and_touches_them(
    start: tuple[float, float], size: tuple[float, float], degrees: float
) -> None:
    x1, y1, x2, y2 = *start, start[0] + size[0], start[1] + size[1]
    x, y, turn = (x1 + x2) / 2, (y1 + y2) / 2, math.radians(degrees)
    turned = [
        (
            x + (a - x) * math.cos(turn) - (b - y) * math.sin(turn),
            y + (a - x) * math.sin(turn) + (b - y) * math.cos(turn),
        )
        for a in (x1, x2)
        for b in (y1, y2)
    ]
    xs, ys = zip(*turned, strict=True)
    expected = (min(xs), min(ys), max(xs), max(ys))
    assert enclosing((x1, y1, x2, y2), degrees) == pytest.approx(expected, abs=1e-6)


def test_a_quarter_turn_gives_whole_pixels() -> None:
    assert enclosing((20, 15, 50, 19), 90) == (33, 2, 37, 32)
    assert enclosing((20, 15, 50, 19), -180) == (20, 15, 50, 19)


def test_an_invalid_box_stays_one() -> None:
    assert enclosing((20, 15, 10, 19), 90) == (20, 15, 10, 19)
    assert enclosing((20, 15, math.inf, 19), 90) == (20, 15, math.inf, 19)


@pytest.mark.parametrize(("told", "degrees"), [(None, 0), ("", 0), ("90.0", 90), (-1, -1)])
def test_angles(told: object, degrees: float) -> None:
    assert degrees_of(told, "rotation", "a") == degrees


@pytest.mark.parametrize("told", ["left", True, math.nan, math.inf, [90], 1e300])
def test_what_is_no_angle_is_refused(told: object) -> None:
    with pytest.raises(InputError, match="a: expected a number of degrees as rotation"):
        degrees_of(told, "rotation", "a")


def test_an_angle_of_unknown_meaning_must_be_0() -> None:
    check_upright(0.0, "angle", "a")
    with pytest.raises(InputError, match=r"a: expected a box that is not turned, got angle 0\.5"):
        check_upright(0.5, "angle", "a")
