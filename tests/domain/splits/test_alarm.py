from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_settings import shipped

from vigil.domain.clips.windows import MIXED
from vigil.domain.sides import SIDES, TEST, TRAIN, VAL
from vigil.domain.splits import alarm
from vigil.domain.splits.alarm import count_clips
from vigil.plumbing.errors import FieldError, InputError
from vigil.settings.split import Split

FRACTIONS = {"val_fraction": 0.25, "test_fraction": 0.2, "anomalous_val_fraction": 0.0}


def assign_clips(table: pd.DataFrame, sides: Mapping[str, str] | None = None, **told: Any):
    return alarm.assign_clips(table, shipped(Split, **told), sides or {})


def clips(sizes: dict[str, list[int]], anomalous: tuple[str, ...] = ("run",)) -> pd.DataFrame:
    """A class's list holds the number of clips of each of its sources."""
    rows = [
        {
            "clip": f"{name}/{source}_{clip}",
            "video": f"{name}/{source}_{clip}",
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


def windows(**kinds: list[str]) -> pd.DataFrame:
    """Windows of long videos, by the classes of each."""
    rows = [
        (f"{video}@{at}", video, kind, kind != "normal", video, f"{video}{at}")
        for video, own in kinds.items()
        for at, kind in enumerate(own)
    ]
    columns = ["clip", "video", "class", "is_anomalous", "source", "digest"]
    return pd.DataFrame(rows, columns=columns).set_index("clip")


@pytest.mark.parametrize("seed", range(6))
def test_windows_that_count_as_neither_make_no_side_that_can_be_measured(seed: int) -> None:
    normal = {f"n{at}": ["normal"] * 4 for at in range(5)}
    table = windows(**normal, a=["normal", MIXED, "cart"], b=["normal", MIXED, MIXED, MIXED])
    sides = assign_clips(table, seed=seed, **FRACTIONS)
    assert set(sides[table["video"].isin(["a", "b"])]) == {"test"}
    two = windows(**normal, a=["cart", MIXED], b=[MIXED] * 9, c=["cart"], d=["normal", MIXED])
    told = {**FRACTIONS, "anomalous_val_fraction": 0.5}
    sides = assign_clips(two, seed=seed, **told)
    assert sides.groupby(two["video"]).nunique().max() == 1
    assert sorted(sides[two["class"] == "cart"]) == ["test", "val"]
    assert "train" not in set(sides[two["class"] == MIXED])
    # Each class has one source, and the windows that are mixed are the most.
    others = windows(**normal, a=["cart"], c=["bike"], b=[MIXED] * 3)
    sides = assign_clips(others, seed=seed, **told)
    assert sorted(sides[others["class"].isin(["cart", "bike"])]) == ["test", "val"]


def test_a_test_side_of_such_windows_alone_is_refused() -> None:
    normal = {f"n{at}": ["normal"] * 4 for at in range(5)}
    table = windows(**normal, b=["normal", MIXED])
    with pytest.raises(InputError, match="expected anomalous clips in test, found none for test"):
        assign_clips(table, **FRACTIONS)
    table = windows(**normal, a=["cart"], b=["normal", MIXED], v=["normal"])
    given = {"b": "test", "v": "val", "n0": "train", "a": "val"}
    given |= {f"n{at}": "train" for at in range(1, 5)}
    with pytest.raises(InputError, match="expected anomalous clips in test, found none for test"):
        assign_clips(table, given, **FRACTIONS)


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


class TestGiven:
    TABLE = clips({"a": [1] * 12, "b": [2] * 6, "run": [1] * 6})

    def test_given_clips_stay_where_they_are(self) -> None:
        table = clips({"a": [1] * 12, "run": [1] * 6})
        told = {
            name: TEST if name.startswith("run") else SIDES[number % 3]
            for number, name in enumerate(table.index)
        }
        for seed in range(3):
            assert assign_clips(table, told, seed=seed, **FRACTIONS).to_dict() == told
        short = {name.removeprefix("run/"): side for name, side in told.items()}
        with pytest.raises(
            FieldError, match="'0_0': expected a name of the data, got a name that fits"
        ):
            assign_clips(table, short, **FRACTIONS)

    @pytest.mark.parametrize("missing", [(VAL,), (TEST,), (VAL, TEST)])
    @pytest.mark.parametrize("seed", range(3))
    def test_a_missing_side_is_drawn_out_of_the_training_side_alone(self, missing, seed) -> None:
        runs = [name for name in self.TABLE.index if name.startswith("run")]
        held = {VAL: ["a/0_0", "b/0_0", "b/0_1"], TEST: ["a/1_0", "a/2_0", *runs]}
        told = {name: side for side in held if side not in missing for name in held[side]}
        sides = assign_clips(self.TABLE, told, seed=seed, **FRACTIONS)
        assert all(sides[name] == side for name, side in told.items())
        rest = sides[~sides.index.isin(list(told)) & ~self.TABLE["is_anomalous"]]
        assert set(rest) == {TRAIN, *missing}
        assert set(sides[self.TABLE["is_anomalous"]]) == {TEST}
        assert sides.groupby(self.TABLE["source"]).nunique().max() == 1

    def test_a_given_test_does_not_grow(self) -> None:
        """Anomalous clips without a side cannot be trained on, so they have no place."""
        told = {"a/1_0": TEST, "run/0_0": TEST}
        with pytest.raises(FieldError, match=r"for each anomalous clip.* none for run/1_0, run/2"):
            assign_clips(self.TABLE, told, **FRACTIONS)
        told |= {"a/0_0": VAL}
        with pytest.raises(FieldError, match=r"only allowed clips for training, .* run/1_0, run/2"):
            assign_clips(self.TABLE, told, **FRACTIONS)

    def test_beside_a_given_training_side_all_others_are_the_test(self) -> None:
        told = {f"a/{number}_0": TRAIN for number in range(8)}
        sides = assign_clips(self.TABLE, told, **FRACTIONS)
        assert set(sides[list(told)]) == {TRAIN, VAL}
        assert set(sides.drop(list(told))) == {TEST}

    def test_windows_of_a_given_video_go_with_it(self) -> None:
        """Clips are windows of long videos; a video has normal and anomalous windows."""
        rows = [
            {
                "clip": f"{video}.avi@{start}",
                "video": f"{video}.avi",
                "class": "anomalous" if video >= 6 and start % 2 else "normal",
                "is_anomalous": bool(video >= 6 and start % 2),
                "source": f"{video}.avi",
                "digest": str(video),
            }
            for video in range(9)
            for start in range(5)
        ]
        table = pd.DataFrame(rows).set_index("clip")
        sides = assign_clips(table, {"6": TEST, "7": TEST, "8": TEST}, **FRACTIONS)
        by_video = {str(video): set(own) for video, own in sides.groupby(table["video"])}
        assert all(by_video[f"{video}.avi"] == {TEST} for video in (6, 7, 8))
        drawn = [by_video[f"{video}.avi"] for video in range(6)]
        assert all(len(own) == 1 for own in drawn)
        assert set.union(*drawn) == {TRAIN, VAL}

    def test_nothing_learns_from_anomalies_though_someone_says_so(self) -> None:
        told = dict.fromkeys(self.TABLE.index, TRAIN)
        told |= {"a/0_0": VAL, "a/1_0": TEST, "run/0_0": TEST, "run/1_0": TEST}
        with pytest.raises(FieldError, match=r"^given.*: expected only allowed clips .* run/2_0, "):
            assign_clips(self.TABLE, told, **FRACTIONS)

    def test_an_anomaly_given_for_training_is_refused_where_the_test_is_open_too(self) -> None:
        for told in ({"run/1_0": TRAIN}, {"run/1_0": TRAIN, "a/0_0": VAL}):
            with pytest.raises(FieldError, match=r"^given.*: expected only allowed .* run/1_0$"):
                assign_clips(self.TABLE, told, **FRACTIONS)

    def test_the_parts_of_a_source_are_on_one_side_though_someone_says_otherwise(self) -> None:
        runs = dict.fromkeys(self.TABLE.index[self.TABLE["is_anomalous"]], TEST)
        half = {"b/0_0": TEST} | runs  # no clip of the other half is drawn for test
        others = dict.fromkeys(self.TABLE.index[~self.TABLE["is_anomalous"]], TRAIN) | runs
        for told in (half, others | half | {"b/0_1": VAL}):
            with pytest.raises(InputError, match=r"expected the clips of a source .* b0 in "):
                assign_clips(self.TABLE, told, **FRACTIONS)
        told = half | {"b/0_1": TEST}
        assert set(assign_clips(self.TABLE, told, **FRACTIONS)) == set(SIDES)

    @pytest.mark.parametrize(
        ("told", "expected"),
        [
            ({"c/0_0": TEST}, "'c/0_0': expected a name of the data"),
            (
                {"a/0_0": TEST, "a/1_0": VAL, "a/2_0": TRAIN},
                "expected a side for each name, found none",
            ),
        ],
    )
    def test_what_is_wrong_is_said(self, told: dict[str, str], expected: str) -> None:
        with pytest.raises(FieldError, match=f"^given.*: {expected}"):
            assign_clips(self.TABLE, told, **FRACTIONS)

    @pytest.mark.parametrize("name", ["a/0_0", "run/0_0"])
    def test_a_test_of_one_kind_alone_is_refused(self, name: str) -> None:
        is_anomalous = self.TABLE["is_anomalous"]
        told = dict.fromkeys(self.TABLE.index[~is_anomalous], TRAIN) | {"a/1_0": VAL}
        told |= dict.fromkeys(self.TABLE.index[is_anomalous], VAL)
        with pytest.raises(InputError, match=r"expected (allowed|anomalous) clips in .* for test"):
            assign_clips(self.TABLE, told | {name: TEST}, **FRACTIONS)
