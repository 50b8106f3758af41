"""Sets of pictures and boxes are written and read back, by vigil and by other libraries."""

import contextlib
import io
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO

from vigil.domain.boxes import CORNERS
from vigil.domain.pictures.annotated import AnnotatedPictures, read_annotated, write_annotated
from vigil.plumbing.errors import InputError

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@st.composite
def detection_sets(draw: st.DrawFn) -> AnnotatedPictures:
    files = draw(st.lists(names, min_size=0, max_size=5, unique=True))
    classes = draw(st.lists(names, min_size=1, max_size=4, unique=True))
    images, boxes = [], []
    for file_name in files:
        width, height = draw(st.integers(1, 5000)), draw(st.integers(1, 5000))
        video = draw(st.sampled_from(["", "door.mp4"]))
        images.append(
            {
                "file_name": file_name,
                "width": width,
                "height": height,
                "video": video,
                "frame_index": draw(st.integers(0, 9)) if video else -1,
                "sha256": draw(st.text("0123456789abcdef", min_size=64, max_size=64)),
            }
        )
        for _ in range(draw(st.integers(0, 4))):
            x1, x2 = sorted(draw(st.tuples(*[st.floats(0, width)] * 2)))
            y1, y2 = sorted(draw(st.tuples(*[st.floats(0, height)] * 2)))
            boxes.append(
                {
                    "image": file_name,
                    "label": draw(st.sampled_from(classes)),
                    **dict(zip(CORNERS, (x1, y1, x2, y2), strict=True)),
                    "is_crowd": draw(st.booleans()),
                    "is_difficult": draw(st.booleans()),
                }
            )
    return set_of(images, boxes, *classes)


def set_of(images: list[dict], boxes: list[dict], *classes: str) -> AnnotatedPictures:
    columns = ["file_name", "width", "height", "video", "frame_index", "sha256"]
    box_columns = ["image", "label", *CORNERS, "is_crowd", "is_difficult"]
    return AnnotatedPictures.of(
        pd.DataFrame(images, columns=columns), pd.DataFrame(boxes, columns=box_columns), classes
    )


def example() -> AnnotatedPictures:
    image = {"width": 40, "height": 30, "video": "", "frame_index": -1, "sha256": "00"}
    box = {"x1": 1.0, "y1": 2.5, "x2": 11.125, "y2": 30.0, "is_crowd": False, "is_difficult": False}
    return set_of(
        [{**image, "file_name": name} for name in ("b.jpg", "a.jpg")],
        [
            {**box, "image": "b.jpg", "label": "dog"},
            {**box, "image": "b.jpg", "label": "cat", "is_crowd": True},
            {**box, "image": "a.jpg", "label": "dog", "is_difficult": True},
        ],
        "dog",
        "cat",
        "ant",
    )


@settings(max_examples=80)
@given(detection_sets())
def test_what_is_written_is_read_back(given_set: AnnotatedPictures) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "instances.json"
        write_annotated(given_set, path)
        found = read_annotated(path)
        again = Path(folder) / "again.json"
        write_annotated(found, again)
        assert again.read_bytes() == path.read_bytes()
    pd.testing.assert_frame_equal(found.images, given_set.images)
    pd.testing.assert_frame_equal(found.boxes, given_set.boxes)
    assert found.classes == given_set.classes


@settings(max_examples=30)
@given(detection_sets())
def test_pycocotools_reads_the_same(given_set: AnnotatedPictures) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "instances.json"
        write_annotated(given_set, path)
        with contextlib.redirect_stdout(io.StringIO()):
            coco = COCO(str(path))
    label_of = {entry["id"]: entry["name"] for entry in coco.loadCats(coco.getCatIds())}
    found = []
    for image in coco.loadImgs(coco.getImgIds()):
        for entry in coco.loadAnns(coco.getAnnIds(imgIds=image["id"])):
            x, y, width, height = entry["bbox"]
            assert entry["area"] == pytest.approx(width * height, abs=1e-3)
            corners = (x, y, x + width, y + height)
            flags = (bool(entry["iscrowd"]), bool(entry["ignore"]))
            found.append((image["file_name"], label_of[entry["category_id"]], *corners, *flags))
    expected = list(given_set.boxes.itertuples(index=False, name=None))
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one[:2] == other[:2]
        assert one[2:6] == pytest.approx(other[2:6], abs=1e-6)
        assert one[6:] == other[6:]


def test_pictures_are_in_the_order_of_their_names_and_boxes_in_theirs() -> None:
    found = example()
    assert found.images.index.tolist() == ["a.jpg", "b.jpg"]
    assert found.boxes["label"].tolist() == ["dog", "dog", "cat"]
    assert found.classes == ("ant", "cat", "dog")
    assert found.is_ignored.tolist() == [True, False, True]


def edit(change: Callable[[Any], object]) -> Callable[[Any], Any]:
    def apply(content: Any) -> Any:
        change(content)
        return content

    return apply


DAMAGE: dict[str, Callable[[Any], Any]] = {
    "a list": lambda content: [],
    "nothing": lambda content: None,
    "no images": edit(lambda c: c.pop("images")),
    "no annotations": edit(lambda c: c.pop("annotations")),
    "images of another kind": edit(lambda c: c.update(images=3)),
    "an image twice": edit(lambda c: c["images"].append(c["images"][0])),
    "two images of one name": edit(lambda c: c["images"].append({**c["images"][0], "id": 9})),
    "a width of text": edit(lambda c: c["images"][0].update(width="40")),
    "no sha256": edit(lambda c: c["images"][0].pop("sha256")),
    "a class twice": edit(lambda c: c["categories"].append({"id": 9, "name": "dog"})),
    "a box of an unknown image": edit(lambda c: c["annotations"][0].update(image_id=9)),
    "a box of an unknown class": edit(lambda c: c["annotations"][0].update(category_id=9)),
    "a box of five numbers": edit(lambda c: c["annotations"][0]["bbox"].append(1)),
    "a box that is none": edit(lambda c: c["annotations"][0].update(bbox=None)),
    "a box of text": edit(lambda c: c["annotations"][0].update(bbox=["a", 1, 2, 3])),
    "a box not finite": edit(lambda c: c["annotations"][0].update(bbox=[0, float("nan"), 2, 3])),
    "a box outside": edit(lambda c: c["annotations"][0].update(bbox=[0, 0, 41, 3])),
    "a box turned round": edit(lambda c: c["annotations"][0].update(bbox=[9, 0, -1, 3])),
    "a huge id": edit(lambda c: c["images"][0].update(width=10**30)),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_told(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "instances.json"
    write_annotated(example(), path)
    path.write_text(json.dumps(DAMAGE[damage](json.loads(path.read_text()))))
    with pytest.raises(InputError) as error:
        read_annotated(path)
    assert str(error.value).startswith(f"{path}: expected what import_detections writes, got: ")
    assert "\n" not in str(error.value)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found no such file"):
        read_annotated(tmp_path / "none.json")
