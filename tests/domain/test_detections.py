"""Detections in pictures, written in COCO's results format and read back."""

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools.coco import COCO
from tiny_detections import detection_set

from vigil.domain.boxes import CORNERS
from vigil.domain.detections import (
    COORDINATE_DECIMALS,
    DETECTION_COLUMNS,
    SCORE_DECIMALS,
    Detections,
    as_table,
    read_results,
    write_results,
)
from vigil.domain.pictures.annotated import write_annotated
from vigil.plumbing.errors import InputError

NAMES = ("a.jpg", "b/c.png", "door.mp4.zip/000012.jpg", "é 東.jpg", "NA")
CLASSES = ("cat", "null", "ё", "07")
KNOWN = detection_set([{"file_name": name} for name in NAMES], [], *CLASSES)


def found_in(rng: np.random.Generator, number: int, **further: Any) -> Detections:
    corners = rng.uniform(0, 1e4, (number, 2, 2))
    labels = rng.choice(np.array(CLASSES, object), number)
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    return Detections(boxes, np.sort(rng.uniform(size=number))[::-1], labels, **further)


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    """Detections in whole thousandths of a pixel, also far outside the picture."""
    corner = st.integers(-(10**7), 10**7)
    rows = draw(
        st.lists(
            st.tuples(
                st.sampled_from(NAMES),
                st.sampled_from(CLASSES),
                st.integers(0, 10**SCORE_DECIMALS),
                *(corner for _ in CORNERS),
            ),
            max_size=20,
        )
    )
    table = pd.DataFrame(rows, columns=DETECTION_COLUMNS)
    table = table.astype({"image": str, "label": str})
    table["score"] = table["score"].astype(float) / 10**SCORE_DECIMALS
    table[CORNERS] = table[CORNERS].astype(float) / 10**COORDINATE_DECIMALS
    return table


@given(table=tables())
def test_what_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, table: pd.DataFrame
) -> None:
    file = tmp_path_factory.mktemp("results") / "detections.json"
    write_results(KNOWN, table, file)
    read = read_results(KNOWN, file)
    assert list(read.columns) == DETECTION_COLUMNS
    pd.testing.assert_frame_equal(read[["image", "label"]], table[["image", "label"]])
    assert np.array_equal(read["score"], table["score"])
    # Sides are rounded, not far corners: these may differ in the last digit.
    np.testing.assert_allclose(read[CORNERS], table[CORNERS], rtol=0, atol=1e-9 + 1e-3)
    before = file.read_bytes()
    write_results(KNOWN, table, file)
    assert file.read_bytes() == before


@given(seed=st.integers(0, 2**31), number=st.integers(1, 30))
def test_numbers_are_rounded_and_no_further(
    tmp_path_factory: pytest.TempPathFactory, seed: int, number: int
) -> None:
    rng = np.random.default_rng(seed)
    table = as_table(["a.jpg"], [found_in(rng, number)])
    file = tmp_path_factory.mktemp("results") / "detections.json"
    write_results(KNOWN, table, file)
    read = read_results(KNOWN, file)
    np.testing.assert_allclose(read["score"], table["score"], rtol=0, atol=0.51e-6)
    np.testing.assert_allclose(read[CORNERS], table[CORNERS], rtol=0, atol=1.01e-3)


def test_pycocotools_takes_the_file_and_finds_each_detection_where_it_was(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    found = [found_in(rng, number) for number in (3, 0, 5, 1, 2)]
    names = sorted(NAMES, reverse=True)  # any order
    table = as_table(names, found)
    write_annotated(KNOWN, tmp_path / "instances.json")
    write_results(KNOWN, table, tmp_path / "detections.json")
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(tmp_path / "instances.json"))
        loaded = coco.loadRes(str(tmp_path / "detections.json"))
    assert len(loaded.anns) == len(table)
    for name, one in zip(names, found, strict=True):
        (image,) = (own for own in coco.dataset["images"] if own["file_name"] == name)
        own = loaded.loadAnns(loaded.getAnnIds(imgIds=[image["id"]]))
        assert [entry["score"] for entry in own] == pytest.approx(list(one.scores), abs=1e-6)
        labels = [loaded.loadCats([entry["category_id"]])[0]["name"] for entry in own]
        assert labels == list(one.labels)
        for entry, (x1, y1, x2, y2) in zip(own, one.boxes_xyxy, strict=True):
            assert entry["bbox"] == pytest.approx([x1, y1, x2 - x1, y2 - y1], abs=1e-3)
            assert entry["area"] == pytest.approx((x2 - x1) * (y2 - y1), rel=1e-3)


def test_nothing_found_is_an_empty_list_and_comes_back_as_an_empty_table(tmp_path: Path) -> None:
    for table in (as_table([], []), as_table(["a.jpg"], [found_in(np.random.default_rng(0), 0)])):
        assert list(table.columns) == DETECTION_COLUMNS
        write_results(KNOWN, table, tmp_path / "detections.json")
        assert json.loads((tmp_path / "detections.json").read_text()) == []
        read = read_results(KNOWN, tmp_path / "detections.json")
        pd.testing.assert_frame_equal(read, table)
        assert read.dtypes[["score", *CORNERS]].eq(np.float64).all()


def test_a_table_stands_picture_by_picture_in_the_order_given() -> None:
    rng = np.random.default_rng(1)
    found = [found_in(rng, number) for number in (2, 0, 1)]
    table = as_table(["b.jpg", "none.jpg", "a.jpg"], found)
    assert table["image"].tolist() == ["b.jpg", "b.jpg", "a.jpg"]
    assert table["label"].tolist() == [*found[0].labels, *found[2].labels]
    assert table["score"].tolist() == [*found[0].scores, *found[2].scores]
    assert np.array_equal(
        table[CORNERS], np.concatenate([found[0].boxes_xyxy, found[2].boxes_xyxy])
    )


class TestDetections:
    FULL = found_in(
        np.random.default_rng(2),
        4,
        track_ids=np.array([7, 5, 6, 4]),
        masks=np.arange(4)[:, None, None] == np.arange(4)[None, :, None].repeat(3, axis=2),
    )

    @pytest.mark.parametrize(
        "chosen",
        [[2, 0], [], [3, 3], [True, False, False, True], [False] * 4, [True] * 4],
    )
    def test_some_are_selected_with_all_their_parts(self, chosen: list) -> None:
        kind = bool if chosen and isinstance(chosen[0], bool) else int
        at = np.array(chosen, kind)
        places = np.flatnonzero(at).tolist() if kind is bool else chosen
        selected = self.FULL.select(at)
        assert len(selected) == len(places)
        for name in ("boxes_xyxy", "scores", "labels", "track_ids", "masks"):
            expected = [getattr(self.FULL, name)[place] for place in places]
            own = getattr(selected, name)
            assert own.dtype == getattr(self.FULL, name).dtype
            assert own.shape[1:] == getattr(self.FULL, name).shape[1:]
            assert all(map(np.array_equal, own, expected))

    def test_what_was_not_tracked_stays_so(self) -> None:
        plain = found_in(np.random.default_rng(3), 3).select(np.array([1]))
        assert (plain.track_ids, plain.masks) == (None, None)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"scores": np.ones(3)},
            {"labels": np.array(["cat"] * 5, object)},
            {"track_ids": np.arange(3)},
            {"masks": np.zeros((5, 2, 2), bool)},
            {"boxes_xyxy": np.zeros((4, 5))},
            {"boxes_xyxy": np.zeros((3, 4))},
            {"boxes_xyxy": np.zeros(4)},
            {"scores": np.ones(0)},
        ],
    )
    def test_parts_of_several_lengths_are_refused(self, wrong: dict[str, Any]) -> None:
        names = ("boxes_xyxy", "scores", "labels", "track_ids", "masks")
        parts = {name: getattr(self.FULL, name) for name in names}
        with pytest.raises(ValueError, match="expected parts of equal length, got"):
            Detections(**{**parts, **wrong})

    def test_there_may_be_none(self) -> None:
        none = Detections(np.empty((0, 4)), np.empty(0), np.empty(0, object))
        assert len(none) == len(none.select(np.zeros(0, bool))) == 0


GOOD = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}


@pytest.mark.parametrize(
    "content",
    [
        *(3, None, "ab", [1], [None], ["x"], [[GOOD]], {"a": GOOD}),
        *([{**GOOD, "image_id": 0}], [{**GOOD, "image_id": 6}], [{**GOOD, "image_id": "a.jpg"}]),
        *([{**GOOD, "category_id": 0}], [{**GOOD, "category_id": 5}], [{**GOOD, "image_id": []}]),
        *([{**GOOD, "bbox": [1, 2, 3]}], [{**GOOD, "bbox": ["a"] * 4}], [{**GOOD, "bbox": None}]),
        *([{**GOOD, "score": "much"}], [{**GOOD, "score": [1]}], [GOOD, {**GOOD, "score": {}}]),
        *([{key: GOOD[key] for key in GOOD if key != left_out}] for left_out in GOOD),
    ],
)
def test_what_is_no_result_of_these_pictures_is_refused(tmp_path: Path, content: Any) -> None:
    file = tmp_path / "detections.json"
    file.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"detections\.json: expected ") as error:
        read_results(KNOWN, file)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize("key", ["bbox", "score"])
def test_numbers_that_are_not_finite_are_refused(tmp_path: Path, key: str, number: str) -> None:
    file = tmp_path / "detections.json"
    text = json.dumps([{**GOOD, key: [1, 2, 3, "?"] if key == "bbox" else "?"}])
    file.write_text(text.replace('"?"', number))
    with pytest.raises(InputError, match=r"detections\.json: expected finite numbers"):
        read_results(KNOWN, file)


def test_no_file_of_results(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a JSON file, found no such file"):
        read_results(KNOWN, tmp_path / "detections.json")


def test_a_detection_in_an_unknown_picture_is_not_written_silently(tmp_path: Path) -> None:
    """It would become an entry for a picture that does not exist."""
    table = as_table(["other.jpg"], [found_in(np.random.default_rng(0), 1)])
    with pytest.raises(InputError):
        write_results(KNOWN, table, tmp_path / "detections.json")
    assert not (tmp_path / "detections.json").exists()
