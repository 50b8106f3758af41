import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigil.domain.splits.alarm import assign_clips, count_clips
from vigil.plumbing.errors import InputError

FRACTIONS = {"val_fraction": 0.25, "test_fraction": 0.2, "anomalous_val_fraction": 0.0}


def clips(sizes: dict[str, list[int]], anomalous: tuple[str, ...] = ("run",)) -> pd.DataFrame:
    """A class's list holds the number of clips of each of its sources."""
    rows = [
        {
            "clip": f"{name}/{source}_{clip}",
            "class": name,
            "is_anomalous": name in anomalous,
            "source": f"{name}{source}",
            "digest": f"{name}{source}{clip}",
        }
        for name, sources in sizes.items()
        for source, number in enumerate(sources)
        for clip in range(number)
    ]
    return pd.DataFrame(rows).set_index("clip")


@given(
    sizes=st.lists(st.lists(st.integers(1, 5), min_size=3, max_size=12), min_size=1, max_size=4),
    seed=st.integers(0, 5),
    anomalous_val=st.sampled_from([0.0, 0.3, 0.5]),
)
def test_sources_stay_whole_and_nothing_learns_from_anomalies(sizes, seed, anomalous_val) -> None:
    table = clips({f"c{i}": own for i, own in enumerate(sizes)} | {"run": [2, 2, 1, 1]})
    told = {**FRACTIONS, "anomalous_val_fraction": anomalous_val}
    sides = assign_clips(table, seed=seed, **told)
    assert set(sides) == {"train", "val", "test"}
    assert sides.groupby(table["source"]).nunique().max() == 1
    anomalous = sides[table["is_anomalous"]]
    assert set(anomalous) == ({"val", "test"} if anomalous_val else {"test"})
    pd.testing.assert_series_equal(sides, assign_clips(table, seed=seed, **told))


@given(seed=st.integers(0, 20), anomalous_val=st.sampled_from([0.0, 0.4]))
def test_a_source_with_anomalous_clips_is_whole_and_never_trained_on(seed, anomalous_val) -> None:
    table = clips({"walk": [2] * 12, "run": [1] * 5})
    table["source"] = [name.split("/")[1].split("_")[0] for name in table.index]  # of any class
    sides = assign_clips(table, seed=seed, **{**FRACTIONS, "anomalous_val_fraction": anomalous_val})
    assert sides.groupby(table["source"]).nunique().max() == 1
    mixed = table["source"].isin(table.loc[table["is_anomalous"], "source"])
    assert mixed.sum() == 15
    assert not (sides[mixed] == "train").any()
    assert {"train", "val", "test"} == set(sides[~mixed])


@pytest.mark.parametrize("seed", range(5))
def test_each_class_gets_its_share(seed: int) -> None:
    table = clips({"a": [1] * 40, "b": [1] * 20, "c": [2] * 10, "run": [1] * 10})
    told = {**FRACTIONS, "anomalous_val_fraction": 0.3}
    counts = count_clips(table, assign_clips(table, seed=seed, **told))
    assert counts["train"] == {"a": 24, "b": 12, "c": 12}
    assert counts["val"] == {"a": 8, "b": 4, "c": 4, "run": 3}
    assert counts["test"] == {"a": 8, "b": 4, "c": 4, "run": 7}


@pytest.mark.parametrize("fractions", [(0.25, 0.2), (0.1, 0.4)])
def test_left_over_sources_of_small_classes_reach_all_sides(fractions) -> None:
    table = clips({name: [1, 1] for name in "abcdef"} | {"run": [1]})
    told = {**FRACTIONS, "val_fraction": fractions[0], "test_fraction": fractions[1]}
    for seed in range(5):
        counts = assign_clips(table, seed=seed, **told)[~table["is_anomalous"]].value_counts()
        assert counts["train"] >= 4
        assert counts["val"] >= 1
        assert counts["test"] >= 1


@given(sizes=st.lists(st.integers(1, 4), min_size=3, max_size=8), seed=st.integers(0, 5))
def test_three_sources_of_a_class_are_enough_for_three_sides(sizes, seed) -> None:
    table = clips({"a": sizes, "b": [1] * 9, "run": [1]})
    sides = assign_clips(table, seed=seed, **FRACTIONS)
    assert sides[table["class"] == "a"].nunique() == 3


def test_a_source_of_two_classes_stays_on_one_side() -> None:
    table = clips({"a": [1] * 6, "b": [1] * 6, "run": [1]})
    table["source"] = table["source"].str.removeprefix("b").str.removeprefix("a")
    for seed in range(5):
        sides = assign_clips(table, seed=seed, **FRACTIONS)
        assert sides.groupby([table["is_anomalous"], table["source"]]).nunique().max() == 1


def test_some_seed_gives_another_split() -> None:
    table = clips({"a": [1] * 9, "run": [1]})
    found = {tuple(assign_clips(table, seed=seed, **FRACTIONS)) for seed in range(6)}
    assert len(found) > 1


@pytest.mark.parametrize(
    ("first", "second"), [("a/0_0", "a/3_0"), ("a/0_0", "b/0_0"), ("a/0_0", "run/0_0")]
)
def test_the_same_clip_twice_is_refused(first: str, second: str) -> None:
    table = clips({"a": [1] * 5, "b": [1] * 5, "run": [1, 1]})
    table.loc[second, "digest"] = table.loc[first, "digest"]
    with pytest.raises(InputError, match=f"{first} and {second}: expected different clips"):
        assign_clips(table, seed=0, **FRACTIONS)


def test_the_same_clip_twice_in_one_source_harms_nothing() -> None:
    table = clips({"a": [2] * 5, "run": [1, 1]})
    table.loc["a/0_1", "digest"] = table.loc["a/0_0", "digest"]
    sides = assign_clips(table, seed=0, **FRACTIONS)
    assert sides["a/0_0"] == sides["a/0_1"]


@pytest.mark.parametrize("sizes", [{"a": [1]}, {"a": [9]}, {"a": [1, 1]}, {"a": [1], "b": [1]}])
def test_too_few_sources_are_refused(sizes: dict[str, list[int]]) -> None:
    with pytest.raises(InputError, match="expected allowed clips in train, val, test"):
        assign_clips(clips(sizes | {"run": [1]}), seed=0, **FRACTIONS)


def test_an_anomaly_must_be_left_for_the_test() -> None:
    told = {**FRACTIONS, "anomalous_val_fraction": 0.9}
    with pytest.raises(InputError, match="expected anomalous clips in val, test, found none"):
        assign_clips(clips({"a": [1] * 5, "run": [1]}), seed=0, **told)
    assert np.isin(
        ["val", "test"], assign_clips(clips({"a": [1] * 5, "run": [1, 1]}), seed=0, **told)
    ).all()
