"""COCO's run lengths: equal masks are equal, however they were written."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigil.domain.formats.reading.findings import Findings
from vigil.domain.mask_formats.coco import OTHER_BOX, CocoMasks
from vigil.domain.mask_formats.masks import EMPTY
from vigil.domain.pictures.run_lengths import compress, mask_of, runs_of
from vigil.plumbing.errors import InputError


def read(folder: Path, all_counts: list[object], size_hw: tuple[int, int], findings: Findings):
    """The masks of one picture with an annotation for each run lengths."""
    height, width = size_hw
    content = {
        "images": [{"id": 1, "file_name": "a.png", "width": width, "height": height}],
        "categories": [{"id": 1, "name": "person"}],
        "annotations": [
            {
                "id": number,
                "image_id": 1,
                "category_id": 1,
                "iscrowd": 0,
                "segmentation": {"size": [height, width], "counts": counts},
            }
            for number, counts in enumerate(all_counts)
        ],
    }
    (folder / "masks.json").write_text(json.dumps(content))
    return CocoMasks(folder / "masks.json", "error", findings).read().objects["counts"].tolist()


@given(runs=st.lists(st.integers(0, 4), min_size=1, max_size=20).filter(sum))
def test_runs_of_no_pixels_change_neither_the_mask_nor_its_text(
    tmp_path_factory: pytest.TempPathFactory, runs: list[int]
) -> None:
    size_hw = (sum(runs), 1)
    mask = mask_of(np.array(runs), size_hw)
    findings = Findings()
    found = read(tmp_path_factory.mktemp("a"), [runs, compress(np.array(runs))], size_hw, findings)
    expected = [compress(runs_of(mask))] * 2 if mask.any() else []
    assert found == expected
    assert len(findings[EMPTY]) == (0 if mask.any() else 2)


def read_polygons(
    folder: Path, *annotations: dict[str, object], size_wh: tuple[int, int] = (40, 30)
) -> dict[str, int]:
    """The findings of a file with annotations of one picture."""
    content = {
        "images": [{"id": 1, "file_name": "a.png", "width": size_wh[0], "height": size_wh[1]}],
        "categories": [{"id": 1, "name": "person"}],
        "annotations": [{"image_id": 1, "category_id": 1, **one} for one in annotations],
    }
    (folder / "masks.json").write_text(json.dumps(content))
    findings = Findings()
    CocoMasks(folder / "masks.json", "error", findings).read()
    return findings.counts


SHARES = {"segmentation": [[0, 0.1, 0.5, 0.1, 1, 0.5]]}
SQUARE = {"segmentation": [[5, 5, 15, 5, 15, 15, 5, 15]]}


def test_polygons_in_shares_of_the_sides_are_refused(tmp_path: Path):
    with pytest.raises(
        InputError, match=r"masks\.json: expected polygons in px, got corners from 0"
    ):
        read_polygons(tmp_path, SHARES, SHARES)
    read_polygons(tmp_path, SHARES, SQUARE)
    read_polygons(tmp_path, {"segmentation": [[0, 0, 1, 0, 1, 1, 0, 1]]})


@pytest.mark.parametrize(
    ("bbox", "contradicts"),
    [
        ([5, 5, 10, 10], False),
        ([5, 5, 9, 9], False),
        ([0, 0, 0, 0], False),
        ([3, 3, 13, 13], False),
        ([5, 5, 15, 15], True),  # two corners instead of width and height
        ([20, 20, 5, 5], True),
        ([5, 5, -10, -10], True),
    ],
)
def test_a_bbox_that_contradicts_the_mask_is_counted(
    tmp_path: Path, bbox: list[float], contradicts: bool
):
    assert read_polygons(tmp_path, {**SQUARE, "bbox": bbox}).get(OTHER_BOX, 0) == contradicts


def test_of_a_mask_of_few_pixels_a_bbox_may_be_off_by_a_rounding(tmp_path: Path):
    small = {"segmentation": [[5, 5, 7, 5, 7, 7, 5, 7]], "bbox": [5.9, 5.9, 2, 2]}
    assert read_polygons(tmp_path, small) == {}
