"""Lists of hard examples, and how often an epoch has them."""

from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigil.domain.hard_examples import (
    TYPES,
    read_hard_examples,
    repeated_positions,
    write_hard_examples,
)
from vigil.plumbing.errors import InputError
from vigil.settings.training import HardExamples

SHIPPED = Path(__file__).parents[2] / "splits" / "no_hard_examples.csv"
IDS = [f"a.mp4/{number}" for number in range(10)]


def settings(repeat: int, fraction: float = 1.0) -> HardExamples:
    return HardExamples(path="hard.csv", repeat=repeat, fraction=fraction)


def test_a_list_is_read_as_it_was_written_each_name_once(tmp_path: Path) -> None:
    rows = [("b", "miss", 0.1), ("a", "false_alarm", 0.9), ("b", "false_alarm", 0.8)]
    write_hard_examples(pd.DataFrame(rows, columns=list(TYPES)), tmp_path / "hard.csv")
    assert read_hard_examples(tmp_path / "hard.csv") == ("b", "a")
    assert read_hard_examples(SHIPPED) == ()


def test_what_is_no_list_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "hard.csv"
    with pytest.raises(InputError, match=r"hard\.csv"):
        read_hard_examples(file)
    file.write_text("name,kind,score\na,odd,0.5\n")
    with pytest.raises(InputError, match="expected the kinds false_alarm and miss"):
        read_hard_examples(file)


def test_a_name_that_is_not_on_the_training_side_is_refused() -> None:
    with pytest.raises(InputError, match=r"of the training side, got 'test\.mp4/0' \(1 of 2"):
        repeated_positions(IDS, ["a.mp4/1", "test.mp4/0"], settings(2))
    assert repeated_positions(IDS, ["test.mp4/0"], settings(1)) == [], "nothing is repeated"


@given(
    st.lists(st.sampled_from(IDS), unique=True),
    st.integers(1, 5),
    st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0]),
)
def test_no_more_than_the_fraction_is_repeated_and_the_hardest_first(
    hard: list[str], repeat: int, fraction: float
) -> None:
    found = repeated_positions(IDS, hard, settings(repeat, fraction))
    wanted = (repeat - 1) * len(hard)
    assert len(found) <= fraction * (len(IDS) + len(found)) + 1e-9
    if len(found) < wanted and fraction < 1:  # one more would be too many
        assert len(found) + 1 > fraction * (len(IDS) + len(found) + 1) - 1e-9
    counts = Counter(found)
    numbers = [counts[IDS.index(name)] for name in hard]
    assert numbers == sorted(numbers, reverse=True)
    assert not numbers or max(numbers) - min(numbers) <= 1
    assert sum(numbers) == len(found)
