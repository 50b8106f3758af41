"""COCO instances JSON of others."""

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
from vigil.plumbing.errors import InputError

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
        found = read_coco(file)
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
    found = read_coco(write_coco(tmp_path / "a.json"))
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
    found = read_coco(write_coco(tmp_path / "a.json", content))
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
    "an id of text": (
        edit(lambda c: c["images"][1].update(id="2")),
        "images 2: expected a whole number as id, got '2'",
    ),
    "no size": (
        edit(lambda c: c["images"][1].pop("width")),
        "images 2: expected a whole number as width, got None",
    ),
    "a huge size": (edit(lambda c: c["images"][0].update(width=10**30)), "as width, got 1000"),
    "no file name": (
        edit(lambda c: c["images"][0].update(file_name="")),
        "images 1: expected a text as file_name, got ''",
    ),
    "an image twice": (edit(lambda c: c["images"].append(c["images"][0])), "got 'a.jpg' again"),
    "a class twice": (
        edit(lambda c: c["categories"].append({"id": 1, "name": "dog"})),
        "categories 4: expected ids and names once, got 'dog' again",
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
    "text in a bbox": (
        edit(lambda c: c["annotations"][0].update(bbox=[1, "2", 3, 4])),
        "got [1, '2', 3, 4]",
    ),
    "true in a bbox": (
        edit(lambda c: c["annotations"][0].update(bbox=[1, True, 3, 4])),
        "got [1, True, 3, 4]",
    ),
    "a number past all": (
        edit(lambda c: c["annotations"][0].update(bbox=[10**400, 1, 3, 4])),
        "expected numbers of px as bbox",
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
        read_coco(file)
    assert str(error.value).startswith(f"{file}: ")
    assert expected in str(error.value)
    assert len(str(error.value)) < len(str(file)) + 200


def test_numbers_that_are_none_are_read(tmp_path: Path) -> None:
    """They are told later, with the boxes that are none."""
    content = edit(lambda c: c["annotations"][0].update(bbox=[1, float("inf"), 3, float("-inf")]))
    content["annotations"][1].update(bbox=[1e308, 0, 1e308, 1])
    box = read_coco(write_coco(tmp_path / "a.json", content)).boxes.loc[0]
    assert (box["x1"], box["y1"], box["x2"]) == (1, float("inf"), 4)
    assert box["y2"] != box["y2"]
