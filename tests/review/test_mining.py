"""Hard examples are mined on the training side alone."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from vigil.domain.boxes import CORNERS
from vigil.domain.detections import DETECTION_COLUMNS, NAME, write_results
from vigil.domain.detector_score import write_score
from vigil.domain.hard_examples import read_hard_examples
from vigil.domain.pictures.annotated import (
    BOX_DTYPES,
    IMAGE_DTYPES,
    AnnotatedPictures,
    write_annotated,
)
from vigil.domain.samples.predictions import write_predictions
from vigil.domain.sides import SIDES
from vigil.plumbing.errors import InputError
from vigil.plumbing.records import write_json
from vigil.review.mining import mine

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    write_classifier()
    write_detector()


def write_classifier() -> None:
    """Each side has a video whose every sample is wrong."""
    rows: list[dict[str, Any]] = []
    for side in SIDES:
        for row, (label, probability) in enumerate([("person", 0.1), ("background", 0.8)]):
            facts = {"video": f"{side}.mp4", "row": row, "label": label, "track": ""}
            sizes = {"first_frame": 0, "num_frames": 4, "width_px": 9.0, "height_px": 20.0}
            rows.append(facts | sizes | {"split": side, "probability": probability})
        names = [f"{side}.mp4/{row}" for row in range(2)]
        write_json(names, Path(f"data/splits/classifier/{side}.json"))
    folder = Path("data/predictions/classifier")
    folder.mkdir(parents=True)
    write_predictions(pd.DataFrame(rows), folder)


def write_detector() -> None:
    """Each side has a picture with a missed object and a false alarm."""
    names = [f"{side}.jpg" for side in SIDES]
    images = pd.DataFrame([(n, 90, 90, "", -1, n) for n in names], columns=list(IMAGE_DTYPES))
    images = images.set_index(pd.Index(names, name="id"))
    boxes = [(name, "human", 0, 0, 20, 40, False, False) for name in names]
    table = pd.DataFrame(boxes, columns=list(BOX_DTYPES)).astype(BOX_DTYPES)
    known = AnnotatedPictures(images, table, ("human",))
    Path("data/detection").mkdir(parents=True)
    write_annotated(known, Path("data/detection/instances.json"))
    found = [(name, "human", 0.9, 50, 40, 70, 80) for name in names]
    detections = pd.DataFrame(found, columns=DETECTION_COLUMNS)
    Path("data/predictions/detector").mkdir(parents=True)
    detections = detections.astype(dict.fromkeys(CORNERS, np.float64))
    write_results(known, detections, Path("data/predictions/detector") / NAME)
    write_score(0.5, Path("models/detector_score.json"))
    for side in SIDES:
        write_json([f"{side}.jpg"], Path(f"data/splits/detector/{side}.json"))


def test_only_the_training_side_is_listed() -> None:
    told = mine(Path("hard"))
    assert read_hard_examples(Path("hard/classifier.csv")) == ("train.mp4/0", "train.mp4/1")
    assert read_hard_examples(Path("hard/detector.csv")) == ("train.jpg",)
    boxes = pd.read_csv("hard/detector_boxes.csv")
    assert boxes["kind"].tolist() == ["miss", "false_alarm"]
    assert told.splitlines() == [
        "hard/classifier.csv: 1 false alarms, 1 misses",
        "hard/detector.csv: 1 pictures with 1 false alarms, 1 misses",
    ]
    for file in Path("hard").iterdir():
        assert not {"val", "test"} & set(file.read_text().replace(".", ",").split(","))


def test_predictions_for_another_split_are_refused() -> None:
    write_json(["test.mp4/0"], Path("data/splits/classifier/train.json"))
    with pytest.raises(InputError, match="expected predictions for the present training side"):
        mine(Path("hard"))
    assert not Path("hard").exists()


def test_without_predictions_a_file_is_named() -> None:
    shutil.rmtree("data/predictions/classifier")
    with pytest.raises(InputError, match=r"probabilities\.csv"):
        mine(Path("hard"))
