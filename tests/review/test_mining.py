"""Hard examples are mined on the training side alone."""

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from vigil.domain.boxes import CORNERS
from vigil.domain.detections import DETECTION_COLUMNS, NAME, write_results
from vigil.domain.detector_score import write_score
from vigil.domain.hard_examples import read_hard_examples
from vigil.domain.pictures.annotated import (
    BOX_DTYPES,
    IMAGE_DTYPES,
    AnnotatedPictures,
    read_annotated,
    write_annotated,
)
from vigil.domain.samples.predictions import read_predictions, write_predictions
from vigil.domain.sides import SIDES
from vigil.domain.tracking.table import TRACK_COLUMNS, TRACK_TYPES
from vigil.domain.tracks import Track, write_tracks
from vigil.plumbing.errors import InputError
from vigil.plumbing.memo import file_digest, tree_digest
from vigil.plumbing.records import read_json, write_csv, write_json
from vigil.review.mining import mine
from vigil.review.watched_tracks import MODEL_FILES

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
    told = mine(Path("hard"), None)
    assert read_hard_examples(Path("hard/classifier.csv")) == ("train.mp4/0", "train.mp4/1")
    assert read_hard_examples(Path("hard/detector.csv")) == ("train.jpg",)
    boxes = pd.read_csv("hard/detector_boxes.csv")
    assert boxes["kind"].tolist() == ["miss", "false_alarm"]
    assert told.splitlines() == [
        "hard/classifier.csv: 1 false alarm, 1 miss",
        "hard/detector.csv: 1 picture with 1 false alarm, 1 miss",
        "watched training videos: 0",
    ]
    for file in Path("hard").iterdir():
        assert not re.search(r"\b(val|test)\.", file.read_text())


def write_watched(name: str, video: str, probability: float = 0.3, model: str = "") -> None:
    """The results of watching a video: a refused track of the person, and one of nobody."""
    folder = Path("watched") / name
    folder.mkdir(parents=True)
    digests = {file: file_digest(Path("models") / file) for file in MODEL_FILES}
    digests |= dict.fromkeys([model] if model else [], "0" * 64)
    source = {"name": name, "sha256": tree_digest(Path("videos") / video)}
    write_json({"source": source, "models": digests}, folder / "events.json")
    judgements = pd.DataFrame({"track_id": [1, 2], "probability": [probability, 0.9]})
    write_csv(judgements, folder / "judgements.csv")
    boxes = {1: (0, 0, 20, 40), 2: (60, 60, 80, 90)}
    rows = [
        (number, frame, frame / 10, *box, 0.4, "human", 1)
        for number, box in boxes.items()
        for frame in range(4)
    ]
    tracks = pd.DataFrame(rows, columns=TRACK_COLUMNS).astype(TRACK_TYPES)
    write_csv(tracks, folder / "tracks.csv")


@pytest.fixture
def _videos() -> None:
    """Each side has a video with a person, a right sample of this person, and a right picture."""
    sides = ["train", "val", "test"]
    Path("videos").mkdir()
    for name in MODEL_FILES:
        Path("models", name).write_text(name)
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["dataset"] |= {"root": ".", "videos": [f"{side}.mp4" for side in sides]}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    samples, images, boxes = [], [], []
    for side in sides:
        Path("videos", f"{side}.mp4").write_text(side)
        facts = {"video": f"{side}.mp4", "row": 0, "label": "person", "track": "p"}
        sizes = {"first_frame": 0, "num_frames": 4, "width_px": 9.0, "height_px": 20.0}
        samples.append(facts | sizes | {"split": side, "probability": 0.9})
        samples.append(
            samples[-1] | {"row": 1, "label": "background", "track": "", "probability": 0.1}
        )
        write_json(
            [f"{side}.mp4/{row}" for row in range(2)], Path(f"data/splits/classifier/{side}.json")
        )
        name = f"{side}.mp4/2"
        images.append((name, 90, 90, f"{side}.mp4", 2, name))
        boxes.append((name, "human", 0, 0, 20, 40, False, False))
        write_json([name], Path(f"data/splits/detector/{side}.json"))
        track = Track("p", "human", np.arange(4), np.tile([0.0, 0.0, 20.0, 40.0], (4, 1)))
        write_tracks([track], Path("data/annotations") / f"{side}.mp4" / "ieos_vid_labels")
    write_predictions(pd.DataFrame(samples), Path("data/predictions/classifier"))
    table = pd.DataFrame(images, columns=list(IMAGE_DTYPES))
    table = table.set_index(table["file_name"].rename("id"))
    corners = pd.DataFrame(boxes, columns=list(BOX_DTYPES)).astype(BOX_DTYPES)
    known = AnnotatedPictures(table, corners, ("human",))
    write_annotated(known, Path("data/detection/instances.json"))
    right = corners.assign(score=0.9)[DETECTION_COLUMNS]
    write_results(known, right, Path("data/predictions/detector") / NAME)


@pytest.mark.usefixtures("_videos")
def test_a_video_that_is_cut_into_sides_adds_nothing() -> None:
    write_watched("door.mp4", "train.mp4")
    table = read_predictions(Path("data/predictions/classifier"))
    table.loc[table["split"] == "val", "video"] = "train.mp4"
    table.loc[table["split"] == "val", "row"] += 5
    write_predictions(table, Path("data/predictions/classifier"))
    known = read_annotated(Path("data/detection/instances.json"))
    known.images.loc["val.mp4/2", "video"] = "train.mp4"
    write_annotated(known, Path("data/detection/instances.json"))
    told = mine(Path("hard"), Path("watched")).splitlines()
    assert told == [
        "hard/classifier.csv: 0 false alarms, 0 misses",
        "hard/detector.csv: 0 pictures with 0 false alarms, 0 misses",
        "watched training videos: 0; left out, as their time is cut into several sides: 1",
    ]


@pytest.mark.usefixtures("_videos")
@pytest.mark.parametrize("folder", ["nowhere", "watched/door.mp4"])
def test_a_folder_without_watched_sources_is_refused(folder: str) -> None:
    write_watched("door.mp4", "train.mp4")
    with pytest.raises(InputError, match=f"--watched {folder}: expected a folder of watched"):
        mine(Path("hard"), Path(folder))


@pytest.mark.usefixtures("_videos")
def test_tracks_of_exported_models_are_refused() -> None:
    write_watched("door.mp4", "train.mp4")
    record = read_json(Path("watched/door.mp4/events.json"))
    write_json(record | {"models": {"detector.onnx": "0"}}, Path("watched/door.mp4/events.json"))
    with pytest.raises(InputError, match="got those of exported models"):
        mine(Path("hard"), Path("watched"))


@pytest.mark.usefixtures("_videos")
def test_tracks_of_watched_training_videos_are_read_and_no_others() -> None:
    for side in ("train", "val", "test"):
        write_watched(f"door_{side}.mp4", f"{side}.mp4")
    told = mine(Path("hard"), Path("watched")).splitlines()
    assert told[-1] == "watched training videos: 1"
    samples = pd.read_csv("hard/classifier.csv")
    assert samples.to_numpy().tolist() == [["train.mp4/0", "miss", 0.3]]
    boxes = pd.read_csv("hard/detector_boxes.csv")
    assert boxes[["name", "kind", *CORNERS]].to_numpy().tolist() == [
        ["train.mp4/2", "false_alarm", 60.0, 60.0, 80.0, 90.0]
    ]


@pytest.mark.usefixtures("_videos")
@pytest.mark.parametrize("model", MODEL_FILES)
def test_tracks_of_other_models_are_refused(model: str) -> None:
    write_watched("door.mp4", "train.mp4", model=model)
    with pytest.raises(
        InputError, match=f"door.mp4: expected results of the present models/{model}"
    ):
        mine(Path("hard"), Path("watched"))
    assert not Path("hard").exists()


@pytest.mark.usefixtures("_videos")
def test_other_files_than_results_of_watching_are_refused() -> None:
    write_watched("door.mp4", "train.mp4")
    write_json({"events": []}, Path("watched/door.mp4/events.json"))
    with pytest.raises(InputError, match="expected results of watching, got others"):
        mine(Path("hard"), Path("watched"))


def test_predictions_for_another_split_are_refused() -> None:
    write_json(["test.mp4/0"], Path("data/splits/classifier/train.json"))
    with pytest.raises(InputError, match="expected predictions for the present training side"):
        mine(Path("hard"), None)
    assert not Path("hard").exists()


def test_without_predictions_a_file_is_named() -> None:
    shutil.rmtree("data/predictions/classifier")
    with pytest.raises(InputError, match=r"probabilities\.csv"):
        mine(Path("hard"), None)
