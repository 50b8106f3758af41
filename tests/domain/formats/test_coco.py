"""COCO instances JSON from other programs."""

import contextlib
import io
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from tiny_detections import BOXES, SIZE_WH, coco_of, write_coco

from vigil.domain.formats.coco import read_coco
from vigil.domain.formats.reading.annotations import Annotations
from vigil.domain.formats.reading.findings import (
    MALFORMED,
    NO_SIZE,
    OTHERWISE,
    ROOT,
    SPACES,
    TURNED,
    Findings,
)
from vigil.plumbing.errors import InputError


def read(file: Path) -> Annotations:
    """The annotations of a file in which nothing is left out or corrected."""
    findings = Findings()
    found = read_coco(file, "error", findings)
    assert findings.counts == {}
    return found


number = st.floats(-100, 5000) | st.integers(-100, 5000)
boxes = st.tuples(number, number, number, number)
ids = st.integers(0, 10**9)


@st.composite
def contents(draw: st.DrawFn) -> Any:
    images = draw(st.lists(ids, unique=True, min_size=1, max_size=4))
    categories = draw(st.lists(ids, unique=True, min_size=1, max_size=4))
    annotations = draw(
        st.lists(
            st.fixed_dictionaries(
                {
                    "image_id": st.sampled_from(images),
                    "category_id": st.sampled_from(categories),
                    "bbox": boxes.map(list),
                    "iscrowd": st.integers(0, 1),
                }
            ),
            max_size=6,
        )
    )
    return {
        "images": [{"id": n, "file_name": f"{n}.jpg", "width": 9, "height": 8} for n in images],
        "categories": [{"id": n, "name": f"class {n}"} for n in categories],
        "annotations": [{**one, "id": n} for n, one in enumerate(annotations)],
    }


@settings(max_examples=50)
@given(contents())
def test_it_is_read_as_pycocotools_reads_it(content: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = write_coco(Path(folder) / "a.json", content)
        found = read(file)
        with contextlib.redirect_stdout(io.StringIO()):
            coco = COCO(str(file))
    assert len(found.boxes) == len(coco.anns)
    for row, entry in zip(found.boxes.itertuples(), coco.anns.values(), strict=True):
        x, y, width, height = entry["bbox"]
        assert (row.x1, row.y1, row.x2, row.y2) == (x, y, x + width, y + height)
        assert row.image == coco.imgs[entry["image_id"]]["file_name"]
        assert row.label == coco.cats[entry["category_id"]]["name"]
        assert row.is_crowd == bool(entry["iscrowd"])
    assert set(found.classes) == {entry["name"] for entry in coco.cats.values()}
    assert set(found.pictures["file_name"]) == {e["file_name"] for e in coco.imgs.values()}


def test_the_tiny_set(tmp_path: Path) -> None:
    found = read(write_coco(tmp_path / "a.json"))
    columns = ["image", "label", "x1", "y1", "x2", "y2"]
    assert list(found.boxes[columns].itertuples(index=False, name=None)) == [
        (name, *box) for name, own in BOXES.items() for box in own
    ]
    assert set(found.pictures["width"]) == {SIZE_WH[0]}
    assert set(found.pictures["video"]) == {""}


def test_frames_and_what_is_to_be_ignored_are_known(tmp_path: Path) -> None:
    content = coco_of()
    content["images"][0].update(video="door.mp4", frame_index=12)
    content["images"][1].update(video="")
    content["annotations"][0].update(ignore=1)
    del content["annotations"][1]["iscrowd"]
    found = read(write_coco(tmp_path / "a.json", content))
    assert found.pictures["video"].tolist() == ["door.mp4", "", ""]
    assert found.pictures["frame_index"].tolist() == [12, -1, -1]
    assert found.boxes["is_difficult"].tolist() == [True, *[False] * 5]


def edit(change: Callable[[Any], object]) -> Any:
    content = coco_of()
    change(content)
    return content


BAD: dict[str, tuple[Any, str]] = {
    "a list": ([], "expected COCO instances, got []"),
    "a results file": ([{"image_id": 1, "bbox": [1, 2, 3, 4]}], "expected COCO instances"),
    "no categories": (edit(lambda c: c.pop("categories")), "a list of categories, got None"),
    "no annotations": (edit(lambda c: c.pop("annotations")), "a list of annotations, got None"),
    "images by id": (edit(lambda c: c.update(images={"1": {}})), "a list of images, got {"),
    "an image of text": (edit(lambda c: c["images"].append("a.jpg")), "images 4: expected keys"),
    "an id of a word": (
        edit(lambda c: c["images"][1].update(id="2a")),
        "images 2: expected a whole number as id, got '2a'",
    ),
    "an id with a fraction": (
        edit(lambda c: c["images"][1].update(id=2.5)),
        "images 2: expected a whole number as id, got 2.5",
    ),
    "true for an id": (
        edit(lambda c: c["images"][1].update(id=True)),
        "images 2: expected a whole number as id, got True",
    ),
    "a size with a fraction": (
        edit(lambda c: c["images"][1].update(width=9.5)),
        "images 2: expected a whole number as width, got 9.5",
    ),
    "a huge size": (edit(lambda c: c["images"][0].update(width=10**30)), "as width, got 1000"),
    "no file name": (
        edit(lambda c: c["images"][0].update(file_name="")),
        "images 1: expected a text as file_name, got ''",
    ),
    "an image twice": (edit(lambda c: c["images"].append(c["images"][0])), "got 'a.jpg' again"),
    "a class twice": (
        edit(lambda c: c["categories"].append({"id": 1, "name": "dog"})),
        "categories 4: expected each id and name once, got 'dog' again",
    ),
    "an unknown image": (
        edit(lambda c: c["annotations"][2].update(image_id=5)),
        "annotations 3: expected a image_id that the file lists, got 5",
    ),
    "an unknown class": (
        edit(lambda c: c["annotations"][2].update(category_id=5)),
        "annotations 3: expected a category_id that the file lists, got 5",
    ),
    "no bbox": (
        edit(lambda c: c["annotations"][0].pop("bbox")),
        "annotations 1: expected [x, y, width, height] as bbox, got None",
    ),
    "three numbers": (edit(lambda c: c["annotations"][0].update(bbox=[1, 2, 3])), "got [1, 2, 3]"),
    "a word in a bbox": (
        edit(lambda c: c["annotations"][0].update(bbox=[1, "two", 3, 4])),
        "annotations 1: expected a number as bbox, got 'two'",
    ),
    "true in a bbox": (
        edit(lambda c: c["annotations"][0].update(bbox=[1, True, 3, 4])),
        "annotations 1: expected a number as bbox, got True",
    ),
    "a number past all": (
        edit(lambda c: c["annotations"][0].update(bbox=[10**400, 1, 3, 4])),
        "expected a number of px as bbox",
    ),
    "a crowd of two": (
        edit(lambda c: c["annotations"][0].update(iscrowd=2)),
        "annotations 1: expected 0 or 1 as iscrowd, got 2",
    ),
    "a video of a number": (
        edit(lambda c: c["images"][0].update(video=3)),
        "images 1: expected a text as video, got 3",
    ),
    "a video without a frame": (
        edit(lambda c: c["images"][0].update(video="a")),
        "images 1: expected a whole number as frame_index, got None",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_not_of_the_form_is_told_with_its_file(case: str, tmp_path: Path) -> None:
    content, expected = BAD[case]
    file = tmp_path / "a.json"
    file.write_text(json.dumps(content))
    with pytest.raises(InputError) as error:
        read(file)
    assert str(error.value).startswith(f"{file}: ")
    assert expected in str(error.value)
    assert len(str(error.value)) < len(str(file)) + 200


def test_numbers_that_are_none_are_read(tmp_path: Path) -> None:
    """They are noted later, with other invalid boxes."""
    content = edit(lambda c: c["annotations"][0].update(bbox=[1, float("inf"), 3, float("-inf")]))
    content["annotations"][1].update(bbox=[1e308, 0, 1e308, 1])
    box = read(write_coco(tmp_path / "a.json", content)).boxes.loc[0]
    assert (box["x1"], box["y1"], box["x2"]) == (1, float("inf"), 4)
    assert box["y2"] != box["y2"]


def read_with(tmp_path: Path, content: Any, malformed: Any = "error") -> tuple[Annotations, Any]:
    findings = Findings()
    found = read_coco(write_coco(tmp_path / "a.json", content), malformed, findings)
    return found, findings


def assert_the_tiny_set(found: Annotations, *, without: int | None = None) -> None:
    expected = [(name, *box) for name, own in BOXES.items() for box in own]
    if without is not None:
        del expected[without]
    columns = ["image", "label", "x1", "y1", "x2", "y2"]
    assert list(found.boxes[columns].itertuples(index=False, name=None)) == expected


def all_sizes(content: Any, value: Any) -> None:
    for image in content["images"]:
        image.update(width=value, height=value)


@pytest.mark.parametrize("value", [-1, None, 0, "", -1.0, "-1"])
def test_sizes_that_are_not_told(tmp_path: Path, value: Any) -> None:
    found, findings = read_with(tmp_path, edit(lambda c: all_sizes(c, value)))
    assert_the_tiny_set(found)
    assert (found.pictures[["width", "height"]] == 0).all(axis=None)
    assert len(findings[NO_SIZE]) == 3


def test_sizes_that_are_missing(tmp_path: Path) -> None:
    found, findings = read_with(tmp_path, edit(lambda c: c["images"][1].pop("width")))
    assert found.pictures["width"].tolist() == [60, 0, 60]
    assert found.pictures["height"].tolist() == [40, 40, 40]
    assert findings.counts == {NO_SIZE: 1}


@pytest.mark.parametrize("change", [float, str, lambda number: f" {float(number)} "])
def test_numbers_in_another_form(tmp_path: Path, change: Callable[[int], Any]) -> None:
    def rewrite(content: Any) -> None:
        for image in content["images"]:
            image.update({key: change(image[key]) for key in ("id", "width", "height")})
        for one in content["annotations"]:
            one.update({key: change(one[key]) for key in ("image_id", "category_id")})
            one["bbox"] = [change(value) for value in one["bbox"]]
        for category in content["categories"]:
            category["id"] = change(category["id"])

    found, findings = read_with(tmp_path, edit(rewrite))
    assert_the_tiny_set(found)
    assert set(found.pictures["width"]) == {60}
    expected = 3 * 3 + 6 * 2 + 3 + (0 if change is float else 6 * 4)
    assert findings.counts == {OTHERWISE: expected}


@pytest.mark.parametrize(
    ("word", "expected"),
    [("true", True), ("No", False), (True, True), (False, False), (None, False), (1.0, True)],
)
@pytest.mark.parametrize(("key", "column"), [("iscrowd", "is_crowd"), ("ignore", "is_difficult")])
def test_flags_in_another_form(
    tmp_path: Path, word: Any, expected: bool, key: str, column: str
) -> None:
    content = edit(lambda c: c["annotations"][1].update({key: word}))
    found, findings = read_with(tmp_path, content)
    assert found.boxes[column].tolist() == [False, expected, False, False, False, False]
    assert findings.counts == {OTHERWISE: 1}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_encodings_of_windows(tmp_path: Path, encoding: str) -> None:
    content = coco_of({"ä é.jpg": BOXES["b.png"]})
    text = json.dumps(content, ensure_ascii=False)
    (tmp_path / "a.json").write_bytes(text.encode(encoding))
    assert read(tmp_path / "a.json").pictures["file_name"].tolist() == ["ä é.jpg"]


def test_the_root_of_roboflow_is_no_class(tmp_path: Path) -> None:
    content = coco_of()
    for category in content["categories"]:
        category["supercategory"] = "animals"
    content["categories"].append({"id": 0, "name": "animals", "supercategory": "none"})
    found, findings = read_with(tmp_path, content)
    assert_the_tiny_set(found)
    assert found.classes == ("bird", "cat", "dog")
    assert findings[ROOT] == [f"{tmp_path / 'a.json'}: animals"]


@pytest.mark.parametrize("is_annotated", [True, False])
def test_the_root_of_roboflow_may_have_the_name_of_a_class(
    tmp_path: Path, is_annotated: bool
) -> None:
    content = coco_of()
    for one in content["categories"]:
        one["supercategory"] = "dog"
    content["categories"].insert(0, {"id": 0, "name": "dog", "supercategory": "none"})
    if not is_annotated:
        dog = next(c["id"] for c in content["categories"][1:] if c["name"] == "dog")
        others = [one for one in content["annotations"] if one["category_id"] != dog]
        content["annotations"] = others
    found, findings = read_with(tmp_path, content)
    assert found.classes == ("bird", "cat", "dog")
    assert findings[ROOT] == [f"{tmp_path / 'a.json'}: dog"]
    assert len(found.boxes) == (6 if is_annotated else 2)


def test_a_name_twice_of_which_both_have_boxes_is_refused(tmp_path: Path) -> None:
    content = coco_of()
    content["categories"].append({"id": 0, "name": "dog", "supercategory": "none"})
    for one in content["categories"][:3]:
        one["supercategory"] = "dog"
    content["annotations"].append({**content["annotations"][0], "id": 5, "category_id": 0})
    with pytest.raises(InputError, match="categories 4: expected each id and name once, got 'dog'"):
        read_with(tmp_path, content)


@pytest.mark.parametrize("degrees", [90, 270.0, "90.0", -90])
def test_a_box_that_cvat_turned_is_the_box_around_it(tmp_path: Path, degrees: Any) -> None:
    content = coco_of()
    attributes = {"occluded": False, "rotation": 0.0}
    for one in content["annotations"]:
        one["attributes"] = attributes
    turned = {"bbox": [20, 15, 30, 4], "attributes": {**attributes, "rotation": degrees}}
    content["annotations"][1].update(turned)
    found, findings = read_with(tmp_path, content)
    assert found.boxes.loc[1, ["x1", "y1", "x2", "y2"]].tolist() == [33, 2, 37, 32]
    assert findings[TURNED] == [f"{tmp_path / 'a.json'}: annotations 2"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"attributes": {"rotation": "left"}}, r"degrees as attributes\.rotation, got 'left'"),
        ({"rotation": 0.3}, r"a box that is not turned, got rotation 0\.3"),
        ({"angle": "30"}, "a box that is not turned, got angle '30'"),
    ],
)
def test_a_turn_that_is_not_understood_is_malformed(
    tmp_path: Path, change: dict[str, Any], problem: str
) -> None:
    content = coco_of()
    content["annotations"][0].update(change)
    with pytest.raises(InputError, match=f"annotations 1: expected .*{problem}"):
        read_with(tmp_path, content)
    found, findings = read_with(tmp_path, content, "drop")
    assert (len(found.boxes), findings.counts) == (5, {MALFORMED: 1})


def test_a_list_of_annotations_twice_is_refused(tmp_path: Path) -> None:
    text = json.dumps(coco_of())[:-1] + ', "annotations": []}'
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match="the key 'annotations' twice"):
        read(tmp_path / "a.json")


def test_a_category_above_itself_or_with_annotations_is_a_class(tmp_path: Path) -> None:
    content = coco_of()
    content["categories"].append({"id": 0, "name": "person", "supercategory": "person"})
    content["categories"][0]["supercategory"] = "dog"
    assert read(write_coco(tmp_path / "a.json", content)).classes == (
        "bird",
        "cat",
        "dog",
        "person",
    )


def test_spaces_around_a_class_are_no_part_of_it(tmp_path: Path) -> None:
    content = edit(lambda c: c["categories"][0].update(name=" bird "))
    found, findings = read_with(tmp_path, content)
    assert_the_tiny_set(found)
    assert findings.counts == {SPACES: 1}


def test_classes_that_differ_by_spaces_are_one_twice(tmp_path: Path) -> None:
    content = edit(lambda c: c["categories"][0].update(name="dog "))
    with pytest.raises(InputError, match="expected each id and name once, got 'dog' again"):
        read_with(tmp_path, content)


MALFORMED_ENTRIES = [
    case
    for case, (_, expected) in BAD.items()
    if not any(word in expected for word in ("again", "a list of", "expected COCO"))
]


@pytest.mark.parametrize("case", MALFORMED_ENTRIES)
def test_one_malformed_entry_does_not_stop_the_others(tmp_path: Path, case: str) -> None:
    content, expected = BAD[case]
    with pytest.raises(InputError, match="malformed_entries: drop leaves such out"):
        read_with(tmp_path, content)
    found, findings = read_with(tmp_path, content, "drop")
    assert expected in findings[MALFORMED][0]
    tiny = [(name, *box) for name, own in BOXES.items() for box in own]
    columns = ["image", "label", "x1", "y1", "x2", "y2"]
    rows = list(found.boxes[columns].itertuples(index=False, name=None))
    assert set(rows) <= set(tiny)
    lost = [line for line in findings[MALFORMED] if ": annotations " in line]
    assert len(lost) == len(tiny) - len(rows)
