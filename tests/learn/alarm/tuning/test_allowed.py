"""The halves of sources, and the parts of videos that are changed."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigil.learn.alarm.tuning.allowed import LONGEST_S, halve, parts_of, windows_in
from vigil.pixels.windows import Window

INF = float("inf")


@given(
    classes=st.lists(st.sampled_from("abc"), min_size=4, max_size=14),
    counts=st.lists(st.integers(1, 5), min_size=14, max_size=14),
    seed=st.integers(0, 5),
)
def test_halves_are_even_in_every_class(classes: list[str], counts: list[int], seed: int):
    rows = [
        (f"{number}/{clip}", name, f"s{number}")
        for number, name in enumerate(classes)
        for clip in range(counts[number])
    ]
    table = pd.DataFrame(rows, columns=["clip", "class", "source"])
    halves = halve(table, seed)
    assert halves == halve(table.sample(frac=1, random_state=1), seed)
    assert set(halves) == set(table["source"])
    sizes = np.bincount(list(halves.values()), minlength=2)
    assert sizes.min() >= 2
    assert abs(sizes[0] - sizes[1]) <= 1
    for name in set(classes):
        own = [halves[f"s{number}"] for number, one in enumerate(classes) if one == name]
        assert abs(own.count(0) - own.count(1)) <= 1


def table_of(rows: list[tuple[str, str, float, float]], source: str = "s") -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["video", "clip", "start_s", "stop_s"])
    return table.assign(source=source, digest="d")


def test_a_clip_is_one_part_with_its_windows():
    table = table_of([("v", "v", 0.0, 1.5), ("v", "v", 1.5, 3.0), ("w", "w", 0.0, INF)])
    first, second = parts_of(table)
    assert (first.video, first.window) == ("v", Window(0.0, 3.0))
    assert (second.video, second.window) == ("w", Window(0.0, LONGEST_S))
    assert windows_in(first, table)[["start_s", "stop_s"]].to_numpy().tolist() == [
        [0, 1.5],
        [1.5, 3],
    ]
    assert windows_in(second, table)[["start_s", "stop_s"]].to_numpy().tolist() == [[0, INF]]


def test_parts_of_a_long_video_do_not_overlap_and_keep_their_place():
    rows = [("v", f"v@{start}", start, start + 2.0) for start in np.arange(0, 6, 0.5)]
    table = table_of(rows)
    parts = parts_of(table)
    assert [part.window for part in parts] == [Window(0, 2), Window(2, 4), Window(4, 6)]
    own = windows_in(parts[1], table)
    assert own[["clip", "start_s", "stop_s"]].to_numpy().tolist() == [["v@2.0", 0.0, 2.0]]


def test_at_most_so_many_parts_of_a_source_spread_evenly():
    table = pd.concat(
        [
            table_of([(f"a{n}", f"a{n}", 0.0, INF) for n in range(9)], "a"),
            table_of([("b0", "b0", 0.0, INF)], "b"),
        ]
    )
    assert [part.video for part in parts_of(table, 3)] == ["a0", "a4", "a8", "b0"]


def test_of_a_long_clip_only_the_windows_within_the_part_are_measured():
    table = table_of([("v", "v", 0.0, 6.0), ("v", "v", 6.0, 12.0)])
    (part,) = parts_of(table)
    assert part.window.stop_s == pytest.approx(LONGEST_S)
    assert windows_in(part, table)["stop_s"].tolist() == [6.0]
    longer = table_of([("v", "v", 0.0, 40.0), ("v", "v", 40.0, 80.0)])
    assert windows_in(parts_of(longer)[0], longer)["stop_s"].tolist() == [INF]
