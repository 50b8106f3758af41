"""Tries to find a picture, its copy or its neighbour on two sides."""

import itertools
import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from tiny_detections import detection_set
from tiny_settings import shipped

from vigil.domain.pictures.annotated import AnnotatedPictures
from vigil.domain.sides import SIDES, TEST, TRAIN, VAL
from vigil.domain.splits.classifier import DROPPED_GAP, assign_samples
from vigil.domain.splits.detector import (
    DROPPED_COPY,
    assign_pictures,
    class_presence,
    find_copies,
    tabulate_sides,
)
from vigil.plumbing.errors import FieldError, InputError
from vigil.settings.split import Split

LABELS = ("ant", "bee", "cow")


DEFAULTS = {
    "seed": 0,
    "val_fraction": 0.25,
    "test_fraction": 0.2,
    "test_videos": (),
    "gap_frames": 10,
}


def assign(
    detections: AnnotatedPictures, sides: Mapping[str, str] | None = None, **options: Any
) -> "pd.Series[str]":
    return assign_pictures(detections, shipped(Split, **{**DEFAULTS, **options}), sides or {})


def pictures(num_pictures: int, seed: int = 0) -> AnnotatedPictures:
    """Each picture shows random classes, the first class often and the last class rarely."""
    rng = np.random.default_rng(seed)
    names = [f"{number}.jpg" for number in range(num_pictures)]
    shown = rng.random((num_pictures, 3)) < [0.7, 0.3, 0.1]
    boxes = [(names[i], LABELS[c]) for i, c in np.argwhere(shown) for _ in range(1 + i % 3)]
    return detection_set([{"file_name": name} for name in names], boxes, *LABELS)


def frames(*lengths: int, stride: int = 1) -> AnnotatedPictures:
    names, boxes = [], []
    for video, length in enumerate(lengths):
        for index in range(0, length, stride):
            name = f"v{video}.zip/{index:06d}.jpg"
            names.append({"file_name": name, "video": f"v{video}", "frame_index": index})
            boxes.append((name, LABELS[index % 2]))
    return detection_set(names, boxes, *LABELS[:2])


def assert_apart(detections: AnnotatedPictures, sides: "pd.Series[str]", gap_frames: int) -> None:
    """The oracle: every pair of pictures, one by one."""
    assert sides.index.tolist() == detections.images.index.tolist()
    assert set(sides) <= {*SIDES, DROPPED_GAP, DROPPED_COPY}
    rows = [
        (image, side)
        for image, side in zip(detections.images.itertuples(), sides, strict=True)
        if side in SIDES
    ]
    for (a, side_a), (b, side_b) in itertools.combinations(rows, 2):
        if side_a == side_b:
            continue
        assert a.sha256 != b.sha256, "a copy on two sides"
        if a.video and a.video == b.video:
            assert abs(a.frame_index - b.frame_index) > gap_frames, "neighbours on two sides"
        if not a.video and not b.video:
            stems = {PurePosixPath(one.file_name).stem.lower() for one in (a, b)}
            assert len(stems) == 2, "a file name on two sides"


@st.composite
def sets(draw: st.DrawFn) -> AnnotatedPictures:
    """Pictures and frames with a few names and contents that recur."""
    images, boxes = [], []
    folders = st.sampled_from(["", "x/", "y/z/"])
    for _ in range(draw(st.sampled_from([0, 12, 40]))):
        stem = draw(st.integers(0, 60))
        ending = draw(st.sampled_from([".jpg", ".png", ".JPG"]))
        images.append({"file_name": f"{draw(folders)}{stem}{ending}"})
    for video in range(draw(st.integers(0 if images else 1, 3))):
        for index in range(0, draw(st.integers(3, 60)), draw(st.integers(1, 3))):
            name = f"v{video}.zip/{index}.jpg"
            images.append({"file_name": name, "video": f"v{video}", "frame_index": index})
    images = list({image["file_name"]: image for image in images}.values())
    num_contents = draw(st.sampled_from([5, 40, 10_000]))
    for image in images:
        image["sha256"] = str(draw(st.integers(0, num_contents)))
        for _ in range(draw(st.integers(0, 2))):
            boxes.append((image["file_name"], draw(st.sampled_from(LABELS))))
    return detection_set(images, boxes, *LABELS)


@settings(max_examples=40)
@given(
    sets(),
    st.integers(0, 5),
    st.sampled_from([0.2, 0.3, 0.5]),
    st.sampled_from([0.2, 0.4]),
    st.sampled_from([0, 1, 5]),
)
def test_no_copy_no_name_and_no_neighbour_on_two_sides(
    detections: AnnotatedPictures,
    seed: int,
    val_fraction: float,
    test_fraction: float,
    gap_frames: int,
) -> None:
    options = {
        "seed": seed,
        "val_fraction": val_fraction,
        "test_fraction": test_fraction,
        "gap_frames": gap_frames,
    }
    try:
        sides = assign(detections, **options)
    except InputError as error:
        event("refused")
        message = str(error)
        assert message.startswith("expected objects in ")
        return
    event("assigned")
    assert_apart(detections, sides, gap_frames)
    again = assign(detections, **options)
    assert sides.equals(again)
    presence = class_presence(detections)
    assert all(presence[sides == side].any(axis=None) for side in SIDES)


@pytest.mark.parametrize("seed", range(5))
def test_each_side_has_its_share_of_each_class(seed: int) -> None:
    detections = pictures(400, seed)
    sides = assign(detections, seed=seed)
    presence = class_presence(detections)
    wanted = {TRAIN: 0.6, VAL: 0.2, TEST: 0.2}
    for label in LABELS:
        shares = sides[presence[label]].value_counts(normalize=True)
        for side, share in wanted.items():
            assert shares[side] == pytest.approx(share, abs=1.5 / presence[label].sum() + 0.005)
    empty = sides[~presence.any(axis=1)].value_counts(normalize=True)
    assert empty[TRAIN] == pytest.approx(0.6, abs=0.03)


def test_a_rare_class_is_spread_before_the_common_ones() -> None:
    names = [{"file_name": f"{number}.jpg"} for number in range(300)]
    boxes = [(f"{number}.jpg", "ant") for number in range(300)]
    boxes += [(f"{number}.jpg", "cow") for number in range(5)]
    detections = detection_set(names, boxes, "ant", "cow")
    for seed in range(10):
        sides = assign(detections, seed=seed)[[f"{number}.jpg" for number in range(5)]]
        assert sides.value_counts().to_dict() == {TRAIN: 3, VAL: 1, TEST: 1}


def test_one_class_alone() -> None:
    names = [{"file_name": f"{number}.jpg"} for number in range(50)]
    detections = detection_set(names, [(one["file_name"], "ant") for one in names], "ant")
    assert assign(detections).value_counts().to_dict() == {TRAIN: 30, VAL: 10, TEST: 10}


def test_another_seed_gives_another_split() -> None:
    detections = pictures(60)
    first = assign(detections)
    assert any(not first.equals(assign(detections, seed=seed)) for seed in range(1, 5))


def test_what_is_to_be_ignored_is_no_object() -> None:
    detections = pictures(50)
    detections.boxes.loc[detections.boxes["label"] == "ant", "is_crowd"] = True
    detections.boxes.loc[detections.boxes["label"] == "bee", "is_difficult"] = True
    presence = class_presence(detections)
    assert presence.columns.tolist() == list(LABELS)
    assert not presence[["ant", "bee"]].any(axis=None)
    assert presence["cow"].any()
    detections.boxes["is_crowd"] = True
    with pytest.raises(InputError, match="expected objects in train, found none"):
        assign(detections)


class TestCopies:
    def groups(self, *images: tuple[str, str]) -> list[int]:
        names = [{"file_name": name, "sha256": digest} for name, digest in images]
        detections = detection_set(names, [], "ant")
        found = find_copies(detections.images)
        return [found[name] for name, _ in images]

    def test_bytes_and_names(self) -> None:
        a, b, c, d, e = self.groups(
            ("a.jpg", "1"), ("x/A.PNG", "2"), ("c.jpg", "2"), ("d.jpg", "3"), ("ab.jpg", "4")
        )
        assert a == b == c
        assert len({a, d, e}) == 3

    def test_a_name_and_bytes_of_one_text_are_two_things(self) -> None:
        a, b = self.groups(("7.jpg", "1"), ("8.jpg", "7"))
        assert a != b

    def test_a_long_chain(self) -> None:
        images = [(f"{n // 2}.{n % 2}", str((n + 1) // 2)) for n in range(3000)]
        images = [
            (f"{n}/{name.split('.')[0]}.jpg", digest) for n, (name, digest) in enumerate(images)
        ]
        assert len(set(self.groups(*images))) == 1


class TestFrames:
    def test_whole_videos_as_for_the_classifier(self) -> None:
        detections = frames(*[60] * 10)
        sides = assign(detections)
        images = detections.images
        index = images.assign(
            track="", first_frame=images["frame_index"], num_frames=1, label="ant"
        )
        assert sides.equals(assign_samples(index, shipped(Split, **DEFAULTS)))
        assert all(own.nunique() == 1 for _, own in sides.groupby(images["video"]))

    def test_named_videos_only_test(self) -> None:
        detections = frames(60, 60, 60)
        sides = assign(detections, test_videos=("v1",))
        assert set(sides[detections.images["video"] == "v1"]) == {TEST}
        assert TEST not in set(sides[detections.images["video"] != "v1"])

    def test_one_video_is_cut_in_blocks_with_a_gap(self) -> None:
        detections = frames(600, stride=5)
        sides = assign(detections, gap_frames=20)
        assert_apart(detections, sides, 20)
        assert (sides == DROPPED_GAP).sum() <= 2 * (20 / 5 + 1)

    def test_test_videos_mean_nothing_to_pictures(self) -> None:
        assert assign(pictures(50), test_videos=("v1",)).equals(assign(pictures(50)))
        with pytest.raises(FieldError, match=r"^test_videos: "):
            assign(frames(60, 60), test_videos=("v9",))

    def test_copied_frames_go_from_the_side_that_learns(self) -> None:
        detections = frames(60, 60, 60)
        images = detections.images
        images["sha256"] = images["frame_index"].astype(str)
        images.loc[images["frame_index"] >= 10, "sha256"] = images["file_name"]
        sides = assign(detections, test_videos=("v1",))
        assert_apart(detections, sides, 10)
        copied = images["frame_index"] < 10
        assert set(sides[copied & (images["video"] == "v1")]) == {TEST}
        assert set(sides[copied & (images["video"] != "v1")]) <= {DROPPED_COPY, DROPPED_GAP}
        assert DROPPED_COPY not in set(sides[~copied])

    def test_pictures_beside_videos(self) -> None:
        videos, photographs = frames(100, 100, 100), pictures(60)
        images = pd.concat([videos.images, photographs.images])
        boxes = pd.concat([videos.boxes, photographs.boxes])
        both = AnnotatedPictures.of(images, boxes, LABELS)
        sides = assign(both, test_videos=("v0",))
        assert_apart(both, sides, 10)
        assert sides[photographs.images.index].equals(assign(photographs))
        assert set(sides[both.images["video"] == "v0"]) == {TEST}
        with pytest.raises(
            FieldError, match=r"^given.detector: .* other pictures, got 300 and 60$"
        ):
            assign(both, {"v0": TEST})


@pytest.mark.parametrize("num_pictures", [0, 1, 2])
def test_too_few_pictures(num_pictures: int) -> None:
    names = [{"file_name": f"{number}.jpg"} for number in range(num_pictures)]
    detections = detection_set(names, [(one["file_name"], "ant") for one in names], "ant")
    with pytest.raises(InputError, match=rf"expected objects in .*\({num_pictures} pictures"):
        assign(detections)


def test_three_pictures_are_enough() -> None:
    names = [{"file_name": f"{number}.jpg"} for number in range(3)]
    detections = detection_set(names, [(one["file_name"], "ant") for one in names], "ant")
    sides = assign(detections, val_fraction=0.5, test_fraction=0.34)
    assert sorted(sides) == [TEST, TRAIN, VAL]


def test_the_table_counts_what_is_there() -> None:
    detections = pictures(80)
    detections.boxes.loc[::7, "is_difficult"] = True
    sides = assign(detections)
    sides.iloc[:5] = DROPPED_GAP
    table = tabulate_sides(detections, sides)
    json.dumps(table)
    objects = detections.boxes[~detections.is_ignored]
    for label in LABELS:
        own = objects[objects["label"] == label]
        total = sum(1 for name in own["image"] if sides[name] in SIDES)
        for side in SIDES:
            found = table["by_class"][label][side]
            on_side = [name for name in own["image"] if sides[name] == side]
            assert found["boxes"] == len(on_side)
            assert found["pictures"] == len(set(on_side))
            assert found["share_of_boxes"] == pytest.approx(len(on_side) / total, abs=1e-4)
    assert table["pictures"] == {
        **{side: int((sides == side).sum()) for side in SIDES},
        DROPPED_GAP: 5,
    }
    assert sum(table["pictures_without_object"].values()) == 80 - objects["image"].nunique()


class TestGiven:
    def test_given_pictures_stay_where_they_are(self) -> None:
        known = pictures(40)
        names = list(known.images.index)
        told = {name: SIDES[number % 3] for number, name in enumerate(names)}
        assert assign(known, told).to_dict() == told
        without_ending = {name.removesuffix(".jpg"): side for name, side in told.items()}
        assert assign(known, without_ending).to_dict() == told

    @pytest.mark.parametrize("missing", [(VAL,), (TEST,), (VAL, TEST)])
    def test_a_missing_side_is_drawn_out_of_the_training_side_alone(self, missing) -> None:
        known = pictures(400)
        names = list(known.images.index)
        held = {VAL: names[:50], TEST: names[50:120]}
        told = {name: side for side in held if side not in missing for name in held[side]}
        sides = assign(known, told)
        rest = sides[[name for name in names if told.get(name, TRAIN) == TRAIN]]
        assert all(sides[name] == side for name, side in told.items() if side != TRAIN)
        assert set(rest) == {TRAIN, *missing}
        shares = rest.value_counts(normalize=True)
        test = 0.2 if TEST in missing else 0.0
        if VAL in missing:
            assert shares[VAL] == pytest.approx((1 - test) * 0.25, abs=0.02)
        if TEST in missing:
            assert shares[TEST] == pytest.approx(test, abs=0.02)

    def test_beside_a_given_training_side_all_others_are_the_test(self) -> None:
        known = pictures(60)
        names = list(known.images.index)
        sides = assign(known, dict.fromkeys(names[:40], TRAIN))
        assert set(sides[names[:40]]) == {TRAIN, VAL}
        assert set(sides[names[40:]]) == {TEST}

    def test_frames_go_with_their_video(self) -> None:
        known = frames(60, 60, 60, 60)
        sides = assign(known, {"v0": TEST, "v1": TRAIN, "v2": VAL, "v3": TRAIN})
        video = known.images["video"]
        assert set(sides[video == "v0"]) == {TEST}
        assert set(sides[video == "v2"]) == {VAL}
        drawn = assign(known, {"v0": TEST})
        assert set(drawn[video == "v0"]) == {TEST}
        assert TEST not in set(drawn[video != "v0"])
        assert_apart(known, drawn, 10)

    def test_the_bytes_of_a_given_picture_are_on_no_other_side(self) -> None:
        known = pictures(60)
        images = known.images
        images.loc[["10.jpg", "20.jpg", "30.jpg", "40.jpg"], "sha256"] = "same"
        for told in ({"10.jpg": TEST}, {"10.jpg": VAL}):
            sides = assign(known, told)
            assert_apart(known, sides, 10)
            assert sides["10.jpg"] in {TEST, *told.values()}
            assert DROPPED_COPY in set(sides)

    @pytest.mark.parametrize(
        ("told", "expected"),
        [
            (
                {"99.jpg": TEST},
                "'99.jpg': expected a name of the data, got none of 0.jpg, 1.jpg, ",
            ),
            ({"1.jpg": TEST, "2.jpg": VAL, "3.jpg": TRAIN}, "expected a side for each name"),
        ],
    )
    def test_what_is_wrong_is_said(self, told: dict[str, str], expected: str) -> None:
        with pytest.raises(FieldError, match=rf"^given.*: {expected}"):
            assign(pictures(20), told)

    def test_a_side_without_an_object_is_refused(self) -> None:
        known = detection_set(
            [{"file_name": f"{n}.jpg"} for n in range(9)],
            [(f"{n}.jpg", "ant") for n in range(8)],
            "ant",
        )
        with pytest.raises(InputError, match="expected objects in test, found none"):
            assign(known, {"8.jpg": TEST})


@settings(max_examples=40)
@given(sets(), st.integers(0, 3), st.data())
def test_no_bytes_leak_whatever_is_given(
    known: AnnotatedPictures, seed: int, data: st.DataObject
) -> None:
    stills = known.select(list(known.images.index[known.images["video"] == ""]))
    names = list(stills.images.index)
    some = st.dictionaries(st.sampled_from(names), st.sampled_from(SIDES)) if names else st.just({})
    told = data.draw(some)
    try:
        sides = assign(stills, told, seed=seed)
    except InputError as error:
        event("refused")
        message = str(error)
        assert message.startswith(("expected objects in ", "given"))
        return
    event("assigned")
    digests = stills.images["sha256"]
    for (a, side_a), (b, side_b) in itertools.combinations(sides.items(), 2):
        if side_a != side_b and {side_a, side_b} <= set(SIDES):
            assert digests[a] != digests[b], "a copy on two sides"
    for name, side in told.items():
        if side != TRAIN:
            assert sides[name] in {side, DROPPED_COPY}
