"""A trained detector on arrays: no files but its own, no params, no data set."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from changed_cards import told, without
from tiny_detectors import SIZE_WH, config_of, write_scene

from vigil.domain.boxes import CORNERS
from vigil.domain.detections import DETECTION_COLUMNS, Detections, as_table
from vigil.learn.detector.network.data import PictureDataset
from vigil.learn.detector.network.detecting import with_area
from vigil.learn.detector.network.registry import build_detector
from vigil.learn.detector.trained import TrainedDetector
from vigil.learn.networks import machine as runtime
from vigil.learn.networks.weights import save_model
from vigil.plumbing.errors import InputError
from vigil.settings.suppression import DEFAULT

SIZES_HW = ((64, 96), (200, 50), (33, 333), (64, 96), (9, 7))


def files_of(folder: Path, precision: str = "32-true") -> tuple[Path, Path]:
    config = config_of("grid")
    torch.manual_seed(0)
    model = build_detector("grid", config)
    torch.nn.init.constant_(model.heads[0].bias[4:], 5.0)  # sure of everything
    card = {
        "architecture": "grid",
        "config": config,
        "classes": ["0", "1"],
        "input_size_wh": list(SIZE_WH),
        "precision": precision,
    }
    files = folder / "w.safetensors", folder / "c.json"
    save_model(model.state_dict(), card, *files)
    return files


def trained(folder: Path, precision: str = "32-true") -> TrainedDetector:
    return TrainedDetector.from_files(*files_of(folder, precision))


def noise(*size_hw: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (*size_hw, 3), np.uint8)


def are_equal(one: Detections, other: Detections) -> bool:
    parts = ("boxes_xyxy", "scores", "labels")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in parts)


@pytest.mark.parametrize("has_units", [False, True])
def test_a_trained_detector_computes_in_what_the_machine_is_good_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_units: bool
):
    monkeypatch.setattr(runtime, "has_bfloat16", lambda _: has_units)
    picture = noise(64, 96)
    named = trained(tmp_path, "bf16-mixed" if has_units else "32-true")(picture)
    assert are_equal(trained(tmp_path, "auto")(picture), named)
    other = trained(tmp_path, "32-true" if has_units else "bf16-mixed")(picture)
    assert not are_equal(other, named)


def test_a_trained_detector_is_used_on_pictures_of_any_size(tmp_path: Path):
    detector = trained(tmp_path)
    for height, width in SIZES_HW:
        picture = np.zeros((height, width, 3), np.uint8)
        found = detector(picture)
        assert len(found)
        assert found.boxes_xyxy.dtype == found.scores.dtype == np.float64
        assert (found.boxes_xyxy >= 0).all()
        assert (found.boxes_xyxy[:, 2] <= width).all()
        assert (found.boxes_xyxy[:, 3] <= height).all()
        assert (np.diff(found.scores) <= 0).all()
        assert set(found.labels) <= {"0", "1"}
        assert found.track_ids is None
        assert found.masks is None
        assert not picture.any()


def test_one_picture_gives_what_a_whole_data_set_gives_for_it(tmp_path: Path):
    detector, known = trained(tmp_path), write_scene(tmp_path)
    dataset = PictureDataset(tmp_path, known, input_size_wh=SIZE_WH)
    every = detector.detect_all(dataset, DEFAULT, batch_size=4)
    assert list(every.columns) == DETECTION_COLUMNS
    assert every["image"].unique().tolist() == dataset.ids
    for name in dataset.ids:
        alone = as_table([name], [detector(cv2.imread(str(tmp_path / name))[..., ::-1])])
        own = every[every["image"] == name].reset_index(drop=True)
        assert len(own) == len(alone)
        numbers = ["score", *CORNERS]
        assert np.allclose(own[numbers], alone[numbers], atol=1e-3)
        assert own["label"].tolist() == alone["label"].tolist()


def test_a_batch_equals_its_pictures_one_by_one(tmp_path: Path):
    detector = trained(tmp_path)
    pictures = [noise(*size, seed=seed) for seed, size in enumerate(SIZES_HW)]
    together = detector.detect_batch(pictures)
    assert len(together) == len(pictures)
    for picture, one in zip(pictures, together, strict=True):
        alone = detector(picture)
        assert len(one) == len(alone) > 0
        np.testing.assert_allclose(one.scores, alone.scores, atol=1e-5)
        # Boxes of about equal scores may change places.
        distances = np.abs(one.boxes_xyxy[:, None] - alone.boxes_xyxy).max(axis=2)
        assert (distances.min(axis=0) < 0.01).all()
        assert (distances.min(axis=1) < 0.01).all()


def test_no_pictures_have_no_detections(tmp_path: Path):
    assert trained(tmp_path).detect_batch([]) == []


def test_what_is_told_of_suppression_is_done(tmp_path: Path):
    detector, picture = trained(tmp_path), noise(64, 96)
    few = detector(picture, DEFAULT.model_copy(update={"max_boxes": 3}))
    assert len(few) == 3
    assert are_equal(few, detector(picture).select(np.arange(3)))
    assert len(detector(picture, DEFAULT.model_copy(update={"min_score": 0.999999}))) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((64, 96), np.uint8),
        np.zeros((64, 96, 4), np.uint8),
        np.zeros((1, 64, 96, 3), np.uint8),
        np.zeros((64, 96, 3), np.float32),
        np.zeros((0, 96, 3), np.uint8),
        np.zeros((64, 0, 3), np.uint8),
    ],
)
def test_other_arrays_are_refused_in_one_line(tmp_path: Path, wrong: np.ndarray):
    detector = trained(tmp_path)
    for detect in (detector, lambda one: detector.detect_batch([noise(64, 96), one])):
        with pytest.raises(InputError, match=r"expected pictures \(H, W, 3\) uint8, go") as error:
            detect(wrong)
        assert str(wrong.shape) in str(error.value)
        assert "\n" not in str(error.value)


def with_loss(name: str) -> dict:
    config = config_of("grid")
    return config | {"loss": config["loss"] | {"box": name}}


DAMAGE: dict[str, tuple[Callable[[Path, Path], object], str]] = {
    "no weights": (lambda weights, _: weights.unlink(), "w.safetensors: .*found no such file"),
    "no card": (lambda _, card: card.unlink(), "c.json: expected"),
    "cut weights": (
        lambda weights, _: weights.write_bytes(weights.read_bytes()[:200]),
        "w.safetensors: expected safetensors",
    ),
    "a cut card": (lambda _, card: card.write_text(card.read_text()[:40]), "c.json: expected"),
    "weights of more classes": (
        told(config=config_of("grid", num_classes=3)),
        r"heads.0.weight: expected the shape",
    ),
    "another architecture": (told(architecture="crop_transformer"), "expected one of anchor"),
    "the config of another architecture": (told(architecture="anchor"), "c.json: "),
    "a config of something else": (told(config={"num_classes": 2}), "c.json: "),
    "a config that is none": (told(config=[1]), "c.json: "),
    "a loss that does not exist": (told(config=with_loss("l7")), "c.json: "),
    "no classes": (without("classes"), "c.json: classes: expected 2 names, got None"),
    "too few classes": (told(classes=["0"]), "c.json: classes: expected 2 names"),
    "no size": (without("input_size_wh"), "c.json: input_size_wh: expected a width and a height"),
    "a size of texts": (
        told(input_size_wh=["a", "b"]),
        "c.json: input_size_wh: expected a width and a",
    ),
    "no precision": (without("precision"), "c.json: precision: expected one of"),
    "a precision that does not exist": (
        told(precision="8-true"),
        "c.json: precision: expected one of .*, got '8-true'",
    ),
}


@pytest.mark.parametrize("change", DAMAGE)
def test_files_that_are_damaged_or_do_not_fit_are_refused_in_one_line(tmp_path: Path, change: str):
    files = files_of(tmp_path)
    damage, expected = DAMAGE[change]
    damage(*files)
    with pytest.raises(InputError, match=expected) as error:
        TrainedDetector.from_files(*files)
    assert "\n" not in str(error.value)


WANTED = {
    "no classes": ({"classes": []}, r"^expected classes, a list of names, got \[\]$"),
    "a text": ({"classes": "person"}, r"^expected classes, a list of names, got 'person'$"),
    "twice": ({"classes": ["dog", "dog"]}, r"^expected each class once, got \['dog', 'dog'\]$"),
    "no yolox": ({"architecture": "grid"}, r"^expected an architecture of yolox_nano, .* got 'gri"),
    "no canvas": ({"input_size_wh": (0, 0)}, r"^expected a canvas with a width .* got \(0, 0\)$"),
    "a side": ({"input_size_wh": (64,)}, r"^expected a canvas with a width .* got \(64,\)$"),
}


@pytest.mark.parametrize("kind", WANTED)
def test_a_published_detector_that_cannot_be_is_refused_in_one_line(kind: str, tmp_path: Path):
    changes, expected = WANTED[kind]
    asked = {"architecture": "yolox_nano", "classes": ["dog"], "input_size_wh": SIZE_WH} | changes
    with pytest.raises(InputError, match=expected):
        TrainedDetector.from_published(weights=tmp_path / "none.pth", **asked)


def test_published_weights_without_names_of_classes_are_refused(tmp_path: Path):
    model = build_detector("yolox_nano", config_of("yolox_nano", 2))
    path = tmp_path / "w.pth"
    torch.save(model.state_dict(), path)
    with pytest.raises(InputError, match=r"w.pth: expected the 80 classes of COCO, or a card of "):
        TrainedDetector.from_published("yolox_nano", path, ["0"], SIZE_WH)
    card = {"architecture": "yolox_nano", "config": {}, "classes": ["car", "human"]}
    save_model(model.state_dict(), card, tmp_path / "w.safetensors", tmp_path / "w.json")
    named = TrainedDetector.from_published(
        "yolox_nano", tmp_path / "w.safetensors", ["human"], SIZE_WH
    )
    key = "head.cls_preds.0.bias"
    assert torch.equal(named.model.state_dict()[key], model.state_dict()[key][1:])


def test_boxes_in_the_padding_of_the_canvas_are_not_returned(tmp_path: Path):
    detector = trained(tmp_path)
    every = DEFAULT.model_copy(update={"min_score": 0.0})
    picture = noise(60, 10)  # most of the canvas is padding
    found = detector(picture, every)
    sides = found.boxes_xyxy[:, 2:] - found.boxes_xyxy[:, :2]
    assert len(found)
    assert (sides > 0).all()
    outside = Detections(
        np.array([[9.0, 1, 10, 5], [10, 1, 10, 5]]), np.ones(2), np.array(["0", "1"], object)
    )
    assert with_area(outside).labels.tolist() == ["0"]
