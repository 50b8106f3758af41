"""Events against true ones, and how sure a rate is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import poisson

from vigil.domain.measures.events import (
    compare_events,
    inside,
    match_events,
    measure_events,
    rate_per_hour,
    spans_of,
)


def test_a_second_in_common_is_right_and_less_is_not():
    assert match_events([(10, 20)], [(5, 11)]).pairs == ((0, 0),)
    assert match_events([(10, 20)], [(5, 10.9)]).false_alarms == (0,)


def test_half_of_a_true_event_shorter_than_a_second_is_right():
    assert match_events([(10, 10.8)], [(10.4, 12)]).pairs == ((0, 0),)
    assert match_events([(10, 10.8)], [(10.5, 12)]).pairs == ()


def test_one_true_event_is_found_once():
    matches = match_events([(0, 10)], [(0, 3), (4, 9)])
    assert matches.pairs == ((0, 1),)
    assert matches.false_alarms == (0,)
    assert matches.recall == 1


def test_as_many_are_paired_as_may_be():
    """The first predicted event overlaps both, and longer the one that the second needs too."""
    assert match_events([(0, 4), (4, 12)], [(2, 12), (5, 7)]).pairs == ((0, 0), (1, 1))


def test_nothing_true_has_no_recall():
    assert match_events([], [(0, 3)]).recall is None
    assert match_events([(0, 3)], []).recall == 0


def test_no_alarm_in_an_hour_proves_no_more_than_three():
    rate = rate_per_hour(0, 3600)
    assert (rate.per_hour, rate.low) == (0, 0)
    assert rate.upper_bound == pytest.approx(-np.log(0.05), abs=1e-9)


@given(number=st.integers(1, 40), watched_s=st.floats(60, 1e6))
def test_the_bounds_are_exact(number, watched_s):
    """At the bound, as few or as many events have the probability that the bound leaves out."""
    rate, hours = rate_per_hour(number, watched_s), watched_s / 3600
    assert poisson.cdf(number, rate.upper_bound * hours) == pytest.approx(0.05)
    assert poisson.cdf(number, rate.high * hours) == pytest.approx(0.025)
    assert poisson.sf(number - 1, rate.low * hours) == pytest.approx(0.025)


def test_events_of_several_videos_by_hand():
    """Two of three are found, after 1 s and 3 s; one alarm of half an hour is false."""
    first = compare_events([(10, 20), (50, 60)], [(9, 15), (30, 35)], [11, 31], 1000)
    second = compare_events([(0, 5)], [(0, 9)], [3], 800)
    found = measure_events([first, second])
    assert (found["num_events"], found["num_events_found"], found["event_recall"]) == (3, 2, 0.667)
    assert (found["num_false_alarms"], found["delay_s"], found["watched_s"]) == (1, 2.0, 1800)
    assert found["false_alarms_per_hour"]["seen"] == 2
    assert found["num_raised_within_event"] == 2
    assert found["normal_time_in_alarm"] == pytest.approx((1 + 5 + 4) / (1800 - 25), abs=1e-3)
    assert measure_events([]) == {
        "watched_s": 0,
        "event_recall": None,
        "num_events": 0,
        "num_events_found": 0,
        "num_raised_within_event": 0,
        "num_false_alarms": 0,
        "false_alarms_per_hour": None,
        "normal_time_in_alarm": None,
        "delay_s": None,
    }


def test_an_alarm_that_was_open_already_was_not_raised_by_the_event():
    """It matches, since it overlaps; but nobody was told of the event."""
    found = measure_events([compare_events([(50, 60)], [(5, 55)], [8], 100)])
    assert (found["event_recall"], found["num_false_alarms"]) == (1, 0)
    assert found["num_raised_within_event"] == 0
    assert found["normal_time_in_alarm"] == 0.5


def test_spans_end_with_the_first_frame_outside():
    times = np.array([0.0, 0.5, 1.0, 1.5, 3.0])
    assert spans_of(times, np.array([1, 1, 0, 0, 1], bool)) == [(0, 1), (3, 3.5)]
    assert spans_of(times, np.zeros(5, bool)) == []
    assert spans_of(times[:1], np.ones(1, bool)) == [(0, 0)]


@given(labels=st.lists(st.booleans(), min_size=1, max_size=40))
def test_spans_hold_the_frames_they_are_made_of(labels):
    times = np.arange(len(labels)) * 0.04 + 7
    if len(labels) > 1:
        assert inside(times, spans_of(times, np.array(labels))).tolist() == labels


def test_nothing_watched_has_no_rate():
    assert rate_per_hour(0, 0.0) is None


def test_spans_hold_times():
    spans = [(5.0, 8.0), (0.0, 2.0), (1.0, 3.0), (6.0, 7.0)]
    times = np.array([0.0, 2.9, 3.0, 5.0, 8.0])
    assert inside(times, spans).tolist() == [True, True, False, True, False]


pieces = st.lists(
    st.tuples(st.integers(0, 40), st.integers(1, 6)).map(lambda s: (s[0], s[0] + s[1])), max_size=8
)


@given(true=pieces, predicted=pieces)
def test_matches_are_one_to_one_and_overlap(true, predicted):
    matches = match_events(true, predicted)
    rows, columns = zip(*matches.pairs, strict=True) if matches.pairs else ((), ())
    assert len(set(rows)) == len(rows)
    assert len(set(columns)) == len(columns)
    assert set(columns) | set(matches.false_alarms) == set(range(len(predicted)))
    for row, column in matches.pairs:
        assert (
            min(true[row][1], predicted[column][1]) - max(true[row][0], predicted[column][0]) >= 1
        )
