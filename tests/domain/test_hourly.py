"""Thresholds from blocks of normal footage: the bound holds for simulated scores."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from vigil.domain.events.event import ScoredWindow
from vigil.domain.events.machine import find_events
from vigil.domain.hourly import Footage, block_maxima, footage_of, pick_by_blocks, raising_statistic
from vigil.plumbing.errors import FieldError, InputError
from vigil.settings.watch import Watch

BLOCK_S, STRIDE_S, LENGTH_S = 30.0, 0.5, 1.0


def footage(scores: np.ndarray) -> Footage:
    starts = np.arange(len(scores)) * STRIDE_S
    return Footage(starts, starts + LENGTH_S, scores, float(starts[-1] + LENGTH_S))


def hours(rng: np.random.Generator, num_blocks: int, correlation: float) -> np.ndarray:
    """Scores of blocks that are alike; neighbouring windows depend on each other."""
    num = round(num_blocks * BLOCK_S / STRIDE_S) + 1
    noise = rng.normal(size=num)
    for index in range(1, num):
        noise[index] = correlation * noise[index - 1] + (1 - correlation**2) ** 0.5 * noise[index]
    return np.exp(noise)


@pytest.mark.parametrize("correlation", [0.0, 0.95])
def test_a_new_normal_block_rings_as_seldom_as_promised(correlation: float):
    """Over many validation sets: exchangeable blocks, and windows that depend on each other."""
    rng = np.random.default_rng(0)
    num_trials, promised, num_rang = 400, 0.2, 0
    for _ in range(num_trials):
        known = footage(hours(rng, 9, correlation))
        picked = pick_by_blocks(
            [known], block_s=BLOCK_S, alarm_probability=promised, num_above=2, num_windows=3
        )
        assert picked.alarm_probability == pytest.approx(0.2)
        new = block_maxima([footage(hours(rng, 1, correlation))], BLOCK_S, 2, 3)
        num_rang += int((new > picked.value).sum())
    # Within what chance leaves of the promised rate, on both sides.
    low, high = binom.interval(0.999, num_trials, promised)
    assert low * 0.7 <= num_rang <= high


scores_of = st.lists(st.sampled_from([0.2, 0.7, 1.0, 1.3, 2.5]), min_size=1, max_size=40)


@given(scores=scores_of, above=st.integers(1, 3), more=st.integers(0, 2))
def test_the_statistic_is_the_very_one_that_raises(scores, above, more):
    """Where its largest value is above raise_at there is an event, and nowhere else."""
    from tiny_settings import shipped

    rule = shipped(
        Watch, raising={"num_above": above, "num_windows": above + more, "clear_at": 0.5}
    ).raising
    windows = [ScoredWindow(i * 0.5, i * 0.5 + 1, score) for i, score in enumerate(scores)]
    statistic = raising_statistic(np.array(scores), above, above + more)
    assert bool(find_events(windows, rule)) == bool((statistic > rule.raise_at).any())


def test_too_little_footage_says_what_could_be_promised():
    video = footage(np.ones(61))
    with pytest.raises(FieldError, match=r"at least 9 blocks .* got 1: the least possible is 0\.5"):
        pick_by_blocks([video], block_s=30, alarm_probability=0.1, num_above=1, num_windows=1)
    with pytest.raises(FieldError, match="got 0: no bound is possible"):
        pick_by_blocks([], block_s=30, alarm_probability=0.1, num_above=1, num_windows=1)


def test_a_block_without_a_window_is_refused():
    video = footage(np.ones(200))
    with pytest.raises(InputError, match="blocks of at least 2 windows"):
        pick_by_blocks([video], block_s=1.0, alarm_probability=0.5, num_above=2, num_windows=2)


def test_it_is_the_rank_that_the_promise_asks_for():
    """Nine blocks with maxima 1 to 9: at most one in five is the eighth."""
    videos = [footage(np.full(59, float(number))) for number in range(1, 10)]
    options = {"block_s": BLOCK_S, "num_above": 1, "num_windows": 1}
    picked = pick_by_blocks(videos, alarm_probability=0.2, **options)
    assert (picked.value, picked.num_blocks, picked.alarm_probability) == (8.0, 9, 0.2)
    assert pick_by_blocks(videos, alarm_probability=0.1, **options).value == 9.0


def in_parts(*parts: tuple[float, float], stride_s: float = STRIDE_S) -> list[Footage]:
    """The footage of a video with frames from each first time to each last."""
    starts = np.concatenate(
        [np.arange(first, last - LENGTH_S + 1e-9, stride_s) for first, last in parts]
    )
    return footage_of(starts, starts + LENGTH_S, np.ones(len(starts)))


@pytest.mark.parametrize("stride_s", [0.5, 1.0])
def test_a_gap_is_no_normal_footage(stride_s: float):
    """Five seconds in each minute are not minutes without an alarm."""
    pieces = in_parts(*((60.0 * at, 60.0 * at + 5.5) for at in range(8)), stride_s=stride_s)
    assert [len(block_maxima(pieces, block_s, 1, 1)) for block_s in (50.0, 5.0)] == [0, 8]
    parts = in_parts((0.0, 100.0), (300.0, 500.5), stride_s=stride_s)
    assert len(block_maxima(parts, 49.0, 2, 2)) == 2 + 4
    assert len(in_parts((7.0, 100.0), stride_s=stride_s)) == 1
    assert [one.duration_s for one in in_parts((0, 1), (60, 61), stride_s=stride_s)] == [1, 1]


def test_a_video_is_as_long_as_it_says_and_at_least_as_its_windows():
    starts = np.arange(0, 9.5, 0.5)
    (told,) = footage_of(starts, starts + 1, np.ones(19), 10.4)
    (untold,) = footage_of(starts, starts + 1, np.ones(19))
    assert (told.duration_s, untold.duration_s) == (10.4, 10.0)
    assert footage_of(*np.empty((3, 0)), 0.5) == []


def test_time_without_frames_at_either_end_is_no_normal_footage():
    """As of a camera that lost its signal: less than a window of frames lies behind the gap."""
    starts = np.arange(0, 998, 0.5)  # 1000 s are scored
    late = footage_of(starts, starts + 2.5, np.ones(len(starts)), 1900.0)
    assert [one.duration_s for one in late] == [1000.0 + 0.5]
    assert len(block_maxima(late, 600.0, 2, 3)) == 1
    early = footage_of(starts + 210.0, starts + 212.5, np.ones(len(starts)), 1210.3)
    assert [one.duration_s for one in early] == [pytest.approx(1000.3)]
    assert len(block_maxima(early, 600.0, 2, 3)) == 1
    assert early[0].starts_s[0] == 0.0


@pytest.mark.timeout(60)
@pytest.mark.parametrize("block_s", [1e-300, 0.99 * LENGTH_S])
def test_a_block_shorter_than_a_window_is_refused_at_once(block_s: float):
    with pytest.raises(InputError, match=r"blocks of at least 1 windows, got one of .* with fewer"):
        pick_by_blocks(
            [footage(np.ones(200))],
            block_s=block_s,
            alarm_probability=0.5,
            num_above=1,
            num_windows=1,
        )


def test_equal_maxima_promise_more():
    videos = [footage(np.full(59, 3.0))] * 9
    picked = pick_by_blocks(
        videos, block_s=BLOCK_S, alarm_probability=0.5, num_above=1, num_windows=1
    )
    assert picked.alarm_probability == pytest.approx(0.1)


def test_parts_of_one_window_each_have_no_footage_between_them():
    """The time between their windows is a gap, not the stride of windows."""
    starts_s, stops_s = np.array([0.0, 602.5]), np.array([2.5, 605.0])
    found = footage_of(starts_s, stops_s, np.ones(2), 5000.0)
    assert [one.duration_s for one in found] == [2.5, 5.0]
