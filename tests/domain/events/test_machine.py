"""Events of windows: the rule, line by line, and what holds for any scores."""

from dataclasses import replace
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vigil.domain.events.event import SIGNAL_LOST, Event, ScoredWindow, event_id
from vigil.domain.events.machine import TOO_SHORT, EventMachine, find_events
from vigil.plumbing.errors import InputError
from vigil.settings.raising import Raising

RULE = Raising(
    raise_at=1.0,
    num_above=2,
    num_windows=3,
    clear_at=0.5,
    clear_after_s=2.0,
    merge_gap_s=0.0,
    min_duration_s=0.0,
    max_open_s=1000.0,
    cooldown_s=0.0,
    signal_gap_s=5.0,
)


def rule(**changes: float) -> Raising:
    return Raising.model_validate({**RULE.model_dump(), **changes})


def windows(*scores: float, length_s: float = 1.0, stride_s: float = 1.0) -> list[ScoredWindow]:
    return [
        ScoredWindow(index * stride_s, index * stride_s + length_s, score)
        for index, score in enumerate(scores)
    ]


def spans(events: list[Event]) -> list[tuple[float, float, float]]:
    return [(event.start_s, event.raised_s, event.end_s) for event in events]


def test_it_begins_where_the_score_rose_and_ends_with_the_last_unusual_window():
    events = find_events(windows(0, 0.6, 2, 3, 0.7, 0, 0, 0), RULE)
    assert spans(events) == [(1, 4, 5)]
    assert (events[0].peak_score, events[0].peak_start_s, events[0].peak_stop_s) == (3, 3, 4)


def test_one_window_above_is_no_event_where_two_are_asked_for():
    assert find_events(windows(0, 9, 0, 0, 9, 0), RULE) == []
    assert spans(find_events(windows(0, 9, 0, 9, 0, 0), RULE)) == [(1, 4, 4)]


def test_a_score_at_the_threshold_is_not_above_it():
    assert find_events(windows(1, 1, 1, 1), RULE) == []


def test_a_dip_shorter_than_clear_after_does_not_end_it():
    scores = (2, 2, 0, 2, 0, 0, 2, 2)
    assert spans(find_events(windows(*scores), RULE)) == [(0, 2, 4), (6, 8, 8)]
    assert spans(find_events(windows(*scores), rule(clear_after_s=3))) == [(0, 2, 8)]


def test_time_without_windows_ends_it_as_windows_below_do():
    def later(start_s: float, *scores: float) -> list[ScoredWindow]:
        return [
            replace(one, start_s=one.start_s + start_s, stop_s=one.stop_s + start_s)
            for one in windows(*scores)
        ]

    for gap_s, expected in ((1.5, [(0, 2, 5.5)]), (2.0, [(0, 2, 2), (4, 6, 6)])):
        both = [*windows(2, 2), *later(2 + gap_s, 2, 2)]
        assert spans(find_events(both, RULE)) == expected
    apart = [*windows(0, 2), *later(60, 2, 0, 0)]
    assert not find_events(apart, RULE), "two of three windows, but a minute apart"
    (event,) = find_events([*windows(0.6), *later(60, 2, 2)], RULE)
    assert event.start_s == 60, "it does not begin before a time without windows"


def test_events_near_each_other_are_one_unless_other_people_take_part():
    scores = (2, 2, 0, 0, 2, 2, 0, 0)
    assert spans(find_events(windows(*scores), rule(merge_gap_s=2))) == [(0, 2, 2), (4, 6, 6)]
    assert spans(find_events(windows(*scores), rule(merge_gap_s=2.5))) == [(0, 2, 6)]
    first, second = frozenset({1}), frozenset({2})
    who = [first] * 4 + [second] * 4
    apart = [replace(w, tracks=t) for w, t in zip(windows(*scores), who, strict=True)]
    assert len(find_events(apart, rule(merge_gap_s=2.5))) == 2
    same = [replace(w, tracks=first) for w in windows(*scores)]
    assert [event.tracks for event in find_events(same, rule(merge_gap_s=2.5))] == [(1,)]


def test_a_short_event_is_kept_with_the_reason():
    (event,) = find_events(windows(2, 2, 0, 0, 0), rule(min_duration_s=2.5))
    assert event.suppressed == TOO_SHORT
    assert event.notified_s is None
    (event,) = find_events(windows(2, 2, 2, 0, 0, 0), rule(min_duration_s=2.5))
    assert (event.suppressed, event.notified_s) == ("", 3)


def test_an_event_that_does_not_end_is_closed_and_followed_by_another():
    events = find_events(windows(*[2] * 10), rule(max_open_s=4))
    assert spans(events) == [(0, 2, 6), (6, 7, 10)]
    assert [event.follows_s for event in events] == [None, 0]


def test_a_cooldown_mutes_notifications_and_no_events():
    events = find_events(windows(2, 2, 0, 0, 2, 2, 0, 0, 0, 0, 2, 2), rule(cooldown_s=6))
    assert [(event.notified_s, event.is_muted) for event in events] == [
        (2, False), (None, True), (12, False),
    ]  # fmt: skip


def test_a_loss_of_the_signal_ends_an_event_and_is_one():
    parts = [*windows(2, 2), ScoredWindow(20, 21, 2), ScoredWindow(21, 22, 2)]
    events = find_events(parts, rule(merge_gap_s=100), gaps=[(2, 20), (22, 30)])
    assert [(event.kind, event.start_s, event.end_s) for event in events] == [
        ("unusual", 0, 2), (SIGNAL_LOST, 2, 20), ("unusual", 20, 22), (SIGNAL_LOST, 22, 30),
    ]  # fmt: skip
    assert events[1].raised_s == 7


@pytest.mark.parametrize(
    "bad",
    [
        [ScoredWindow(0, 1, float("nan"))],
        [ScoredWindow(0, 1, float("inf"))],
        [ScoredWindow(1, 1, 0)],
        [ScoredWindow(0, 2, 0), ScoredWindow(0, 1, 0)],
    ],
)
def test_scores_that_are_no_numbers_and_clocks_that_jump_back_are_refused(bad):
    with pytest.raises(InputError, match="expected windows"):
        find_events(bad, RULE)


def test_a_rule_that_contradicts_itself_is_refused():
    with pytest.raises(ValueError, match="clear_at <= raise_at"):
        rule(clear_at=2)
    with pytest.raises(ValueError, match="num_above <= num_windows"):
        rule(num_above=4)


def test_an_id_depends_on_source_kind_and_start():
    others = [("a", "k", 1.0), ("b", "k", 1.0), ("a", "l", 1.0), ("a", "k", 1.001)]
    names = {event_id(*parts) for parts in others}
    assert len(names) == 4
    assert event_id("a", "k", 1.0) == event_id("a", "k", 1.00001)


def test_the_memory_of_the_machine_does_not_grow():
    machine = EventMachine(RULE)
    for index in range(5000):
        machine.push(ScoredWindow(index, index + 1, 0.7 + (index % 50 == 0)))
    assert len(machine._recent) == 3
    assert len(machine._run.tracks) == 0


some_scores = st.lists(st.sampled_from([0.0, 0.4, 0.6, 0.9, 1.0, 1.5, 3.0]), max_size=40)
some_rules = st.builds(
    lambda above, more, clear, merge, short, longest, cool: rule(
        num_above=above, num_windows=above + more, clear_after_s=clear, merge_gap_s=merge,
        min_duration_s=short, max_open_s=longest, cooldown_s=cool,
    ),
    st.integers(1, 3), st.integers(0, 2), st.sampled_from([0, 1, 2.5]),
    st.sampled_from([0, 1, 3]), st.sampled_from([0, 2]), st.sampled_from([4, 1000]),
    st.sampled_from([0, 5]),
)  # fmt: skip
strides = st.sampled_from([(1.0, 1.0), (2.0, 0.5), (1.0, 2.0)])


@given(scores=some_scores, tested_rule=some_rules, lengths=strides)
@settings(max_examples=200)
def test_an_event_lies_between_unusual_windows(scores, tested_rule, lengths):
    parts = windows(*scores, length_s=lengths[0], stride_s=lengths[1])
    active = [part for part in parts if part.score >= tested_rule.clear_at]
    above = [part for part in parts if part.score > tested_rule.raise_at]
    events = find_events(parts, tested_rule)
    assert bool(events) <= bool(above)
    for event in events:
        if event.follows_s is None:
            assert event.start_s in [part.start_s for part in active]
        assert event.end_s in [part.stop_s for part in active]
        assert event.start_s < event.raised_s <= event.end_s
        inside = [w for w in active if event.start_s <= w.start_s and w.stop_s <= event.end_s]
        if lengths == (1.0, 1.0):
            assert event.peak_score == max(part.score for part in inside)
        assert event.peak_score in [part.score for part in active]
        assert (
            event.end_s - event.raised_s
            <= tested_rule.max_open_s + tested_rule.merge_gap_s + 3 * lengths[1]
        )
    assert [event.start_s for event in events] == sorted(event.start_s for event in events)


@given(scores=some_scores, tested_rule=some_rules, lengths=strides)
@settings(max_examples=200)
def test_a_stream_gives_the_events_of_a_file_and_never_changes_closed_ones(
    scores, tested_rule, lengths
):
    parts = windows(*scores, length_s=lengths[0], stride_s=lengths[1])
    expected = find_events(parts, tested_rule)
    machine, closed, notified = EventMachine(tested_rule), [], []
    for part in parts:
        progress = machine.push(part)
        closed += progress.closed
        notified += progress.to_notify
        assert closed == expected[: len(closed)]
    closed += machine.end().closed
    assert closed == expected
    assert [event.start_s for event in notified] == [
        event.start_s for event in expected if event.notified_s is not None
    ]


@given(scores=some_scores, tested_rule=some_rules, shift=st.sampled_from([64.0, 4096.0]))
def test_events_move_with_the_clock(scores, tested_rule, shift):
    parts = windows(*scores)
    moved = [replace(w, start_s=w.start_s + shift, stop_s=w.stop_s + shift) for w in parts]
    assert [
        (s - shift, r - shift, e - shift) for s, r, e in spans(find_events(moved, tested_rule))
    ] == (spans(find_events(parts, tested_rule)))


@given(scores=st.lists(st.sampled_from([0.0, 2.0]), max_size=40))
def test_the_plainest_rule_finds_runs(scores):
    """An oracle in one line: runs of windows above, where one is enough and none is waited for."""
    first_window_rule = rule(num_above=1, num_windows=1, clear_at=1.0, clear_after_s=0)
    expected = []
    for is_above, run in groupby(windows(*scores), key=lambda part: part.score > 1):
        inside = list(run)
        if is_above:
            expected.append((inside[0].start_s, inside[0].stop_s, inside[-1].stop_s))
    assert spans(find_events(windows(*scores), first_window_rule)) == expected


@given(scores=some_scores, tested_rule=some_rules)
def test_the_unit_of_a_score_does_not_matter(scores, tested_rule):
    doubled = tested_rule.model_copy(update={"raise_at": 2.0, "clear_at": 1.0})
    twice = find_events(windows(*np.multiply(scores, 2)), doubled)
    assert spans(twice) == spans(find_events(windows(*scores), tested_rule))
