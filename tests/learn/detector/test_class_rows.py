"""Scores of classes are taken from weights by the names of the classes, never by their places."""

from pathlib import Path

import pandas as pd
import pytest
import torch
from tiny_detectors import SIZE_WH, config_of
from tiny_settings import shipped

from vigil.domain.pictures.annotated import AnnotatedPictures
from vigil.learn.detector.network.coco_classes import COCO_BY_ID, COCO_CLASSES
from vigil.learn.detector.network.data import PictureDataset
from vigil.learn.detector.network.registry import build_detector
from vigil.learn.detector.training import start as module
from vigil.learn.detector.training.recognising import recognise
from vigil.learn.detector.training.start import build_start
from vigil.learn.networks.weights import save_model
from vigil.plumbing.errors import InputError
from vigil.settings.train_detector import TrainDetector


def pictures_of(classes: tuple[str, ...]) -> PictureDataset:
    """One picture without objects, of data with these classes."""
    columns = ["file_name", "width", "height", "video", "frame_index", "sha256"]
    images = pd.DataFrame([("0.png", *SIZE_WH, "", -1, "")], columns=columns)
    corners = ["x1", "y1", "x2", "y2"]
    boxes = pd.DataFrame(columns=["image", "label", *corners, "is_crowd", "is_difficult"])
    known = AnnotatedPictures.of(images, boxes, classes)
    return PictureDataset(Path(), known, input_size_wh=SIZE_WH)


def settings_of(architecture: str, weights: Path, **changes: object) -> TrainDetector:
    size = [320, 320] if "dfine" in architecture else list(SIZE_WH)
    return shipped(
        TrainDetector,
        **{"architecture": architecture, "weights": str(weights), "input_size_wh": size} | changes,
    )


def start(
    architecture: str, weights: Path, classes: tuple[str, ...], **changes: object
) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    settings = settings_of(architecture, weights, **changes)
    config = config_of(architecture, len(classes))
    return build_start(config, settings, pictures_of(classes)).state_dict()


def lively(architecture: str, num_classes: int) -> torch.nn.Module:
    """A network whose rows of all classes differ."""
    torch.manual_seed(0)
    model = build_detector(architecture, config_of(architecture, num_classes))
    with torch.no_grad():
        for part in model.parameters():
            part.add_(0.01 * torch.randn_like(part))
    return model


def rows(model_or_state: object, key: str, architecture: str, num_classes: int) -> torch.Tensor:
    """(C, R, ...): the part of the weights of each class."""
    state = model_or_state if isinstance(model_or_state, dict) else model_or_state.state_dict()
    outline = build_detector(architecture, config_of(architecture, num_classes))
    return state[key][outline.rows_of_classes(key, len(state[key]))]


KEYS = {
    "yolox_nano": "head.cls_preds.1.weight",
    "grid": "heads.0.weight",
    "anchor": "heads.0.classes.3.weight",
    "dfine_n": "network.class_embed.1.weight",
}


@pytest.mark.parametrize("architecture", ["yolox_nano", "dfine_n"])
def test_cocos_classes_in_another_order_take_their_own_scores(
    architecture: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    published, path = lively(architecture, 80), tmp_path / "w.pth"
    torch.save({"model": published.state_dict()}, path)
    classes = tuple(sorted(COCO_CLASSES))
    assert classes != COCO_CLASSES
    key = KEYS[architecture]
    given = rows(published, key, architecture, 80)
    taken = rows(start(architecture, path, classes), key, architecture, 80)
    for number, name in enumerate(classes):
        assert torch.equal(taken[number], given[COCO_CLASSES.index(name)]), name
    assert "no score" not in capsys.readouterr().out


@pytest.mark.parametrize("num_given", [80, 91])
def test_transformers_take_cocos_scores_in_the_order_or_by_the_ids(
    num_given: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    published, path = lively("dfine_n", num_given), tmp_path / "w.pth"
    torch.save(published.state_dict(), path)
    started = start("dfine_n", path, ("gnome", "person"))
    taken = rows(started, KEYS["dfine_n"], "dfine_n", 2)
    given = rows(published, KEYS["dfine_n"], "dfine_n", num_given)
    place = (COCO_CLASSES if num_given == 80 else COCO_BY_ID).index("person")
    assert torch.equal(taken[1], given[place])
    assert not (taken[0] == given.reshape(num_given, 1, -1)).all(dim=-1).any()
    assert "no score for gnome; its weights are random" in capsys.readouterr().out


@pytest.mark.parametrize("architecture", ["yolox_nano", "grid", "anchor", "dfine_n"])
def test_weights_of_vigil_are_taken_by_the_names_of_their_card(
    architecture: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    model, path = lively(architecture, 3), tmp_path / "w.safetensors"
    card = {"architecture": architecture, "config": {}, "classes": ["car", "dog", "human"]}
    save_model(model.state_dict(), card, path, tmp_path / "w.json")
    started = start(architecture, path, ("human", "vehicle", "wolf"), **called(wolf="dog"))
    given = rows(model, KEYS[architecture], architecture, 3)
    taken = rows(started, KEYS[architecture], architecture, 3)
    assert torch.equal(taken[0], given[2])
    assert torch.equal(taken[2], given[1])
    assert not torch.equal(taken[1], given[0])
    assert "w.safetensors: no score for vehicle; its weights are" in capsys.readouterr().out
    shared = next(key for key, part in model.state_dict().items() if part.ndim == 4)
    assert torch.equal(started[shared], model.state_dict()[shared])


def called(**names: str) -> dict[str, object]:
    return {"weights_classes": names}


@pytest.mark.parametrize("architecture", ["yolox_nano", "grid", "dfine_n"])
def test_scores_without_names_are_not_taken_unless_numbers_are_given(
    architecture: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    model, path = lively(architecture, 2), tmp_path / "w.pth"
    torch.save(model.state_dict(), path)
    given = rows(model, KEYS[architecture], architecture, 2)
    taken = rows(start(architecture, path, ("car", "human")), KEYS[architecture], architecture, 2)
    assert not torch.equal(taken[0], given[0])
    assert not torch.equal(taken[1], given[1])
    expected = "nothing names its 2 classes, so no score for car, human; its weights are random"
    assert expected in capsys.readouterr().out
    told = start(architecture, path, ("car", "human"), **called(car="1", human="0"))
    taken = rows(told, KEYS[architecture], architecture, 2)
    assert torch.equal(taken, given.flip(0))
    with pytest.raises(InputError, match=r"found no car; nothing names them, so their numbers"):
        start(architecture, path, ("car", "human"), **called(car="car"))


def test_a_card_of_other_weights_names_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    card = {"architecture": "grid", "config": {}, "classes": ["car", "human"]}
    save_model(
        lively("grid", 2).state_dict(), card, tmp_path / "a.safetensors", tmp_path / "w.json"
    )
    torch.save(lively("grid", 2).state_dict(), tmp_path / "w.pth")
    start("grid", tmp_path / "w.pth", ("car", "human"))
    assert "nothing names its 2 classes" in capsys.readouterr().out


def test_networks_of_torchvision_with_other_classes_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    name = "ssdlite320_mobilenet_v3_large"
    model, path = lively(name, 2), tmp_path / "w.safetensors"
    card = {"architecture": name, "config": {}, "classes": ["car", "human"]}
    save_model(model.state_dict(), card, path, tmp_path / "w.json")
    key = "network.head.classification_head.module_list.0.1.weight"
    key = key if key in model.state_dict() else next(iter(model.state_dict()))
    assert torch.equal(start(name, path, ("car", "human"))[key], model.state_dict()[key])
    with pytest.raises(InputError, match=r"of the classes \['human', 'vehicle'\], got one of \['c"):
        start(name, path, ("human", "vehicle"))
    (tmp_path / "w.json").unlink()
    start(name, path, ("human", "vehicle"))
    expected = "nothing names its classes; they are taken as human, vehicle"
    assert expected in capsys.readouterr().out


@pytest.mark.parametrize("config", [[1], "abc", 5, None, {"frames": {"num": "x"}}, {"frames": 3}])
def test_a_damaged_card_of_these_weights_is_told(config: object, tmp_path: Path):
    path = tmp_path / "w.safetensors"
    card = {"architecture": "grid", "config": config, "classes": ["car"]}
    save_model(lively("grid", 1).state_dict(), card, path, tmp_path / "w.json")
    told = r"w\.json: expected the configuration of a trained detector, got"
    with pytest.raises(InputError, match=told):
        start("grid", path, ("car",))
    with pytest.raises(InputError, match=told):
        recognise(path, "resnet18")


def test_names_for_weights_that_another_library_loads_are_refused(
    monkeypatch: pytest.MonkeyPatch,
):
    name = "fasterrcnn_mobilenet_v3_large_320_fpn"
    settings = shipped(
        TrainDetector, architecture=name, weights="coco", input_size_wh=[64, 64],
        **called(gnome="person"),
    )  # fmt: skip
    network = build_detector(name, config_of(name, 1))
    monkeypatch.setattr(module, "build_detector", lambda *_, **__: network)
    with pytest.raises(
        InputError, match="weights_classes: expected none for weights of fasterrcnn"
    ):
        build_start(config_of(name, 1), settings, pictures_of(("gnome",)))


@pytest.mark.parametrize("weights", ["none", "imagenet"])
def test_names_for_weights_without_classes_are_refused(weights: str):
    with pytest.raises(InputError, match=r"expected weights_classes to be empty for weights witho"):
        shipped(TrainDetector, weights=weights, **called(human="person"))
