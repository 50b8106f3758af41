"""Work in threads of its own: order, errors, and how much may wait."""

import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigil.plumbing.background import Background, ahead

WAIT_S = 10.0


@given(st.lists(st.integers(), max_size=40), st.integers(1, 5))
def test_order_and_items_are_those_of_the_iteration(items: list[int], most: int) -> None:
    assert list(ahead(iter(items), most)) == items
    with Background[int](most) as background:
        results = [one for item in items for one in background.call(int, item)]
        assert results + background.finish() == items
        assert background.finish() == []


def test_no_more_items_are_ready_than_allowed() -> None:
    made: list[int] = []

    def source() -> Iterator[int]:
        for number in range(10):
            made.append(number)
            yield number

    items = ahead(source(), 3)
    assert next(items) == 0
    time.sleep(0.05)
    assert len(made) <= 4  # the taken one, and three
    assert list(items) == [*range(1, 10)]


def test_the_next_items_are_made_while_one_is_used() -> None:
    is_second = threading.Event()

    def source() -> Iterator[int]:
        yield 1
        is_second.set()
        yield 2

    items = ahead(source(), 2)
    assert next(items) == 1
    assert is_second.wait(WAIT_S)
    assert [*items] == [2]


def test_the_error_of_an_iteration_follows_the_items_before_it() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise OSError("disk full")

    items = ahead(source(), 4)
    assert next(items) == 1
    with pytest.raises(OSError, match="disk full"):
        next(items)


def test_an_iteration_that_is_given_up_ends_its_thread() -> None:
    before = threading.active_count()
    items = ahead(iter(range(1000)), 4)
    assert next(items) == 0
    assert threading.active_count() == before + 1
    items.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_calls_run_beside_the_caller_and_one_at_a_time() -> None:
    may_end = threading.Event()
    order: list[str] = []

    def wait() -> None:
        assert may_end.wait(WAIT_S)
        order.append("first")

    with Background[None](2) as background:
        assert background.call(wait) == []
        assert background.call(order.append, "second") == []
        assert order == []
        may_end.set()
    assert order == ["first", "second"]


def test_a_call_waits_for_the_first_if_as_many_wait_as_may() -> None:
    with Background[int](2) as background:
        assert background.call(int, 1) == []
        assert background.call(int, 2) == []
        assert background.call(int, 3) == [1]
        assert background.finish() == [2, 3]


def fail() -> None:
    raise OSError("disk full")


def test_the_error_of_a_call_is_raised_by_the_next_one_that_waits_for_it() -> None:
    made: list[int] = []
    with Background[None](1) as background:
        background.call(fail)
        with pytest.raises(OSError, match="disk full"):
            background.call(made.append, 1)
        background.call(made.append, 2)
    assert made == [2]


def test_results_of_ended_calls_are_taken_in_order_up_to_the_first_that_runs() -> None:
    goes_on = threading.Event()
    with Background[int](9) as background:
        for number in range(3):
            background.call(int, number)
        background._pool.submit(int).result()
        background.call(lambda: int(goes_on.wait(WAIT_S)))
        background.call(int, 7)
        assert background.take_done() == [0, 1, 2]
        assert background.take_done() == []
        goes_on.set()
        assert background.finish() == [1, 7]
        background.call(int, "no number")
        background._pool.submit(int).result()
        with pytest.raises(ValueError, match="no number"):
            background.take_done()
        assert background.take_done() == []


def test_the_end_of_the_context_raises_an_error_that_nobody_saw() -> None:
    with pytest.raises(OSError, match="disk full"), Background[None](4) as background:
        background.call(fail)


def test_another_error_goes_first_and_all_calls_are_over() -> None:
    made: list[int] = []

    def slow() -> None:
        time.sleep(0.05)
        made.append(1)

    def work() -> None:
        with Background[None](4) as background:
            background.call(slow)
            background.call(fail)
            raise ValueError("first")

    with pytest.raises(ValueError, match="first"):
        work()
    assert made == [1]
