"""What trained networks say of all sides, and what is measured of it without them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import (
    COMMANDS,
    Outcome,
    Project,
    files_of,
    init_git,
    run_here,
    run_watched,
)
from damage import assert_used_or_refused

from vigil.domain.detections import read_results, write_results
from vigil.domain.pictures.annotated import AnnotatedPictures, read_annotated
from vigil.domain.samples.index import read_crops, read_index
from vigil.domain.samples.predictions import read_predictions
from vigil.domain.sides import SIDES, read_side

Run = Callable[..., Outcome]
BRANCHES = ("classifier", "detector")


@pytest.fixture(scope="session")
def trained_project(finished_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The scene, small networks trained on it, and what they say. Copy it, do not change it."""
    project = Project(tmp_path_factory.mktemp("trained") / "project")
    ignored = shutil.ignore_patterns(".vigil")
    shutil.copytree(finished_project.folder, project.folder, ignore=ignored)
    project.set_params("train_classifier.network", width=16, mlp_width=16, num_heads=2)
    project.set_params("train_classifier.fitting", max_epochs=2, precision="32-true")
    project.set_params("train_detector", architecture="grid", input_size_wh=[96, 96])
    project.set_params("train_detector.features", strides=[8], deepest_stride=8, neck_width=0)
    project.set_params("train_detector.fitting", max_epochs=1, precision="32-true")
    project.set_params("evaluate.classifier", num_pictures=4)
    project.set_params("evaluate.detector", num_pictures=1)
    init_git(project)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIGIL_DEVICE", "cpu")
        for branch in BRANCHES:
            for stage in (f"train_{branch}", f"predict_{branch}"):
                assert run_here(project, stage, COMMANDS[stage], patch) == 0
    return project


@pytest.fixture
def project(trained_project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("VIGIL_DEVICE", "cpu")
    shutil.copytree(trained_project.folder, tmp_path / "project")
    return Project(tmp_path / "project")


def rerun(project: Project, run_stage: Run, stage: str) -> None:
    project.remove_outputs(stage)
    outcome = run_stage(project, stage)
    assert (outcome.code, outcome.stderr) == (0, "")


def made_by(project: Project, stage: str) -> dict[str, bytes]:
    names = tuple(str(output.relative_to(project.folder)) for output in project.outputs(stage))
    return {
        name: content
        for name, content in files_of(project.folder).items()
        if name.startswith(names)
    }


def side_of(project: Project, branch: str, side: str) -> list[str]:
    return read_side(project.folder / f"data/splits/{branch}/{side}.json")


def detections_of(project: Project) -> tuple[AnnotatedPictures, pd.DataFrame]:
    known = read_annotated(project.folder / "data/detection/instances.json")
    return known, read_results(known, project.folder / "data/predictions/detector/detections.json")


def metrics_of(project: Project, branch: str) -> Any:
    return json.loads((project.folder / f"metrics/{branch}.json").read_text())


@pytest.mark.parametrize("branch", BRANCHES)
def test_a_prediction_twice_gives_the_same_bytes(
    branch: str, project: Project, run_stage: Run
) -> None:
    before = made_by(project, f"predict_{branch}")
    assert before
    rerun(project, run_stage, f"predict_{branch}")
    assert made_by(project, f"predict_{branch}") == before


def test_the_classifier_is_asked_of_every_sample_of_every_side(project: Project) -> None:
    from vigil.learn.classifier.trained import TrainedClassifier

    samples = project.folder / "data/samples"
    table = read_predictions(project.folder / "data/predictions/classifier")
    ids = table["video"] + "/" + table["row"].astype(str)
    for side in SIDES:
        assert sorted(ids[table["split"] == side]) == sorted(side_of(project, "classifier", side))
    assert table["probability"].between(0, 1).all()
    assert table["probability"].nunique() > 10
    index = read_index(samples).loc[ids]
    for name in ("label", "track", "first_frame", "height_px"):
        assert table[name].tolist() == index[name].tolist()
    models = project.folder / "models"
    classifier = TrainedClassifier.from_files(
        models / "classifier.safetensors", models / "classifier.json"
    )
    crops = [read_crops(samples, *row) for row in table[["video", "row"]].itertuples(index=False)]
    np.testing.assert_allclose(table["probability"], classifier(np.stack(crops)), atol=1e-5)


def test_the_detector_is_asked_of_every_picture_of_every_side_and_low_scores_are_kept(
    project: Project, run_stage: Run
) -> None:
    project.set_params("predict.detector.suppression", min_score=0.0, max_boxes=20)
    rerun(project, run_stage, "predict_detector")
    _, every = detections_of(project)
    expected = [name for side in SIDES for name in side_of(project, "detector", side)]
    assert set(every["image"]) == set(expected)
    assert every["image"].value_counts().eq(20).all()
    bound = float(np.sort(every["score"])[-len(every) // 3])
    project.set_params("predict.detector.suppression", min_score=bound)
    rerun(project, run_stage, "predict_detector")
    _, fewer = detections_of(project)
    assert 0 < len(fewer) < len(every)
    assert fewer["score"].min() >= round(bound, 6) - 1e-6
    project.set_params("predict.detector.suppression", min_score=0.0, max_boxes=3)
    rerun(project, run_stage, "predict_detector")
    assert detections_of(project)[1]["image"].value_counts().eq(3).all()


def test_the_ids_are_those_of_the_imported_set(project: Project) -> None:
    """COCO's own tools read the results beside the set."""
    known, _ = detections_of(project)
    content = json.loads((project.folder / "data/detection/instances.json").read_text())
    results = json.loads((project.folder / "data/predictions/detector/detections.json").read_text())
    assert results
    assert {one["image_id"] for one in results} <= {image["id"] for image in content["images"]}
    assert {one["category_id"] for one in results} == {one["id"] for one in content["categories"]}
    assert len(content["images"]) == len(known.images)


@pytest.mark.parametrize("branch", BRANCHES)
def test_measuring_twice_gives_the_same_bytes(
    branch: str, project: Project, run_stage: Run
) -> None:
    stage = f"evaluate_{branch}"
    rerun(project, run_stage, stage)
    before = made_by(project, stage)
    pictures = f"metrics/plots/{branch}/pictures/"
    assert {f"metrics/{branch}.json"} < before.keys()
    assert any(name.startswith(pictures) for name in before)
    assert all(name.startswith(pictures) == name.endswith((".png", ".jpg")) for name in before)
    rerun(project, run_stage, stage)
    assert made_by(project, stage) == before


CHANGES = {
    "classifier": {"threshold": 0.9, "num_pictures": 2},
    "detector": {"score_threshold": 0.9, "num_pictures": 0},
}


@pytest.mark.parametrize("branch", BRANCHES)
def test_measuring_anew_needs_no_weights(branch: str, project: Project, run_stage: Run) -> None:
    for weights in (project.folder / "models").glob("*.safetensors"):
        weights.unlink()
    rerun(project, run_stage, f"evaluate_{branch}")
    before = metrics_of(project, branch)
    project.set_params(f"evaluate.{branch}", **CHANGES[branch])
    rerun(project, run_stage, f"evaluate_{branch}")
    after = metrics_of(project, branch)
    same = "auroc" if branch == "classifier" else "map"
    assert after[same] == before[same]
    assert after != before


@pytest.mark.parametrize("branch", BRANCHES)
def test_measuring_needs_no_torch(branch: str, project: Project) -> None:
    done = run_watched(project, f"evaluate_{branch}")
    assert (done.returncode, done.stderr) == (0, "loaded:\n")
    assert all(output.exists() for output in project.outputs(f"evaluate_{branch}"))


def test_the_score_that_counts_comes_from_validation_alone(
    project: Project, run_stage: Run
) -> None:
    """It is that of the objects themselves, wherever they are found on the other sides."""
    known, _ = detections_of(project)
    file = project.folder / "data/predictions/detector/detections.json"
    boxes = known.boxes
    for val_score, other_score in ((0.25, 0.75), (0.25, 0.1), (0.625, 0.25)):
        is_val = boxes["image"].isin(side_of(project, "detector", "val"))
        table = boxes.assign(score=np.where(is_val, val_score, other_score))
        write_results(known, table, file)
        rerun(project, run_stage, "evaluate_detector")
        metrics = metrics_of(project, "detector")
        assert metrics["score_threshold"] == val_score
        assert metrics["map"] == 1
        assert metrics["recall"] == (1 if other_score > val_score else 0)


Change = Callable[[Project], object]


def remove(name: str) -> Change:
    return lambda project: (project.folder / name).unlink()


def write(name: str, text: str) -> Change:
    return lambda project: (project.folder / name).write_text(text)


def replace_cells(column: str, value: Any) -> Change:
    def change(project: Project) -> None:
        file = project.folder / "data/predictions/classifier/probabilities.csv"
        pd.read_csv(file).assign(**{column: value}).to_csv(file, index=False)

    return change


def swap_models(project: Project) -> None:
    models = project.folder / "models"
    shutil.copy(models / "classifier.safetensors", models / "detector.safetensors")


BAD: dict[str, tuple[str, Change, str]] = {
    "no weights": (
        "predict_classifier",
        remove("models/classifier.safetensors"),
        "models/classifier.safetensors: expected ",
    ),
    "weights that are none": (
        "predict_detector",
        write("models/detector.safetensors", "hello"),
        "models/detector.safetensors: expected ",
    ),
    "weights of another network": (
        "predict_detector",
        swap_models,
        "models/detector.safetensors: expected ",
    ),
    "no card": ("predict_detector", remove("models/detector.json"), "models/detector.json"),
    "a card that is none": (
        "predict_classifier",
        write("models/classifier.json", '{"architecture": "crop_transformer"}'),
        "models/classifier.json: expected ",
    ),
    "a list of a side gone": (
        "predict_classifier",
        remove("data/splits/classifier/test.json"),
        "data/splits/classifier/test.json: expected ",
    ),
    "a sample that is not there": (
        "predict_classifier",
        write("data/splits/classifier/val.json", '["door_1.mp4/700"]'),
        "door_1.mp4/700",
    ),
    "a picture that is not there": (
        "predict_detector",
        write("data/splits/detector/val.json", '["door_1.mp4.zip/000700.jpg"]'),
        "door_1.mp4.zip/000700.jpg",
    ),
    "pictures gone": (
        "predict_detector",
        remove("data/frames/door_2.webm.zip"),
        "data/frames: expected the picture ",
    ),
    "a method of suppression that is none": (
        "predict_detector",
        lambda p: p.set_params("predict.detector.suppression", method="medium"),
        "params.yaml: predict.detector.suppression.method: expected 'hard' or 'soft', got 'medium'",
    ),
    "no probabilities": (
        "evaluate_classifier",
        remove("data/predictions/classifier/probabilities.csv"),
        "data/predictions/classifier/probabilities.csv: expected a table, found no such file",
    ),
    "another table for probabilities": (
        "evaluate_classifier",
        write("data/predictions/classifier/probabilities.csv", "a,b\n1,2\n"),
        "data/predictions/classifier/probabilities.csv: expected the columns video, row, ",
    ),
    "a probability above one": (
        "evaluate_classifier",
        replace_cells("probability", 1.5),
        "probabilities.csv: expected a valid probability, got 1.5",
    ),
    "no number for a probability": (
        "evaluate_classifier",
        replace_cells("probability", float("nan")),
        "data/predictions/classifier/probabilities.csv: expected ",
    ),
    "an unknown label": (
        "evaluate_classifier",
        replace_cells("label", "dog"),
        "probabilities.csv: expected a valid label, got 'dog'",
    ),
    "no such side": (
        "evaluate_classifier",
        replace_cells("split", "testing"),
        "probabilities.csv: expected a valid split, got 'testing'",
    ),
    "nothing of the test": (
        "evaluate_classifier",
        replace_cells("split", "val"),
        "probabilities.csv: expected samples of each class in test, found no background, person",
    ),
    "a height beyond all": (
        "evaluate_classifier",
        replace_cells("height_px", 1e300),
        "probabilities.csv: expected a valid height_px, got 1e+300",
    ),
    "no maps of attention": (
        "evaluate_classifier",
        remove("data/predictions/classifier/attention.npy"),
        "data/predictions/classifier/attention.npy: expected maps of attention, found no such file",
    ),
    "maps of attention of other samples": (
        "evaluate_classifier",
        lambda p: np.save(
            p.folder / "data/predictions/classifier/attention.npy", np.ones((1, 2, 4, 4), "f2")
        ),
        "attention.npy: expected (",
    ),
    "a sample that its file has not": (
        "evaluate_classifier",
        replace_cells("row", 700),
        ".npy: expected sample 700, got: ",
    ),
    "a file of crops without its end": (
        "evaluate_classifier",
        lambda p: [
            path.write_bytes(path.read_bytes()[:500])
            for path in (p.folder / "data/samples").glob("*.npy")
        ],
        ".npy: expected sample ",
    ),
    "no detections": (
        "evaluate_detector",
        remove("data/predictions/detector/detections.json"),
        "data/predictions/detector/detections.json: expected a JSON file, found no such file",
    ),
    "another card": (
        "evaluate_detector",
        write("models/detector.json", '{"architecture": "grid", "config": {}}'),
        "models/detector.json: expected the card of a trained detector, got ",
    ),
    "detections of pictures of another set": (
        "evaluate_detector",
        write(
            "data/predictions/detector/detections.json",
            '[{"image_id": 900, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}]',
        ),
        "detections.json: expected detections in the imported pictures, got: ",
    ),
    "detections without a score": (
        "evaluate_detector",
        write(
            "data/predictions/detector/detections.json",
            '[{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}]',
        ),
        "detections.json: expected detections in the imported pictures, got: ",
    ),
    "a box of three numbers": (
        "evaluate_detector",
        write(
            "data/predictions/detector/detections.json",
            '[{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3], "score": 0.5}]',
        ),
        "detections.json: expected detections in the imported pictures, got: ",
    ),
    "numbers that are not finite": (
        "evaluate_detector",
        write(
            "data/predictions/detector/detections.json",
            '[{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, NaN], "score": 0.5}]',
        ),
        "data/predictions/detector/detections.json: expected ",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line(
    case: str, project: Project, run_stage: Run, assert_refused: Callable[..., None]
) -> None:
    stage, change, expected = BAD[case]
    project.remove_outputs(stage)
    change(project)
    outcome = run_stage(project, stage)
    assert_refused(outcome, project, stage)
    assert expected in outcome.stderr


DAMAGED = {
    "evaluate_classifier": (
        "data/predictions/classifier/probabilities.csv",
        "data/samples/door_1.mp4.npy",
    ),
    "evaluate_detector": (
        "data/predictions/detector/detections.json",
        "data/detection/instances.json",
        "data/splits/detector/val.json",
    ),
}


@pytest.mark.parametrize("stage", DAMAGED)
def test_damaged_predictions_are_measured_or_are_one_line(
    stage: str, project: Project, run_stage: Run, assert_refused: Callable[..., None]
) -> None:
    assert_used_or_refused(project, stage, DAMAGED[stage], run_stage, assert_refused)
