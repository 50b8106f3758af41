"""Wrong annotations are left out, right ones are kept, and each that is left out is noted."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vigil.domain.boxes import CORNERS
from vigil.domain.formats.reading import checks
from vigil.domain.formats.reading.annotations import Annotations
from vigil.domain.formats.reading.checks import check_boxes, check_sizes, choose_classes
from vigil.domain.formats.reading.findings import Findings
from vigil.plumbing.errors import InputError

WIDTH, HEIGHT = 40, 30


def annotations_of(*rows: tuple[str, str, float, float, float, float]) -> Annotations:
    """Boxes as picture, class and corners, on pictures a, b and c."""
    names = ["a", "b", "c"]
    pictures = {
        "file_name": names,
        "width": [WIDTH] * 3,
        "height": [HEIGHT] * 3,
        "video": [""] * 3,
        "frame_index": [-1] * 3,
        "place": [f"file of {name}" for name in names],
    }
    columns = list(zip(*rows, strict=True)) or [()] * 6
    boxes: dict[str, Any] = dict(zip(["image", "label", *CORNERS], columns, strict=True))
    flags = [False] * len(rows)
    places = [f"box {number}" for number in range(len(rows))]
    boxes.update(is_crowd=flags, is_difficult=flags, place=places)
    return Annotations.of(pictures, boxes)


def check(
    annotations: Annotations, *, invalid: Any = "drop", min_side_px: float = 2.0
) -> tuple[pd.DataFrame, Findings]:
    findings = Findings()
    found = check_boxes(
        annotations.boxes,
        annotations.pictures,
        invalid=invalid,
        min_side_px=min_side_px,
        findings=findings,
    )
    return found, findings


def told_of(findings: Findings, reason: str) -> list[int]:
    return [int(line.split(":")[0].removeprefix("box ")) for line in findings[reason]]


def reason_of(box: tuple[float, ...]) -> str | None:
    """The oracle: one box at a time."""
    x1, y1, x2, y2 = box
    if not all(math.isfinite(value) for value in box):
        return checks.NOT_FINITE
    if x2 < x1 or y2 < y1:
        return checks.REVERSED
    if x1 == x2 or y1 == y2:
        return checks.NO_AREA
    if x2 <= 0 or y2 <= 0 or x1 >= WIDTH or y1 >= HEIGHT:
        return checks.OUTSIDE
    width = min(x2, WIDTH) - max(x1, 0)
    height = min(y2, HEIGHT) - max(y1, 0)
    return checks.TOO_SMALL if min(width, height) < 2 else None


values = st.sampled_from([-5.0, 0.0, 1.0, 1.5, 3.0, 20.0, 30.0, 40.0, 55.0]) | st.sampled_from(
    [math.nan, math.inf, -math.inf, 1e300]
)


@settings(max_examples=150)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.just("x"), *[values] * 4), max_size=8))
def test_each_box_is_judged_as_one_by_one(rows: list) -> None:
    annotations = annotations_of(*rows)
    found, findings = check(annotations)
    expected: dict[str, list[int]] = {}
    kept, seen = [], set()
    for number, row in enumerate(rows):
        key = tuple("nan" if value != value else value for value in row)
        reason = checks.REPEATED if key in seen else reason_of(row[2:])
        seen.add(key)
        if reason:
            expected.setdefault(reason, []).append(number)
        else:
            kept.append(number)
    told = {reason: told_of(findings, reason) for reason in findings.counts}
    clipped = set(told.pop(checks.CLIPPED, []))
    assert told == expected
    assert found["place"].tolist() == [f"box {number}" for number in kept]
    corners = found[CORNERS].to_numpy()
    assert (corners >= 0).all()
    assert (corners[:, [0, 2]] <= WIDTH).all()
    assert (corners[:, [1, 3]] <= HEIGHT).all()
    for number, box in zip(kept, corners, strict=True):
        same = np.array_equal(box, rows[number][2:])
        assert same != (number in clipped)


def test_a_corner_off_by_rounding_is_not_told() -> None:
    found, findings = check(annotations_of(("a", "x", -0.004, 0.0, 40.004, 30.0)))
    assert findings.counts == {}
    assert found[CORNERS].to_numpy().tolist() == [[0, 0, 40, 30]]


def test_the_same_corners_of_another_class_or_picture_are_no_repetition() -> None:
    box = (1.0, 2.0, 9.0, 9.0)
    found, findings = check(annotations_of(("a", "x", *box), ("a", "y", *box), ("b", "x", *box)))
    assert len(found) == 3
    assert findings.counts == {}


def test_an_offender_is_told_with_its_place_class_and_corners() -> None:
    _, findings = check(annotations_of(("a", "x", 9, 1, 3, 5)))
    assert findings[checks.REVERSED] == ["box 0: x [9, 1, 3, 5]"]
    assert findings.first(0) == {checks.REVERSED: []}


@pytest.mark.parametrize("box", [(9, 1, 3, 5), (3, 1, 3, 5), (50, 1, 60, 5), (math.nan, 1, 3, 5)])
def test_invalid_boxes_can_be_an_error(box: tuple) -> None:
    annotations = annotations_of(("a", "x", 1, 1, 9, 9), ("a", "x", *box))
    with pytest.raises(
        InputError, match=r"^box 1: x \[.*\(1 of 2 boxes are invalid; invalid_boxes: drop"
    ):
        check(annotations, invalid="error")


def test_no_boxes() -> None:
    found, findings = check(annotations_of())
    assert found.empty
    assert findings.counts == {}


def test_other_classes_are_left_out_and_told() -> None:
    annotations = annotations_of(
        ("a", "dog", 1, 1, 9, 9), ("b", "cat", 1, 1, 9, 9), ("c", "ant", 1, 1, 9, 9)
    )
    findings = Findings()
    found = choose_classes(annotations, ["dog", "ant"], findings)
    assert found.classes == ("ant", "dog")
    assert found.boxes["label"].tolist() == ["dog", "ant"]
    assert found.pictures.equals(annotations.pictures)
    assert findings[checks.CLASS_NOT_CHOSEN] == ["box 1: cat"]
    assert choose_classes(annotations, [], findings) is annotations


def test_a_class_that_does_not_occur() -> None:
    annotations = annotations_of(("a", "dog", 1, 1, 9, 9))
    with pytest.raises(InputError, match=r"detection\.classes: .*\(dog\), got Dog$"):
        choose_classes(annotations, ["Dog"], Findings())


class TestSizes:
    def sizes(self, *sizes: tuple[int, int]) -> pd.DataFrame:
        return pd.DataFrame(sizes, columns=["width", "height"], index=["a", "b", "c"])

    def test_equal_sizes(self) -> None:
        pictures, findings = annotations_of().pictures, Findings()
        found = check_sizes(pictures, self.sizes(*[(40, 30)] * 3), "error", findings)
        assert found.equals(pictures)
        assert findings.counts == {}

    def test_another_size_is_an_error_or_left_out_or_kept(self) -> None:
        pictures, sizes = annotations_of().pictures, self.sizes((40, 30), (30, 40), (40, 30))
        message = r"^file of b: 'b': 40x30 annotated, 30x40 found \(1 of 3 pictures"
        with pytest.raises(InputError, match=message):
            check_sizes(pictures, sizes, "error", Findings())
        findings = Findings()
        found = check_sizes(pictures, sizes, "drop", findings)
        assert found["file_name"].tolist() == ["a", "c"]
        assert findings.counts == {checks.WRONG_SIZE: 1}
        found = check_sizes(pictures, sizes, "keep", findings)
        assert found[["width", "height"]].to_numpy().tolist() == [[40, 30], [30, 40], [40, 30]]

    def test_a_size_not_told_is_taken_from_the_picture(self) -> None:
        pictures = annotations_of().pictures.assign(width=0, height=0)
        found = check_sizes(pictures, self.sizes((4, 3), (5, 3), (6, 3)), "error", Findings())
        assert found["width"].tolist() == [4, 5, 6]


FLAGS = ("is_difficult", "is_crowd")


@pytest.mark.parametrize("flag", FLAGS)
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_box_told_both_to_be_ignored_and_not_is_ignored(flag: str, order: tuple) -> None:
    box = ("a", "dog", 1.0, 2.0, 9.0, 9.0)
    annotations = annotations_of(box, box, ("a", "cat", *box[2:]), ("b", *box[1:]))
    annotations.boxes.loc[order[0], flag] = True
    found, findings = check(annotations)
    assert found[flag].tolist() == [True, False, False]
    assert told_of(findings, checks.REPEATED) == [1]
    assert told_of(findings, checks.CONTRADICTED) == [0]


def test_boxes_repeated_alike_contradict_nothing() -> None:
    box = ("a", "dog", 1.0, 2.0, 9.0, 9.0)
    annotations = annotations_of(box, box)
    annotations.boxes["is_difficult"] = True
    found, findings = check(annotations)
    assert found["is_difficult"].tolist() == [True]
    assert findings.counts == {checks.REPEATED: 1}


def test_a_side_that_is_not_told_is_not_wrong() -> None:
    annotations = annotations_of()
    pictures = annotations.pictures.assign(width=[0, WIDTH, 0], height=[HEIGHT, 0, HEIGHT + 1])
    sizes = pd.DataFrame({"width": [WIDTH] * 3, "height": [HEIGHT] * 3})
    findings = Findings()
    found = check_sizes(pictures, sizes, "drop", findings)
    assert found["file_name"].tolist() == ["a", "b"]
    assert (found[["width", "height"]].to_numpy() == (WIDTH, HEIGHT)).all()
    assert len(findings[checks.WRONG_SIZE]) == 1
