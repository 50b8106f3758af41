"""Which annotation of a task counts, and regions that cannot be placed."""

import json
from pathlib import Path
from typing import Any

import pytest

from vigil.domain.formats.reading.findings import Findings
from vigil.domain.mask_formats.label_studio import OTHER_ANNOTATION, LabelStudioMasks
from vigil.domain.mask_formats.masks import EMPTY, Masks
from vigil.domain.pictures.run_lengths import box_of, decompress
from vigil.plumbing.errors import InputError


def region(left: float, **more: Any) -> dict[str, Any]:
    points = [[left, 10], [left + 30, 10], [left + 30, 60], [left, 60]]
    value = {"points": points, "polygonlabels": ["person"], "closed": True}
    size = {"original_width": 50, "original_height": 40}
    return {"id": f"r{left}", "type": "polygonlabels", "value": value, **size, **more}


def annotation(*regions: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"was_cancelled": False, "result": list(regions), **more}


def read(folder: Path, findings: Findings, *annotations: dict[str, Any]) -> Masks:
    task = {"id": 1, "data": {"image": "/data/upload/1/a.png"}, "annotations": list(annotations)}
    (folder / "export.json").write_text(json.dumps([task]))
    return LabelStudioMasks(folder / "export.json", "error", findings).read()


def lefts(masks: Masks) -> list[int]:
    return sorted(box_of(decompress(text), 40)[0] for text in masks.objects["counts"])


def test_the_ground_truth_counts(tmp_path: Path):
    findings = Findings()
    masks = read(
        tmp_path, findings, annotation(region(10)), annotation(region(40), ground_truth=True)
    )
    assert lefts(masks) == [20]
    assert findings.counts == {OTHER_ANNOTATION: 1}


def test_annotations_that_differ_are_an_error(tmp_path: Path):
    two = annotation(region(10)), annotation(region(40))
    with pytest.raises(InputError, match=r"task 1: expected one annotation.* got 2 that differ"):
        read(tmp_path, Findings(), *two)
    two_truths = [{**one, "ground_truth": True} for one in two]
    with pytest.raises(InputError, match="got 2 that differ"):
        read(tmp_path, Findings(), *two_truths)


def test_annotations_that_are_alike_count_once(tmp_path: Path):
    first = annotation(region(10), region(40))
    renamed = [{**one, "id": "other"} for one in (region(40), region(10))]
    assert lefts(read(tmp_path, Findings(), first, annotation(*renamed))) == [5, 20]


def test_a_cancelled_annotation_does_not_count(tmp_path: Path):
    cancelled = annotation(region(40)) | {"was_cancelled": True}
    assert lefts(read(tmp_path, Findings(), cancelled, annotation(region(10)))) == [5]


@pytest.mark.parametrize("degrees", [90, 180, -90])
def test_a_region_of_a_turned_picture_is_refused(tmp_path: Path, degrees: int):
    turned = annotation(region(10, image_rotation=degrees))
    with pytest.raises(InputError, match=f"turned by {degrees} degrees"):
        read(tmp_path, Findings(), turned)
    assert lefts(read(tmp_path, Findings(), annotation(region(10, image_rotation=0)))) == [5]


def test_a_polygon_without_a_pixel_is_counted_and_left_out(tmp_path: Path):
    flat = region(10)
    flat["value"]["points"] = [[10, 10], [40, 10], [70, 10]]
    findings = Findings()
    assert lefts(read(tmp_path, findings, annotation(flat, region(40)))) == [20]
    assert findings.counts == {EMPTY: 1}
