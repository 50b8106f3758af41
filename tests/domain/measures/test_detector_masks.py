"""mAP by the IoU of masks, against pycocotools on the files that stages write."""

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from vigil.domain.boxes import CORNERS
from vigil.domain.detections import DETECTION_COLUMNS, read_results, write_results
from vigil.domain.measures.detector import measure_detections, measure_masks
from vigil.domain.pictures.annotated import (
    COUNTS,
    AnnotatedPictures,
    read_annotated,
    write_annotated,
)
from vigil.domain.pictures.run_lengths import box_of, compress, runs_of

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
"""pycocotools asks numpy in an old way."""
SIZE_HW = (40, 60)
FLAGS = ("is_crowd", "is_difficult")


def blob(rng: np.random.Generator) -> np.ndarray:
    """A rectangle with holes, never empty."""
    mask = np.zeros(SIZE_HW, bool)
    y, x = rng.integers(0, 30), rng.integers(0, 50)
    mask[y : y + rng.integers(2, 25), x : x + rng.integers(2, 40)] = True
    mask &= rng.uniform(size=SIZE_HW) < rng.choice([0.7, 1.0])
    mask[y, x] = True
    return mask


def row_of(mask: np.ndarray) -> tuple:
    runs = runs_of(mask)
    return (*box_of(runs, SIZE_HW[0]), compress(runs))


def random_case(
    seed: int, classes: tuple[str, ...], num_pictures: int, most: int
) -> tuple[AnnotatedPictures, pd.DataFrame]:
    """Objects, some to be ignored, and detections around and beside them."""
    rng = np.random.default_rng(seed)
    true, found = [], []
    for picture in range(num_pictures):
        name = f"{picture}.png"
        for _ in range(rng.integers(0, most + 1)):
            mask, label = blob(rng), str(rng.choice(classes))
            kind = rng.uniform()
            true.append((name, label, *row_of(mask), kind < 0.1, 0.1 <= kind < 0.2))
            for _ in range(rng.integers(0, 3)):
                # Shifted, and with some pixels changed.
                near = np.roll(mask, rng.integers(-2, 3, 2), (0, 1))
                near = near ^ (rng.uniform(size=SIZE_HW) < 0.02)
                found.append((name, label, float(rng.uniform()), *row_of(near)))
        if rng.uniform() < 0.5:
            empty = np.zeros(SIZE_HW, bool)
            found.append((name, str(rng.choice(classes)), float(rng.uniform()), *row_of(empty)))
    images = pd.DataFrame(
        {
            "file_name": [f"{picture}.png" for picture in range(num_pictures)],
            **{"height": SIZE_HW[0], "width": SIZE_HW[1], "video": "", "frame_index": -1},
            "sha256": "",
        }
    )
    boxes = pd.DataFrame(true, columns=["image", "label", *CORNERS, COUNTS, *FLAGS])
    table = pd.DataFrame(found, columns=[*DETECTION_COLUMNS, COUNTS])
    return AnnotatedPictures.of(images, boxes, classes), table.astype({"image": str, "label": str})


def by_pycocotools(truth: Path, results: Path) -> dict[str, float | None]:
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(truth))
        for entry in coco.dataset["annotations"]:  # COCO has one reason to ignore an object
            entry["iscrowd"] = entry["iscrowd"] or entry["ignore"]
        coco.createIndex()
        if json.loads(results.read_text()):
            loaded = coco.loadRes(str(results))
        else:  # which loadRes refuses
            loaded = COCO()
            loaded.dataset = {**coco.dataset, "annotations": []}
            loaded.createIndex()
        run = COCOeval(coco, loaded, "segm")
        run.evaluate()
        run.accumulate()
        run.summarize()
    values = {"segm_map": run.stats[0], "segm_map_50": run.stats[1]}
    return {name: None if value == -1 else float(value) for name, value in values.items()}


@pytest.mark.parametrize(
    ("classes", "num_pictures", "most"),
    [(("bike", "human"), 6, 5), (("human",), 4, 3), (("bike", "human"), 3, 0), (("human",), 1, 1)],
    ids=["random", "one class", "no object", "one object"],
)
@pytest.mark.parametrize("seed", range(12))
def test_the_numbers_are_pycocotools_own(
    seed: int, classes: tuple[str, ...], num_pictures: int, most: int, tmp_path: Path
):
    truth, table = random_case(seed, classes, num_pictures, most)
    write_annotated(truth, tmp_path / "truth.json")
    write_results(truth, table, tmp_path / "found.json")
    if len(truth.boxes):
        again = read_annotated(tmp_path / "truth.json")
        pd.testing.assert_frame_equal(again.boxes, truth.boxes)
    read = read_results(truth, tmp_path / "found.json")
    assert (COUNTS in read) == (len(table) > 0)
    read = read if len(table) else table
    ours = measure_masks(truth, read, decimals=None)
    expected = by_pycocotools(tmp_path / "truth.json", tmp_path / "found.json")
    assert ours.keys() == expected.keys()
    for name, value in expected.items():
        assert ours[name] == (None if value is None else pytest.approx(value, abs=1e-6)), name
    assert measure_detections(truth, read).keys().isdisjoint(ours)


def test_nothing_found_is_zero_and_the_truth_as_found_is_one():
    truth, table = random_case(3, ("human",), 4, 3)
    assert measure_masks(truth, table.iloc[:0]) == {"segm_map": 0.0, "segm_map_50": 0.0}
    perfect = truth.boxes.assign(score=0.5)
    assert measure_masks(truth, perfect) == {"segm_map": 1.0, "segm_map_50": 1.0}


def test_a_detection_with_the_right_box_and_another_mask_is_wrong():
    truth, _ = random_case(3, ("human",), 4, 3)
    corners = np.eye(SIZE_HW[0], SIZE_HW[1], dtype=bool)
    other = truth.boxes.assign(score=0.5, counts=compress(runs_of(corners)))
    assert measure_detections(truth, other)["map"] == 1.0
    assert measure_masks(truth, other) == {"segm_map": 0.0, "segm_map_50": 0.0}


@pytest.mark.parametrize("of_truth", [True, False], ids=["detections alone", "objects alone"])
def test_without_masks_on_both_sides_nothing_is_measured(of_truth: bool):
    truth, table = random_case(3, ("human",), 4, 3)
    without = AnnotatedPictures(truth.images, truth.boxes.drop(columns=COUNTS), truth.classes)
    if of_truth:
        assert measure_masks(without, table) == {}
    else:
        assert measure_masks(truth, table.drop(columns=COUNTS)) == {}
