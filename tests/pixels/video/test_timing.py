"""Time stamps in order, with gaps, guessed, and missing."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigil.pixels.video.timing import Timing

UNIT_S = Fraction(1, 1000)


def timing(*stamps: int | None, container: str = "mov", declared: str = "") -> Timing:
    rates = tuple(Fraction(rate) for rate in declared.split())
    return Timing(stamps, UNIT_S, rates, container)


def test_stamps_in_order_are_what_they_are() -> None:
    known = timing(40, 80, 120, 400)
    assert known.stamps == [40, 80, 120, 400]
    assert not known.is_even
    assert known.longest_step_s == pytest.approx(0.28)


@given(st.permutations(range(1, 12)), st.integers(2, 90))
def test_guesses_in_any_order_are_evenly_spaced(order: list[int], step: int) -> None:
    guess = timing(*(step * one for one in order), container="avi")
    assert guess.is_even
    assert guess.stamps == (None if order != sorted(order) else [step * one for one in order])
    assert np.allclose(np.diff(guess.seconds()), step / 1000)


def test_a_clock_that_goes_back_is_no_guess() -> None:
    known = timing(0, 40, 80, 20, 60)
    assert known.stamps == [0, 40, 80, 20, 60]
    assert not known.is_guessed


def test_a_guess_with_a_gap_keeps_the_gap() -> None:
    guess = timing(0, 80, 40, 400, 360, container="asf")
    assert not guess.is_even
    assert guess.stamps == [0, 40, 80, 360, 400]


def test_missing_stamps_count_as_steps() -> None:
    even, uneven = timing(0, None, 80, 120, None), timing(0, None, 40, 80, 120)
    assert (even.is_even, uneven.is_even) == (True, True)
    assert even.stamps is None
    assert even.fps == 25
    assert not timing(0, None, 400, 440, 480).is_even


def test_without_stamps_the_header_tells_the_rate() -> None:
    assert timing(None, None, declared="25").fps == 25
    assert timing(declared="").fps is None
    assert timing().is_even


def test_of_rates_that_a_header_without_times_tells_the_closest_is_taken() -> None:
    """The mean rate that FFmpeg takes from the first packets of ASF is wrong by 0.7 %."""
    stamps = [round(1000 * one / 12) for one in range(96)]
    assert timing(*stamps, container="asf", declared="145/12 12").fps == 12
    assert timing(*stamps, container="matroska", declared="145/12 12").fps == Fraction(145, 12)
    assert timing(*stamps, declared="30").fps == pytest.approx(12, rel=1e-3)
