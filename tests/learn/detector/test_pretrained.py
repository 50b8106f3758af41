"""Torchvision's detectors from pretrained weights, whose download is made up."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tiny_detectors import TORCHVISION, config_of, draw
from torch import nn
from torchvision.models import VGG16_Weights, WeightsEnum

from vigil.learn.detector.network.registry import build_detector, load_detector
from vigil.learn.detector.network.torchvision_detectors import (
    NUM_TRUNK_LAYERS,
    WITHOUT_BACKGROUND,
)
from vigil.learn.networks.weights import save_model

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


class Downloaded(dict):
    """In place of a state dict that only a network could give."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[WeightsEnum]:
    """Lets networks ask for weights and keep their random ones; collects what was asked for."""
    found: list[WeightsEnum] = []
    load: Callable[..., object] = nn.Module.load_state_dict

    def download(self: WeightsEnum, *_: object, **__: object) -> Downloaded:
        found.append(self)
        return Downloaded()

    def load_unless_made_up(self: nn.Module, state: dict, *words: object, **named: object):
        return None if isinstance(state, Downloaded) else load(self, state, *words, **named)

    monkeypatch.setattr(WeightsEnum, "get_state_dict", download)
    monkeypatch.setattr(nn.Module, "load_state_dict", load_unless_made_up)
    return found


def frozen_of(network: nn.Module) -> set[str]:
    return {name for name, weight in network.named_parameters() if not weight.requires_grad}


@pytest.mark.parametrize("name", TORCHVISION)
@pytest.mark.parametrize("pretrained", ["imagenet", "coco"])
def test_what_started_from_weights_loads_again(
    name: str, pretrained: str, asked: list[WeightsEnum], tmp_path: Path
) -> None:
    config = config_of(name)
    model = build_detector(name, config, pretrained=pretrained, num_frozen_blocks=1)
    assert asked
    files = tmp_path / "a.safetensors", tmp_path / "a.json"
    save_model(model.state_dict(), {"architecture": name, "config": config}, *files)
    asked.clear()
    loaded = load_detector(*files)
    assert not asked
    pictures, _ = draw(1)
    with torch.inference_mode():
        (one,), (other,) = model.eval().candidates(pictures), loaded.candidates(pictures)
    assert torch.equal(one.scores, other.scores)
    assert torch.equal(one.boxes, other.boxes)


@pytest.mark.parametrize("name", TORCHVISION)
def test_frozen_blocks_are_of_the_trunk_alone_and_keep_their_statistics(
    name: str, asked: list[WeightsEnum]
) -> None:
    config, most = config_of(name), NUM_TRUNK_LAYERS.get(name, 5)
    none, some, all_ = (
        build_detector(name, config, pretrained="imagenet", num_frozen_blocks=number)
        for number in (0, 2, most)
    )
    assert not frozen_of(none)
    assert frozen_of(some)
    assert frozen_of(some) < frozen_of(all_)
    assert all(weight.startswith("network.backbone.") for weight in frozen_of(all_))
    learning = {name for name, weight in all_.named_parameters() if weight.requires_grad}
    assert learning
    for part in some.train().modules():
        if isinstance(part, nn.BatchNorm2d) and part.weight is not None:
            assert part.training == part.weight.requires_grad


@pytest.mark.parametrize("name", TORCHVISION)
def test_only_what_depends_on_the_classes_is_left_of_coco(
    name: str, asked: list[WeightsEnum], capsys: pytest.CaptureFixture[str]
) -> None:
    build_detector(name, config_of(name), pretrained="coco")
    assert len(asked) == 1  # and no trunk besides
    told = capsys.readouterr().out
    fitting, wanted = map(int, re.findall(r"(\d+) of (\d+) tensors", told)[0])
    assert 0 < wanted - fitting <= 24  # of six maps at most: weights and biases of class branches
    for left in re.findall(r"[a-z_]+\.[\w.]+", told.split(": ")[-1]):
        assert any(part in left for part in ("cls", "classification", "roi_heads.box_predictor"))


@pytest.mark.parametrize("name", TORCHVISION)
def test_rows_of_coco_are_of_no_other_classes_though_there_be_as_many(
    name: str, asked: list[WeightsEnum], capsys: pytest.CaptureFixture[str]
) -> None:
    """Own data of 90 or 91 classes has heads of the shape of COCO's."""
    num_classes = 91 if name in WITHOUT_BACKGROUND else 90
    build_detector(name, config_of(name) | {"num_classes": num_classes}, pretrained="coco")
    told = capsys.readouterr().out
    fitting, wanted = map(int, re.findall(r"(\d+) of (\d+) tensors", told)[0])
    assert wanted > fitting


def test_ssd_asks_for_the_weights_of_its_own_colours(asked: list[WeightsEnum]) -> None:
    build_detector("ssd300_vgg16", config_of("ssd300_vgg16"), pretrained="imagenet")
    assert asked == [VGG16_Weights.IMAGENET1K_FEATURES]
