"""Masks as strokes of Label Studio's brush, and back through the reader of its exports."""

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from label_studio_sdk.converter.brush import decode_rle, mask2rle
from tiny_detections import detection_set

from vigil.domain.formats.reading.findings import Findings
from vigil.domain.mask_formats.brush import decode_brush, encode_brush
from vigil.domain.mask_formats.label_studio import LabelStudioMasks
from vigil.domain.mask_proposals import mask_config, propose_masks
from vigil.domain.pictures.run_lengths import compress, runs_of
from vigil.domain.proposals import served_address
from vigil.settings.proposals import Proposals

MASKS = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40))


@given(MASKS)
def test_a_stroke_is_read_as_it_was_by_vigil_and_by_label_studio(mask: np.ndarray):
    numbers = encode_brush(mask)
    height, width = mask.shape
    assert (decode_brush(numbers, (width, height)) == mask).all()
    theirs = decode_rle(numbers).reshape(height, width, 4)
    assert (theirs == 255 * mask[..., None]).all()


@pytest.mark.parametrize("size_hw", [(128, 128), (300, 257), (1, 16384), (512, 640)])
def test_runs_longer_than_the_longest_length_are_split(size_hw: tuple[int, int]):
    for mask in (np.zeros(size_hw, bool), np.ones(size_hw, bool)):
        mask[0, 0] = True
        height, width = size_hw
        numbers = encode_brush(mask)
        assert (decode_brush(numbers, (width, height)) == mask).all()
        theirs = decode_rle(numbers).reshape(height, width, 4)[..., 3] > 0
        assert (theirs == mask).all()


def test_a_stroke_is_not_longer_than_label_studios():
    rng = np.random.default_rng(0)
    mask = np.zeros((120, 160), bool)
    mask[20:90, 30:100] = rng.uniform(size=(70, 70)) < 0.95
    assert len(encode_brush(mask)) <= len(mask2rle((255 * mask).astype(np.uint8)))


NAMES = ("a.jpg", "day 1/b & c.png", "é 東.jpg", "empty.png")


def masks_in(name: str) -> list[tuple[str, np.ndarray]]:
    rng = np.random.default_rng(len(name))
    number = 0 if name == "empty.png" else 1 + int(rng.integers(3))
    return [
        (str(rng.choice(["dog", "é"])), rng.uniform(size=(30, 40)) < 0.5) for _ in range(number)
    ]


@pytest.mark.parametrize("address", ["local_files", "upload"])
def test_proposed_masks_come_back_from_an_export(address: str, tmp_path: Path):
    """An annotator accepts all of them. Uploads have no folders."""
    names = [name for name in NAMES if address == "local_files" or "/" not in name]
    known = detection_set(
        [{"file_name": name, "width": 40, "height": 30} for name in names], [], "dog", "é"
    )
    rows = [
        (name, label, 0.25, compress(runs_of(mask)))
        for name in names
        for label, mask in [*masks_in(name), ("dog", np.zeros((30, 40), bool))]
    ]
    table = pd.DataFrame(rows, columns=["image", "label", "score", "counts"])
    settings = Proposals(address=address, folder="")
    tasks = propose_masks(
        known,
        table.iloc[::-1],  # in any order of pictures
        address=lambda name: served_address(name, settings),
        model_version="vigil-0",
    )
    for task in tasks:
        (prediction,) = task.pop("predictions")
        assert prediction["score"] in (0.0, 0.25)
        assert len({one["id"] for one in prediction["result"]}) == len(prediction["result"])
        task["annotations"] = [{"was_cancelled": False, "result": prediction["result"]}]
    file = tmp_path / "export.json"
    file.write_text(json.dumps(tasks))
    findings = Findings()
    read = LabelStudioMasks(file, "error", findings).read()
    assert findings.counts == {}
    assert set(read.pictures["file_name"]) == set(names)
    for name in names:
        own = read.objects[read.objects["image"] == name]
        found = list(zip(own["label"], own["counts"], strict=True))
        given_masks = [(label, compress(runs_of(mask))) for label, mask in masks_in(name)]
        assert sorted(found) == sorted(given_masks)


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])), max_size=4))
def test_the_interface_names_all_classes(labels: list[str]):
    tree = ElementTree.fromstring(mask_config(labels))
    image, brush = tree.find("Image"), tree.find("BrushLabels")
    assert image is not None
    assert brush is not None
    assert brush.get("toName") == image.get("name") == "image"
    assert [label.get("value") for label in brush] == labels
