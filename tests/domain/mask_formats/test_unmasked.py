"""Objects without a usable mask are not taught as background."""

import json
from pathlib import Path
from typing import Any

import pytest

from vigil.domain.formats.reading.findings import MALFORMED, Findings, MalformedError
from vigil.domain.mask_formats.coco import CocoMasks
from vigil.domain.mask_formats.label_studio import NO_REGION, LabelStudioMasks
from vigil.domain.mask_formats.masks import EMPTY, FEW_POINTS, NO_MASK, OTHER_REGION, Masks
from vigil.domain.mask_formats.unmasked import BOXED, OTHER_CLASS, WITHOUT_BOX
from vigil.domain.pictures.run_lengths import area, box_of, decompress

WIDTH, HEIGHT = 40, 30
SQUARE = {"segmentation": [[5, 5, 15, 5, 15, 15, 5, 15]]}


def read_coco(
    folder: Path, findings: Findings, *annotations: dict[str, Any], malformed: Any = "error"
) -> Masks:
    """The masks of one picture with a right mask of a person and the given annotations."""
    usual = {"image_id": 1, "category_id": 1}
    content = {
        "images": [{"id": 1, "file_name": "a.png", "width": WIDTH, "height": HEIGHT}],
        "categories": [{"id": 1, "name": "person"}, {"id": 2, "name": "car"}],
        "annotations": [{**usual, **one} for one in (SQUARE, *annotations)],
    }
    (folder / "masks.json").write_text(json.dumps(content))
    return CocoMasks(folder / "masks.json", malformed, findings).read()


def ignored(masks: Masks) -> list[tuple[int, int, int, int]]:
    """The bounds of what counts neither way; each fills its bounds."""
    rows = masks.objects[masks.objects["is_crowd"] | masks.objects["is_difficult"]]
    found = [decompress(text) for text in rows["counts"]]
    bounds = [box_of(runs, HEIGHT) for runs in found]
    areas = [(x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in bounds]
    assert areas == [area(runs) for runs in found]
    return bounds


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({}, NO_MASK),
        ({"segmentation": []}, NO_MASK),
        ({"segmentation": None, "iscrowd": 1}, NO_MASK),
        ({"segmentation": [[1, 1, 9, 9]]}, FEW_POINTS),
        ({"segmentation": {"size": [HEIGHT, WIDTH], "counts": [WIDTH * HEIGHT]}}, EMPTY),
    ],
)
def test_the_box_of_an_annotation_without_a_mask_counts_neither_way(
    tmp_path: Path, entry: dict[str, Any], reason: str
):
    findings = Findings()
    masks = read_coco(tmp_path, findings, {**entry, "bbox": [20.5, 2, 10, 40]})
    assert ignored(masks) == [(20, 2, 31, HEIGHT)]
    assert masks.objects["is_crowd"].tolist() == [False, bool(entry.get("iscrowd"))]
    assert findings.counts == {reason: 1, BOXED: 1}


@pytest.mark.parametrize("damage", [{"iscrowd": 2}, {"segmentation": [[1, 1, 2]]}, {"ignore": 7}])
def test_a_malformed_annotation_that_is_dropped_leaves_its_box_to_be_ignored(
    tmp_path: Path, damage: dict[str, Any]
):
    broken = {**SQUARE, **damage, "bbox": [20, 2, 10, 10]}
    findings = Findings()
    assert ignored(read_coco(tmp_path, findings, broken, malformed="drop")) == [(20, 2, 30, 12)]
    assert findings.counts == {MALFORMED: 1, BOXED: 1}
    with pytest.raises(MalformedError):
        read_coco(tmp_path, Findings(), broken)


def test_a_turned_box_is_covered_whole(tmp_path: Path):
    turned = {"bbox": [17, 7, 6, 8], "attributes": {"rotation": 30.0}}
    assert ignored(read_coco(tmp_path, Findings(), turned)) == [(15, 6, 25, 16)]


@pytest.mark.parametrize("bbox", [None, [1, 2], [1, 2, "x", 4], [90, 2, 5, 5], [1e400, 2, 5, 5]])
def test_without_a_box_in_the_picture_it_is_counted(tmp_path: Path, bbox: object):
    findings = Findings()
    masks = read_coco(tmp_path, findings, {"bbox": bbox})
    assert len(masks.objects) == 1
    assert findings.counts == {NO_MASK: 1, WITHOUT_BOX: 1}


def test_a_class_without_any_mask_is_background(tmp_path: Path):
    findings = Findings()
    masks = read_coco(tmp_path, findings, {"category_id": 2, "bbox": [20, 2, 10, 10]})
    assert masks.objects["label"].tolist() == ["person"]
    assert findings.counts == {NO_MASK: 1, OTHER_CLASS: 1}
    assert findings[OTHER_CLASS][0].endswith("annotations 2: car")


def region(kind: str, value: dict[str, Any], label: str = "person") -> dict[str, Any]:
    size = {"original_width": WIDTH, "original_height": HEIGHT}
    return {"id": kind, "type": kind, "value": {**value, kind: [label]}, **size}


SHAPE = region("polygonlabels", {"points": [[10, 10], [40, 10], [40, 60], [10, 60]]})


def read_export(folder: Path, findings: Findings, *results: dict[str, Any]) -> Masks:
    annotation = {"was_cancelled": False, "result": list(results)}
    task = {"id": 1, "data": {"image": "/data/upload/1/a.png"}, "annotations": [annotation]}
    (folder / "export.json").write_text(json.dumps([task]))
    return LabelStudioMasks(folder / "export.json", "error", findings).read()


@pytest.mark.parametrize(
    ("kind", "value", "box"),
    [
        ("rectanglelabels", {"x": 50, "y": 20, "width": 25, "height": 40}, (20, 6, 30, 18)),
        # Turned by a quarter about its upper left corner, it lies to the left of it.
        (
            "rectanglelabels",
            {"x": 50, "y": 20, "width": 25, "height": 40, "rotation": 90},
            (8, 6, 20, 16),
        ),
        ("ellipselabels", {"x": 50, "y": 50, "radiusX": 10, "radiusY": 30}, (16, 6, 24, 24)),
        (
            "ellipselabels",
            {"x": 50, "y": 50, "radiusX": 10, "radiusY": 30, "rotation": 90},
            (11, 11, 29, 19),
        ),
        (
            "vectorlabels",
            {"vertices": [{"x": 50, "y": 20}, {"x": 75, "y": 20}, {"x": 60, "y": 60}]},
            (20, 6, 30, 18),
        ),
    ],
)
def test_the_box_around_another_region_counts_neither_way(
    tmp_path: Path, kind: str, value: dict[str, Any], box: tuple[int, int, int, int]
):
    findings = Findings()
    masks = read_export(tmp_path, findings, SHAPE, region(kind, value))
    assert ignored(masks) == [box]
    assert masks.objects["is_difficult"].tolist() == [False, True]
    assert findings.counts == {OTHER_REGION: 1, BOXED: 1}


@pytest.mark.parametrize(
    "other",
    [
        region("bitmasklabels", {"imageDataURL": "data:image/png;base64,xx"}),
        region("keypointlabels", {"x": 1, "y": 1, "width": 1}),
        region("rectanglelabels", {"x": 1, "y": 1, "width": 5}),
        region("rectanglelabels", {"x": 1, "y": 1, "width": 5, "height": 5})
        | {"image_rotation": 90},
    ],
)
def test_a_region_without_a_box_is_counted(tmp_path: Path, other: dict[str, Any]):
    findings = Findings()
    assert len(read_export(tmp_path, findings, SHAPE, other).objects) == 1
    assert findings.counts == {OTHER_REGION: 1, WITHOUT_BOX: 1}


def test_results_that_mark_no_region_are_no_objects(tmp_path: Path):
    """So `invalid_masks: error` refuses no export with a choice, or with labels of their own."""
    findings = Findings()
    bare = {**SHAPE, "type": "polygon", "value": {"points": SHAPE["value"]["points"]}}
    labels = {"id": SHAPE["id"], "type": "labels", "value": {"labels": ["person"]}}
    choice = {"id": "c", "type": "choices", "value": {"choices": ["night"]}}
    masks = read_export(tmp_path, findings, bare, labels, choice)
    assert masks.objects["label"].tolist() == ["person"]
    assert findings.counts == {NO_REGION: 1}
