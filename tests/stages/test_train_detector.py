"""Training and evaluation of a detector, through the stages' scripts, bad input included."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from conftest import COMMANDS, Outcome, Project, init_git
from tiny_detections import voc_object, voc_xml

from vigil.domain.boxes import CORNERS
from vigil.domain.detections import read_results
from vigil.domain.pictures.annotated import read_annotated
from vigil.pixels.pictures.images import ImageSource

Run = Callable[..., Outcome]


@pytest.fixture
def project(
    project_before: Callable[[str], Project], run_stage: Run, monkeypatch: pytest.MonkeyPatch
) -> Project:
    """The scene with its boxes split, and parameters for a training of seconds."""
    monkeypatch.setenv("VIGIL_DEVICE", "cpu")
    project = project_before("split_detector")
    project.set_params("train_detector", architecture="grid", input_size_wh=[96, 96])
    project.set_params("train_detector.features", strides=[8], deepest_stride=8, neck_width=0)
    project.set_params("train_detector.fitting", max_epochs=2, precision="32-true")
    init_git(project)
    assert run_stage(project, "split_detector").code == 0
    return project


def test_from_boxes_to_metrics_and_on_from_the_weights(project: Project, run_stage: Run) -> None:
    for stage in ("train_detector", "predict_detector", "evaluate_detector"):
        outcome = run_stage(project, stage)
        assert outcome.code == 0, outcome.stderr
    metrics = json.loads((project.folder / "metrics/detector.json").read_text())
    assert metrics.keys() >= {
        *("map", "map_50", "map_75", "map_small", "map_medium", "map_large", "mar_100"),
        *("precision", "recall", "f1", "ap_by_class", "score_threshold"),
    }
    assert_five_lines_work(project.folder)

    # A trained file is where another training can start.
    shutil.move(project.folder / "models", project.folder / "first")
    project.set_params("train_detector", weights="first/detector.safetensors")
    project.set_params("train_detector.fitting", max_epochs=1)
    again = run_stage(project, "train_detector")
    assert again.code == 0
    card = json.loads((project.folder / "models/detector.json").read_text())
    first = json.loads((project.folder / "first/detector.json").read_text())
    assert card["training"]["weights_sha256"] == first["weights_sha256"]


def assert_five_lines_work(folder: Path) -> None:
    """The README's way to use a trained detector."""
    from vigil.learn.detector.trained import TrainedDetector

    weights, card = folder / "models/detector.safetensors", folder / "models/detector.json"
    detector = TrainedDetector.from_files(weights, card)
    picture = ImageSource(folder / "data/frames").rgb("door_1.mp4.zip/000000.jpg")
    found = detector(picture)
    assert found.boxes_xyxy.shape == (len(found), 4)
    assert set(found.labels) <= {"human"}
    assert (np.diff(found.scores) <= 0).all()
    # What was stored of the picture is what it is shown to find.
    known = read_annotated(folder / "data/detection/instances.json")
    stored = read_results(known, folder / "data/predictions/detector/detections.json")
    own = stored[stored["image"] == "door_1.mp4.zip/000000.jpg"]
    assert len(own) == len(found) > 0
    np.testing.assert_allclose(own["score"], found.scores, atol=1e-5)
    np.testing.assert_allclose(own[CORNERS], found.boxes_xyxy, atol=1e-2)


def write_state(project: Project, name: str, content: object) -> None:
    torch.save(content, project.folder / name)


def other_shape(project: Project) -> None:
    write_state(project, "other.pth", {"features.trunk.blocks.0.0.weight": torch.zeros(1)})
    project.set_params("train_detector", weights="other.pth")


def no_weights(project: Project) -> None:
    (project.folder / "text.pth").write_text("hello")
    project.set_params("train_detector", weights="text.pth")


def without_objects(project: Project) -> None:
    path = project.folder / "data/detection/instances.json"
    content = json.loads(path.read_text())
    content["annotations"] = []
    path.write_text(json.dumps(content))


BAD: dict[str, tuple[Callable[[Project], object], str]] = {
    "weights of another shape": (other_shape, "other.pth: expected weights for "),
    "a text as weights": (no_weights, "text.pth: expected safetensors or a state dict"),
    "no such weights": (
        lambda p: p.set_params("train_detector", weights="none.pth"),
        "params.yaml: train_detector.weights: expected none, imagenet, coco or a file, "
        "got 'none.pth'",
    ),
    "no such trunk": (
        lambda p: p.set_params("train_detector.features", trunk="resnet19"),
        "params.yaml: train_detector.features.trunk: expected 'resnet18', 'resnet34'",
    ),
    "weights that a grid has not": (
        lambda p: p.set_params("train_detector", weights="coco"),
        "train_detector: expected weights to be none, imagenet or a file for grid, got coco",
    ),
    "frozen random weights": (
        lambda p: p.set_params("train_detector", num_frozen_blocks=1),
        "train_detector: expected num_frozen_blocks to be 0 if the initial weights are random, "
        "got 1",
    ),
    "a folder as weights": (
        lambda p: p.set_params("train_detector", weights="data"),
        "params.yaml: train_detector.weights: expected none, imagenet, coco or a file, got 'data'",
    ),
    "one picture a batch for norms": (
        lambda p: (
            p.set_params("train_detector", architecture="ssdlite320_mobilenet_v3_large"),
            p.set_params("train_detector.fitting", batch_size=1),
        ),
        "params.yaml: train_detector: expected fitting.batch_size to be at least 2",
    ),
    "more frozen blocks than there are": (
        lambda p: (
            (p.folder / "some.pth").write_bytes(b"weights"),
            p.set_params("train_detector", weights="some.pth", num_frozen_blocks=99),
        ),
        "params.yaml: train_detector.num_frozen_blocks: expected at most the ",
    ),
    "more sizes of anchors than of boxes": (
        lambda p: (
            p.set_params("train_detector", architecture="anchor"),
            p.set_params("train_detector.anchor", num_sizes=20),
        ),
        "params.yaml: train_detector.anchor.num_sizes: expected training boxes of at least 20 "
        "different sizes, found 1",
    ),
    "precision for a GPU": (
        lambda p: p.set_params("train_detector.fitting", precision="16-mixed"),
        "params.yaml: train_detector.fitting.precision: expected auto, 32-true or bf16-mixed",
    ),
    "a video that is gone": (
        lambda p: [file.unlink() for file in (p.folder / "data/frames").glob("*.zip")],
        "data/frames: expected the picture ",
    ),
    "no objects": (without_objects, "train.json: expected pictures with objects to train on"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_told_in_one_line(project: Project, run_stage: Run, name: str) -> None:
    spoil, expected = BAD[name]
    spoil(project)
    assert_refused(project, run_stage(project, "train_detector"), expected)


def test_a_loader_in_another_process_tells_the_same(
    project: Project, run_stage: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIGIL_WORKERS", "2")
    spoil, expected = BAD["a video that is gone"]
    spoil(project)
    outcome = run_stage(project, "train_detector")
    assert_refused(project, outcome, expected)
    assert "Traceback" not in outcome.stderr


@pytest.mark.parametrize("architecture", ["auto", "grid", "ssdlite320_mobilenet_v3_large"])
def test_photographs_of_many_sizes_go_from_voc_to_metrics(
    project: Project, run_stage: Run, architecture: str
) -> None:
    """With the shipped `frames`; torchvision's norms refuse a last batch of one picture."""
    assert project.params["train_detector"]["frames"]["num"] == "auto"
    rng = np.random.default_rng(0)
    folder = project.folder / "set"
    (folder / "annotations").mkdir(parents=True)
    (folder / "images").mkdir()
    for number in range(20):
        width, height = (int(side) for side in rng.integers(60, 140, 2))
        picture = rng.integers(0, 80, (height, width, 3), dtype=np.uint8)
        x, y = (int(corner) for corner in rng.integers(5, 25, 2))
        picture[y : y + 25, x : x + 20] = 255
        cv2.imwrite(str(folder / f"images/{number}.png"), picture)
        ball = voc_object("ball", x + 1, y + 1, x + 20, y + 25)
        xml = voc_xml(f"{number}.png", [ball], (width, height))
        (folder / f"annotations/{number}.xml").write_text(xml)
    detection = {"root": "x", "images": "y", "format": "voc", "classes": []}
    project.set_params("dataset", detection=detection)
    project.set_params("split", val_fraction=0.2, test_fraction=0.3)
    project.set_params("train_detector", architecture=architecture, ema_decay=0.0)
    project.set_params("train_detector.fitting", max_epochs=1, batch_size=5)
    if architecture == "auto":
        project.set_params("train_detector", input_size_wh="auto")
        project.set_params("train_detector.features", strides="auto", neck_width=96)
    for output in ("data/detection", "data/detection_report", "data/splits/detector"):
        shutil.rmtree(project.folder / output)
    (project.folder / "metrics/split_detector.json").unlink()
    imported = (
        *("--annotations", "set/annotations", "--images", "set/images"),
        *("--detections", "data/detection", "--report", "data/detection_report"),
    )
    assert run_stage(project, "import_detections", *imported).code == 0
    assert run_stage(project, "split_detector").code == 0
    train = json.loads((project.folder / "data/splits/detector/train.json").read_text())
    assert len(train) % 5 == 1
    for stage in ("train_detector", "predict_detector", "evaluate_detector"):
        words = [word.replace("data/frames", "set/images") for word in COMMANDS[stage]]
        outcome = run_stage(project, stage, *words)
        assert outcome.code == 0, outcome.stderr
    card = json.loads((project.folder / "models/detector.json").read_text())
    assert card["chosen"]["frames"] == {"num": 1}
    assert ("features" in card["chosen"]) == (architecture == "auto")
    assert card["training"]["params"]["augmentation"]["mosaic_probability"] == 0.5
    assert json.loads((project.folder / "metrics/detector.json").read_text())["num_pictures"] == 6
    for name in ("best", "worst", "random"):
        assert (project.folder / f"metrics/plots/detector/pictures/{name}.jpg").is_file()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_told(
    project: Project, run_stage: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIGIL_DEVICE", "cuda")
    outcome = run_stage(project, "train_detector")
    expected = "VIGIL_DEVICE: expected one of this machine's GPUs (it has 0), got 'cuda'"
    assert_refused(project, outcome, expected)


def assert_refused(project: Project, outcome: Outcome, expected: str) -> None:
    assert outcome.code == 1
    assert outcome.stderr.count("\n") == 1, outcome.stderr
    assert outcome.stderr.startswith("train_detector: ")
    assert expected in outcome.stderr
    assert not list((project.folder / "models").glob("*"))
