"""COCO's run lengths: equal masks are equal, however they were written."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigil.domain.formats.reading.findings import Findings
from vigil.domain.mask_formats.coco import CocoMasks
from vigil.domain.mask_formats.masks import EMPTY
from vigil.domain.pictures.run_lengths import compress, mask_of, runs_of


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
