"""Compares COCO's numbers with COCO's own code, and tests all that uses the same matching."""

import contextlib
import gc
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from vigil.domain.boxes import CORNERS
from vigil.domain.detections import DETECTION_COLUMNS, write_results
from vigil.domain.measures.detector import (
    NEARLY_BEST,
    average_precision_by_height,
    best_score,
    f1_by_picture,
    match,
    measure_at_score,
    measure_detections,
    precision_recall,
    thin,
)
from vigil.domain.pictures.annotated import AnnotatedPictures, write_annotated

CLASSES = ("bike", "human")
NOTHING = pd.DataFrame(columns=DETECTION_COLUMNS).astype(
    dict.fromkeys(DETECTION_COLUMNS, float) | {"image": str, "label": str}
)


def truth_of(rows: list[tuple], num_pictures: int) -> AnnotatedPictures:
    """Rows are picture, label, x1, y1, x2, y2, is_crowd, is_difficult."""
    images = pd.DataFrame(
        {
            "file_name": [f"{number}.jpg" for number in range(num_pictures)],
            "width": 200,
            "height": 200,
            "video": "",
            "frame_index": -1,
            "sha256": "",
        }
    )
    named = [(f"{number}.jpg", *rest) for number, *rest in rows]
    boxes = pd.DataFrame(named, columns=["image", "label", *CORNERS, "is_crowd", "is_difficult"])
    return AnnotatedPictures.of(images, boxes, CLASSES)


def found_of(rows: list[tuple]) -> pd.DataFrame:
    """Rows are picture, label, score, x1, y1, x2, y2."""
    if not rows:
        return NOTHING
    named = [(f"{number}.jpg", *rest) for number, *rest in rows]
    return pd.DataFrame(named, columns=DETECTION_COLUMNS)


def random_case(seed: int, num_pictures: int, most: int) -> tuple[AnnotatedPictures, pd.DataFrame]:
    """Objects of all sizes, some to be ignored, and detections around and beside them."""
    rng = np.random.default_rng(seed)
    true, found = [], []
    for picture in range(num_pictures):
        for _ in range(rng.integers(0, most + 1)):
            corner = rng.uniform(0, 150, 2)
            size = rng.uniform(2, 50, 2) * rng.choice([0.4, 1, 3])
            box = np.clip([*corner, *(corner + size)], 0, 200)
            label = str(rng.choice(CLASSES))
            kind = rng.uniform()
            true.append((picture, label, *box, kind < 0.1, 0.1 <= kind < 0.15))
            for _ in range(rng.integers(0, 3)):
                near = np.clip(box + rng.normal(0, 4, 4), 0, 200)
                near[2:] = np.maximum(near[2:], near[:2] + 1)
                other = label if rng.uniform() < 0.9 else str(rng.choice(CLASSES))
                found.append((picture, other, float(rng.uniform()), *near))
        for _ in range(rng.integers(0, 3)):
            corner = rng.uniform(0, 150, 2)
            score = float(rng.uniform())
            found.append((picture, str(rng.choice(CLASSES)), score, *corner, *(corner + 30)))
    return truth_of(true, num_pictures), found_of(found)


def measure_with_pycocotools(
    truth: AnnotatedPictures, found: pd.DataFrame
) -> dict[str, float | None]:
    """Written independently of the module: plain COCO dictionaries into COCO's own code."""
    numbers = {name: number for number, name in enumerate(truth.images.index, start=1)}
    labels = {label: number for number, label in enumerate(CLASSES, start=1)}
    coco = COCO()
    coco.dataset = {
        "images": [{"id": number} for number in numbers.values()],
        "categories": [{"id": number, "name": label} for label, number in labels.items()],
        "annotations": [
            {
                "id": number,
                "image_id": numbers[row.image],
                "category_id": labels[row.label],
                "bbox": [row.x1, row.y1, row.x2 - row.x1, row.y2 - row.y1],
                "area": (row.x2 - row.x1) * (row.y2 - row.y1),
                "iscrowd": int(row.is_crowd or row.is_difficult),
            }
            for number, row in enumerate(truth.boxes.itertuples(), start=1)
        ],
    }
    results = [
        {
            "image_id": numbers[row.image],
            "category_id": labels[row.label],
            "bbox": [row.x1, row.y1, row.x2 - row.x1, row.y2 - row.y1],
            "score": row.score,
        }
        for row in found.itertuples()
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
        if results:
            loaded = coco.loadRes(results)
        else:  # which loadRes refuses
            loaded = COCO()
            loaded.dataset = {**coco.dataset, "annotations": []}
            loaded.createIndex()
        run = COCOeval(coco, loaded, "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    names = ("map", "map_50", "map_75", "map_small", "map_medium", "map_large")
    values = dict(zip(names, run.stats[:6], strict=True)) | {"mar_100": run.stats[8]}
    for number, label in enumerate(truth.classes):
        known = run.eval["precision"][:, :, number, 0, -1]
        values[label] = known[known > -1].mean() if (known > -1).any() else -1
    return {name: None if value == -1 else float(value) for name, value in values.items()}


@given(st.integers(0, 2**31), st.integers(1, 12), st.integers(0, 6))
@settings(max_examples=60, deadline=None)
def test_the_numbers_are_pycocotools_own(seed: int, num_pictures: int, most: int):
    truth, found = random_case(seed, num_pictures, most)
    ours = measure_detections(truth, found, decimals=None)
    ours |= ours.pop("ap_by_class")
    for name, value in measure_with_pycocotools(truth, found).items():
        assert (ours[name] is None) == (value is None), name
        if value is not None:
            assert ours[name] == pytest.approx(value, abs=1e-6), name


def test_nothing_found_is_zero_and_nothing_there_is_none():
    truth = truth_of([(0, "human", 10, 10, 50, 50, False, False)], 2)
    measured = measure_detections(truth, NOTHING)
    assert measured["map"] == measured["map_50"] == measured["mar_100"] == 0.0
    assert measured["map_medium"] == 0.0
    assert measured["map_small"] is None
    assert measured["ap_by_class"] == {"bike": None, "human": 0.0}
    empty = measure_detections(truth_of([], 1), NOTHING)
    assert empty["map"] is None
    some = measure_detections(truth_of([], 1), found_of([(0, "human", 0.9, 0, 0, 9, 9)]))
    assert some["map"] is None
    assert precision_recall(truth, NOTHING).empty
    assert best_score(precision_recall(truth, NOTHING)) == 0.5
    assert measure_at_score(truth, NOTHING, 0.5) == {"precision": 0, "recall": 0, "f1": 0}


def matched_by_pycocotools(truth: AnnotatedPictures, found: pd.DataFrame) -> dict[tuple, str]:
    """Outcome of each detection, by picture, label and score, at IoU 0.5."""
    numbers = {name: number for number, name in enumerate(truth.images.index, start=1)}
    outcomes = {}
    for label in CLASSES:
        own_truth = truth.boxes[truth.boxes["label"] == label]
        own_found = found[found["label"] == label]
        if own_found.empty:
            continue
        coco = COCO()
        coco.dataset = {
            "images": [{"id": number} for number in numbers.values()],
            "categories": [{"id": 1}],
            "annotations": [
                {
                    "id": number,
                    "image_id": numbers[row.image],
                    "category_id": 1,
                    "bbox": [row.x1, row.y1, row.x2 - row.x1, row.y2 - row.y1],
                    "area": 1.0,
                    "iscrowd": int(row.is_crowd or row.is_difficult),
                }
                for number, row in enumerate(own_truth.itertuples(), start=1)
            ],
        }
        results = [
            {
                "image_id": numbers[row.image],
                "category_id": 1,
                "bbox": [row.x1, row.y1, row.x2 - row.x1, row.y2 - row.y1],
                "score": row.score,
            }
            for row in own_found.itertuples()
        ]
        with contextlib.redirect_stdout(io.StringIO()):
            coco.createIndex()
            run = COCOeval(coco, coco.loadRes(results), "bbox")
            run.params.iouThrs = np.array([0.5])
            run.params.areaRng = [[0, 1e10]]
            run.evaluate()
        for picture in filter(None, run.evalImgs):
            name = truth.images.index[picture["image_id"] - 1]
            for score, matched, ignored in zip(
                picture["dtScores"], picture["dtMatches"][0], picture["dtIgnore"][0], strict=True
            ):
                outcome = "ignored" if ignored else "right" if matched else "wrong"
                outcomes[(name, label, score)] = outcome
    return outcomes


@given(st.integers(0, 2**31), st.integers(1, 8), st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_matching_is_pycocotools_own(seed: int, num_pictures: int, most: int):
    truth, found = random_case(seed, num_pictures, most)
    outcome = match(truth, found)
    expected = matched_by_pycocotools(truth, found)
    ours = {(row.image, row.label, row.score): row.outcome for row in outcome.itertuples()}
    assert ours == expected
    right = outcome[outcome["outcome"] == "right"]
    assert right["object"].is_unique
    for row in right.itertuples():
        own = truth.boxes.loc[row.object]
        assert (own["image"], own["label"]) == (row.image, row.label)


@given(st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_the_best_score_is_nearly_the_best_of_all(seed: int):
    truth, found = random_case(seed, 6, 4)
    curve = precision_recall(truth, found)
    if curve.empty:
        return
    best = measure_at_score(truth, found, best_score(curve))["f1"]
    others = [measure_at_score(truth, found, score)["f1"] for score in curve["score"]]
    assert best >= NEARLY_BEST * max(others) - 1e-3
    assert (np.diff(curve["recall"]) >= 0).all()
    assert (np.diff(curve["score"]) < 0).all()


@pytest.mark.parametrize(
    ("f1", "chosen"),
    [
        ([0.2, 0.9, 0.5], 0.8),  # a peak
        ([0.89, 0.9, 0.89, 0.3], 0.8),  # 0.9 to 0.7
        ([0.89, 0.5, 0.9, 0.895], 0.65),  # 0.7 and 0.6; the first is another range
        ([0.9, 0.9, 0.9, 0.9], 0.75),
        ([0.0, 0.0, 0.0, 0.0], 0.75),
        ([0.4], 0.9),
    ],
)
def test_the_best_score_is_the_middle_of_the_range_of_nearly_the_best_f1(
    f1: list[float], chosen: float
):
    curve = pd.DataFrame({"score": [0.9, 0.8, 0.7, 0.6][: len(f1)], "f1": f1})
    assert best_score(curve) == pytest.approx(chosen)


def test_precision_and_recall_by_hand():
    truth = truth_of(
        [
            (0, "human", 0, 0, 10, 10, False, False),
            (0, "human", 50, 50, 60, 60, False, False),
            (0, "human", 100, 100, 150, 150, True, False),
        ],
        1,
    )
    found = found_of(
        [
            (0, "human", 0.9, 0, 0, 10, 10),  # right
            (0, "human", 0.8, 0, 0, 10, 9),  # again: wrong
            (0, "human", 0.7, 110, 110, 120, 120),  # in the crowd: neither
            (0, "bike", 0.6, 50, 50, 60, 60),  # of another class: wrong
        ]
    )
    assert match(truth, found)["outcome"].tolist() == ["right", "wrong", "ignored", "wrong"]
    assert measure_at_score(truth, found, 0.85) == {"precision": 1, "recall": 0.5, "f1": 0.667}
    assert measure_at_score(truth, found, 0.0) == {"precision": 0.333, "recall": 0.5, "f1": 0.4}
    assert f1_by_picture(truth, match(truth, found)).tolist() == [0.4]


def test_a_picture_with_nothing_to_find_and_nothing_found_has_no_f1():
    truth = truth_of([(0, "human", 0, 0, 10, 10, False, False)], 3)
    outcome = match(truth, found_of([(1, "human", 0.9, 0, 0, 10, 10)]))
    assert f1_by_picture(truth, outcome).tolist() == pytest.approx([0.0, 0.0, np.nan], nan_ok=True)


def test_average_precision_by_height_takes_each_band_alone():
    truth = truth_of(
        [
            (0, "human", 0, 0, 10, 15, False, False),
            (0, "human", 50, 50, 70, 85, False, False),
            (0, "human", 100, 100, 120, 138, False, False),
        ],
        1,
    )
    found = found_of([(0, "human", 0.9, 50, 50, 70, 85), (0, "human", 0.8, 0, 0, 9, 15)])
    table = average_precision_by_height(truth, found, 20)
    assert table["height_from_px"].tolist() == [0, 20]
    assert table["num_objects"].tolist() == [1, 2]
    assert table["map_50"].tolist() == pytest.approx([1.0, 0.505], abs=0.01)
    assert table["map"].tolist()[0] < 1.0


def test_results_of_some_pictures_are_what_coco_loads_for_the_whole_set(tmp_path: Path):
    known, found = random_case(3, 8, 4)
    chosen = list(known.images.index[3:])
    truth, found = known.select(chosen), found[found["image"].isin(chosen)]
    write_annotated(known, tmp_path / "instances.json")
    write_results(known, found, tmp_path / "detections.json")
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(tmp_path / "instances.json"))
        run = COCOeval(coco, coco.loadRes(str(tmp_path / "detections.json")), "bbox")
        names = {image["file_name"]: image["id"] for image in coco.dataset["images"]}
        run.params.imgIds = [names[name] for name in chosen]
        run.evaluate()
        run.accumulate()
        run.summarize()
    assert measure_detections(truth, found)["map"] == pytest.approx(run.stats[0], abs=1e-3)


def test_results_hold_the_boxes_of_the_detections(tmp_path: Path):
    truth, found = random_case(3, 5, 4)
    write_results(truth, found, tmp_path / "detections.json")
    entries = json.loads((tmp_path / "detections.json").read_text())
    assert len(entries) == len(found)
    first = found.iloc[0]
    x, y, width, height = entries[0]["bbox"]
    assert [x, y] == pytest.approx([first["x1"], first["y1"]], abs=0.01)
    assert [width, height] == pytest.approx(
        [first["x2"] - first["x1"], first["y2"] - first["y1"]], abs=0.01
    )


def test_a_thinned_curve_keeps_its_ends():
    truth, found = random_case(5, 40, 6)
    curve = precision_recall(truth, found)
    thinned = thin(curve, 20)
    assert len(thinned) <= 20
    assert thinned["recall"].max() == pytest.approx(curve["recall"].max(), abs=1e-4)
    assert len(thin(curve, 10_000)) == len(curve)


@pytest.mark.parametrize("is_on", [True, False])
def test_a_measure_leaves_the_garbage_collector_as_it_was(is_on: bool):
    truth, detections = random_case(seed=0, num_pictures=2, most=3)
    try:
        gc.enable() if is_on else gc.disable()
        measure_detections(truth, detections)
        assert gc.isenabled() == is_on
    finally:
        gc.enable()
