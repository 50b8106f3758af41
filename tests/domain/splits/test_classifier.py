"""Tries to find content of one side on another side."""

import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from tiny_settings import shipped

from vigil.domain.sides import SIDES, TEST, TRAIN, VAL, read_side, write_sides
from vigil.domain.splits.classifier import (
    DROPPED_GAP,
    DROPPED_TRACK,
    assign_samples,
    assign_videos,
    count_by_side,
)
from vigil.plumbing.errors import FieldError, InputError
from vigil.settings.split import Split

LABELS = ("background", "person")


def index_of(rows: list[tuple[str, str, str, int, int]]) -> pd.DataFrame:
    """Rows of video, track, label, first frame, number of frames."""
    columns = ["video", "track", "label", "first_frame", "num_frames"]
    table = pd.DataFrame(rows, columns=columns)
    return table.set_index(pd.Index([f"s{n}" for n in range(len(rows))]))


def long_videos(num_videos: int, num_frames: int = 300) -> pd.DataFrame:
    """Videos in which a person, for ten samples, and background begin each second."""
    rows = []
    for video in range(num_videos):
        for first in range(0, num_frames, 10):
            rows.append((f"v{video}", f"t{first // 30}", "person", first, 10))
            rows.append((f"v{video}", "", "background", first, 10))
    return index_of(rows)


def assign(
    index: pd.DataFrame, sides: Mapping[str, str] | None = None, **options: Any
) -> "pd.Series[str]":
    options = {
        "seed": 0,
        "val_fraction": 0.25,
        "test_fraction": 0.2,
        "test_videos": (),
        "gap_frames": 10,
        **options,
    }
    return assign_samples(index, shipped(Split, **options), sides or {})


def assert_apart(index: pd.DataFrame, sides: "pd.Series[str]", gap_frames: int) -> None:
    """The oracle: every pair of samples, one by one."""
    assert sides.index.tolist() == index.index.tolist()
    assert set(sides) <= {*SIDES, DROPPED_GAP, DROPPED_TRACK}
    rows = list(zip(index.itertuples(index=False), sides, strict=True))
    for number, (a, side_a) in enumerate(rows):
        for b, side_b in rows[:number]:
            if a.video != b.video or side_a == side_b or not {side_a, side_b} <= set(SIDES):
                continue
            assert a.track == "" or a.track != b.track, "a track on two sides"
            between = max(
                a.first_frame - (b.first_frame + b.num_frames),
                b.first_frame - (a.first_frame + a.num_frames),
            )
            assert between >= gap_frames, "neighbours on two sides"


@st.composite
def indices(draw: st.DrawFn) -> pd.DataFrame:
    rows = []
    num_frames = draw(st.integers(1, 12))
    for video in range(draw(st.integers(1, 4))):
        for _ in range(draw(st.integers(8, 30))):
            label = draw(st.sampled_from(LABELS))
            track = f"t{draw(st.integers(0, 15))}" if label == "person" else ""
            rows.append((f"v{video}", track, label, draw(st.integers(0, 200)), num_frames))
    return index_of(rows)


@st.composite
def options(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "seed": draw(st.integers(0, 3)),
        "val_fraction": draw(st.sampled_from([0.2, 0.3, 0.5, 0.8])),
        "test_fraction": draw(st.sampled_from([0.2, 0.3, 0.5, 0.8])),
        "test_videos": draw(st.sampled_from([(), ("v0",)])),
        "gap_frames": draw(st.sampled_from([0, 1, 10, 30])),
    }


@settings(max_examples=60)
@given(indices(), options())
def test_no_track_and_no_neighbours_on_two_sides(
    index: pd.DataFrame, given_options: dict[str, Any]
) -> None:
    try:
        sides = assign(index, **given_options)
    except InputError as error:
        event("refused")
        message = str(error)
        assert message.startswith(("expected samples of each class in ", "test_videos: expected "))
        return
    event("assigned")
    assert_apart(index, sides, given_options["gap_frames"])
    for side in SIDES:
        assert set(index.loc[sides == side, "label"]) == set(index["label"])
    for video in given_options["test_videos"]:
        assert set(sides[index["video"] == video]) == {TEST}


@settings(max_examples=25)
@given(st.integers(1, 12), options(), st.integers(0, 2**31))
def test_long_videos_always_split(
    num_videos: int, given_options: dict[str, Any], seed: int
) -> None:
    if num_videos == 1:
        given_options["test_videos"] = ()
    given_options.update(gap_frames=10, seed=seed, val_fraction=0.3, test_fraction=0.3)
    index = long_videos(num_videos, num_frames=600)
    sides = assign(index, **given_options)
    for side in SIDES:
        assert set(index.loc[sides == side, "label"]) == set(LABELS)
    if num_videos <= 3:
        assert_apart(index, sides, 10)


def test_the_same_seed_gives_the_same_and_another_seed_another() -> None:
    index = long_videos(8)
    first = assign(index, seed=5)
    assert first.equals(assign(index, seed=5))
    assert any(not first.equals(assign(index, seed=seed)) for seed in range(6, 10))


def test_the_order_of_samples_does_not_matter() -> None:
    index = long_videos(3)
    shuffled = index.sample(frac=1, random_state=1)
    assert assign(shuffled).reindex(index.index).equals(assign(index))


def sides_by_video(index: pd.DataFrame, sides: "pd.Series[str]") -> dict[str, set[str]]:
    return {str(video): set(own) for video, own in sides.groupby(index["video"])}


def test_whole_videos_where_there_are_enough() -> None:
    index = long_videos(10)
    by_video = sides_by_video(index, assign(index, val_fraction=0.25, test_fraction=0.2))
    assert all(len(own) == 1 for own in by_video.values())
    found = sorted(side for own in by_video.values() for side in own)
    assert found == [TEST] * 2 + [TRAIN] * 6 + [VAL] * 2


def test_named_test_videos_only_test_and_no_other_does() -> None:
    index = long_videos(10)
    by_video = sides_by_video(index, assign(index, test_videos=("v3", "v7")))
    assert {video for video, own in by_video.items() if TEST in own} == {"v3", "v7"}
    assert by_video["v3"] == by_video["v7"] == {TEST}


def test_one_video_is_cut_in_blocks_of_time() -> None:
    index = long_videos(1, num_frames=1000)
    sides = assign(index, val_fraction=0.25, test_fraction=0.2, gap_frames=10)
    assert_apart(index, sides, 10)
    spans = {
        side: (
            index.loc[sides == side, "first_frame"].min(),
            index.loc[sides == side, "first_frame"].max() + 10,
        )
        for side in SIDES
    }
    ordered = sorted(spans.values())
    assert all(before[1] <= after[0] for before, after in pairwise(ordered))
    shares = sides.value_counts(normalize=True)
    assert shares[TRAIN] == pytest.approx(0.6, abs=0.1)
    assert shares[VAL] == pytest.approx(0.2, abs=0.1)
    assert shares[TEST] == pytest.approx(0.2, abs=0.1)
    assert (sides.isin(SIDES)).mean() > 0.8


@pytest.mark.parametrize("seed", range(4))
def test_the_test_has_its_share_of_time_where_whole_videos_validate(seed: int) -> None:
    # A quarter of four videos is one of them, and a tenth of four is none.
    index = long_videos(4, num_frames=1000)
    sides = assign(index, val_fraction=0.25, test_fraction=0.1, gap_frames=0, seed=seed)
    by_video = sides_by_video(index, sides)
    assert [own for own in by_video.values() if VAL in own] == [{VAL}]
    cut = sides[sides.isin([TRAIN, TEST])]
    assert (cut == TEST).mean() == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize("gap_frames", [0, 1, 37])
def test_overlapping_samples_lie_a_gap_apart(gap_frames: int) -> None:
    rows = [
        ("v0", name, label, first, 10)
        for first in range(300)
        for name, label in ((f"t{first}", "person"), ("", "background"))
    ]
    index = index_of(rows)
    sides = assign(index, gap_frames=gap_frames)
    assert_apart(index, sides, gap_frames)
    dropped = index.loc[sides == DROPPED_GAP, "first_frame"].nunique()
    assert dropped == 2 * (gap_frames + 9)  # two gaps, and samples that overlap them


def test_a_track_through_the_whole_video_stays_on_one_side() -> None:
    rows = [("v0", "long", "person", first, 10) for first in range(0, 600, 10)]
    rows += [("v0", f"t{first}", "person", first, 10) for first in range(0, 600, 10)]
    rows += [("v0", "", "background", first, 10) for first in range(0, 600, 10)]
    index = index_of(rows)
    sides = assign(index)
    long = sides[(index["track"] == "long").to_numpy()]
    assert len(set(long) & set(SIDES)) == 1
    assert DROPPED_TRACK in set(long)
    assert_apart(index, sides, 10)


def test_tracks_of_one_id_in_two_videos_are_two_tracks() -> None:
    index = long_videos(10)
    assert DROPPED_TRACK not in set(assign(index))


class TestRefused:
    def test_unknown_test_videos(self) -> None:
        with pytest.raises(FieldError, match=r"^test_videos: .*\(v0, v1\), got v9$"):
            assign(long_videos(2), test_videos=("v1", "v9"))

    def test_all_videos_for_testing(self) -> None:
        told = "^test_videos: expected to leave a video to train on, got all$"
        with pytest.raises(FieldError, match=told):
            assign(long_videos(2), test_videos=("v0", "v1"))

    def test_a_side_without_a_label(self) -> None:
        rows = [("v0", "a", "person", 0, 10)]
        rows += [("v0", "", "background", first, 10) for first in range(0, 600, 10)]
        with pytest.raises(InputError, match="found no person"):
            assign(index_of(rows))

    def test_a_gap_longer_than_the_video(self) -> None:
        with pytest.raises(InputError, match="a shorter gap"):
            assign(long_videos(1), gap_frames=1000)

    def test_one_sample(self) -> None:
        with pytest.raises(InputError, match="1 samples of 1 videos"):
            assign(index_of([("v0", "a", "person", 0, 10)]))

    def test_no_samples(self) -> None:
        index = long_videos(1).iloc[:0]
        with pytest.raises(InputError, match=r"^expected samples to split, found none$"):
            assign(index)


def test_counts_are_those_of_sides_and_labels() -> None:
    index = long_videos(2)
    sides = assign(index)
    counts = count_by_side(index, sides)
    expected: dict[str, dict[str, int]] = {}
    for side, label in zip(sides, index["label"], strict=True):
        by_label = expected.setdefault(side, {})
        by_label[label] = by_label.get(label, 0) + 1
    assert counts == expected
    json.dumps(counts)


def test_sides_are_lists_of_ids_on_disk(tmp_path: Path) -> None:
    index = long_videos(2)
    sides = assign(index)
    write_sides(sides, tmp_path / "sides")
    assert sorted(file.name for file in (tmp_path / "sides").iterdir()) == [
        "test.json",
        "train.json",
        "val.json",
    ]
    for side in SIDES:
        expected = [name for name, own in sides.items() if own == side]
        assert read_side(tmp_path / "sides" / f"{side}.json") == expected


@pytest.mark.parametrize("content", [{}, [1, 2], "a", None, ["a", None]])
def test_a_list_that_is_none_is_refused(tmp_path: Path, content: Any) -> None:
    file = tmp_path / "train.json"
    file.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"train\.json: expected a list of sample ids"):
        read_side(file)


def test_numpy_integers_do_not_reach_the_file(tmp_path: Path) -> None:
    sides = pd.Series([TRAIN, VAL, TEST], index=np.array(["a", "b", "c"], dtype=object))
    write_sides(sides, tmp_path / "sides")
    assert read_side(tmp_path / "sides" / "val.json") == ["b"]


class TestGiven:
    def test_given_videos_stay_where_they_are_and_nothing_is_drawn(self) -> None:
        index = long_videos(6)
        told = dict(zip(("v0", "v1", "v2", "v3", "v4", "v5"), SIDES * 2, strict=True))
        for seed in range(3):
            sides = assign(index, told, seed=seed)
            assert sides_by_video(index, sides) == {name: {side} for name, side in told.items()}

    def test_names_without_endings_are_those_of_the_videos(self) -> None:
        index = long_videos(3)
        index["video"] = index["video"] + ".mp4"
        told = {"v0": TEST, "v1": VAL, "v2": TRAIN}
        assert sides_by_video(index, assign(index, told)) == {
            "v0.mp4": {TEST},
            "v1.mp4": {VAL},
            "v2.mp4": {TRAIN},
        }

    @pytest.mark.parametrize("missing", [(VAL,), (TEST,), (VAL, TEST)])
    @pytest.mark.parametrize("num_videos", [2, 3, 12])
    def test_a_missing_side_is_drawn_out_of_the_training_side_alone(
        self, missing: tuple[str, ...], num_videos: int
    ) -> None:
        index = long_videos(num_videos, num_frames=600)
        names = sorted(set(index["video"]))
        told: dict[str, str] = {}  # videos without a given side are for training
        if held := {VAL, TEST} - set(missing):
            told = {names[0]: held.pop()}
        for seed in range(5):
            sides = assign(index, told, seed=seed)
            if num_videos < 12:
                assert_apart(index, sides, 10)
            for name, own in sides_by_video(index, sides).items():
                if told.get(name, TRAIN) != TRAIN:
                    assert own == {told[name]}
                else:
                    assert own <= {TRAIN, *missing, DROPPED_GAP, DROPPED_TRACK}
            assert set(SIDES) <= set(sides)

    @pytest.mark.parametrize("seed", range(4))
    def test_one_training_video_is_cut_for_the_side_that_is_missing_by_its_share(
        self, seed: int
    ) -> None:
        index = long_videos(2, num_frames=2000)
        fractions = {"val_fraction": 0.4, "test_fraction": 0.2}
        for given_side, drawn, share in ((VAL, TEST, 0.2), (TEST, VAL, 0.4)):
            sides = assign(index, {"v0": given_side}, seed=seed, **fractions)
            assert set(sides[index["video"] == "v0"]) == {given_side}
            shares = sides[index["video"] == "v1"].value_counts(normalize=True)
            assert shares[drawn] == pytest.approx(share, abs=0.05)
            assert shares[TRAIN] == pytest.approx(1 - share, abs=0.05)

    def test_beside_a_given_training_side_all_others_are_the_test(self) -> None:
        index = long_videos(10)
        told = {f"v{number}": TRAIN for number in range(6)}
        by_video = sides_by_video(index, assign(index, told))
        assert all(by_video[f"v{number}"] == {TEST} for number in range(6, 10))
        assert set.union(*(by_video[name] for name in told)) == {TRAIN, VAL}
        assert assign(index, {}).equals(assign(index))

    def test_test_videos_and_a_given_test_contradict_each_other(self) -> None:
        index = long_videos(4)
        with pytest.raises(
            FieldError, match=r"^test_videos: expected none, as given.classifier names the test"
        ):
            assign(index, {"v0": TEST}, test_videos=("v1",))
        sides = assign(index, {"v0": VAL}, test_videos=("v1",))
        assert sides_by_video(index, sides)["v1"] == {TEST}
        everything = {f"v{number}": TRAIN for number in range(4)}
        for told in ({"v0": VAL}, everything):
            with pytest.raises(
                FieldError, match=r"^test_videos: .* without a side in given.* got v0$"
            ):
                assign(index, told, test_videos=("v0",))

    def test_a_video_on_no_side_where_all_are_given(self) -> None:
        told = {"v0": TEST, "v1": VAL, "v2": TRAIN}
        with pytest.raises(FieldError, match=r"^given.*: expected a side for .* none for v3$"):
            assign(long_videos(4), told)

    def test_an_unknown_video(self) -> None:
        with pytest.raises(FieldError, match=r"^given.*: 'v9': expected a name of the data"):
            assign(long_videos(4), {"v9": TEST})

    def test_no_video_is_left_to_train_on(self) -> None:
        with pytest.raises(InputError, match="expected samples of each class in train, found no"):
            assign(long_videos(2), {"v0": TEST, "v1": TEST})

    def test_a_given_side_without_a_label_is_refused(self) -> None:
        index = long_videos(4)
        index = index[(index["video"] != "v0") | (index["label"] == "person")]
        with pytest.raises(InputError, match="each class in test, found no background"):
            assign(index, {"v0": TEST})


@settings(max_examples=60)
@given(
    indices(),
    options(),
    st.dictionaries(st.sampled_from(["v0", "v1", "v2"]), st.sampled_from(SIDES)),
)
def test_nothing_leaks_whatever_is_given(
    index: pd.DataFrame, given_options: dict[str, Any], told: dict[str, str]
) -> None:
    given_options["test_videos"] = ()
    presence = pd.get_dummies(index["label"])
    try:
        sides = assign_videos(index, presence, shipped(Split, **given_options), told)
    except FieldError:
        event("refused")
        assert set(told) - set(index["video"]) or {VAL, TEST} <= set(told.values())
        return
    event("assigned")
    assert_apart(index, sides, given_options["gap_frames"])
    fixed = set(told.values()) - {TRAIN}
    for video, own in sides_by_video(index, sides).items():
        side = told.get(video, TRAIN)
        assert own == {side} if side != TRAIN else not own & fixed
