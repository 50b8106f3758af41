"""Every detector: batches, pictures without objects, files, and that it can learn at all."""

import copy
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
import torchvision
from tiny_detectors import ARCHITECTURES, SIZE_WH, build, config_of, draw

from vigil.learn.detector.network.registry import VIGIL_DETECTORS, build_detector, load_detector
from vigil.learn.detector.network.tensors import Objects, join_objects, pad_objects
from vigil.learn.detector.trained import fold_norms
from vigil.learn.networks.weights import read_state, save_model
from vigil.learn.pictures.trunk import build_trunk, load_trunk
from vigil.plumbing.errors import InputError


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_batch_equals_its_pictures_one_by_one(architecture: str):
    pictures, _ = draw(3)
    before = pictures.clone()
    model = build(architecture).eval()
    with torch.inference_mode():
        together = model.candidates(pictures)
        alone = [model.candidates(picture[None])[0] for picture in pictures]
    assert torch.equal(pictures, before)
    for one, other in zip(together, alone, strict=True):
        assert len(one.scores) == len(other.scores)
        assert torch.allclose(one.scores, other.scores, atol=1e-5)
        # Boxes of about equal scores may change places, also with those that are cut off.
        rows, others = (torch.cat([o.boxes, 100.0 * o.labels[:, None]], 1) for o in (one, other))
        distances = (rows[:, None] - others).abs().amax(dim=2)
        assert (distances[: len(rows) // 2].amin(dim=1) < 0.01).all()
        assert (distances[:, : len(rows) // 2].amin(dim=0) < 0.01).all()
        assert (one.boxes >= 0).all()
        assert (one.boxes[:, 2] <= SIZE_WH[0] + 1e-3).all()
        assert (one.boxes[:, 3] <= SIZE_WH[1] + 1e-3).all()
        assert set(one.labels.tolist()) <= {0, 1}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_picture_without_objects_trains_and_detects(architecture: str):
    pictures, objects = draw(2)
    nothing = Objects(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), torch.zeros(0).bool())
    model = build(architecture).train()
    for truth in (pad_objects([nothing, nothing]), pad_objects([nothing, objects[1]])):
        losses = model.losses(pictures, truth)
        assert all(torch.isfinite(loss) for loss in losses.values())
        sum(losses.values()).backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


MANY_MAPS = {"strides": [8, 16], "neck": "pafpn"}


@pytest.mark.parametrize("architecture", ["grid", "anchor"])
@pytest.mark.parametrize("assignment", ["fixed", "simota"])
def test_a_batch_equals_its_pictures_on_many_maps(architecture: str, assignment: str):
    pictures, objects = draw(3)
    model = build(architecture, assignment=assignment, **MANY_MAPS)
    assert all(
        torch.isfinite(v) for v in model.train().losses(pictures, pad_objects(objects)).values()
    )
    model.eval()
    with torch.inference_mode():
        together, _ = model(pictures)
        for number in range(len(pictures)):
            alone, places = model(pictures[number : number + 1])
            assert len(places) == alone.objectness.shape[1]
            for one, other in zip(together, alone, strict=True):
                assert torch.allclose(one[number], other[0], atol=1e-4)


@pytest.mark.parametrize("architecture", sorted(VIGIL_DETECTORS))
def test_ignored_objects_and_padding_change_no_box_or_class_loss(architecture: str):
    pictures, objects = draw(2)
    model = build(architecture).train()
    torch.manual_seed(0)
    plain = model.losses(pictures, pad_objects(objects))
    extra = Objects(
        torch.tensor([[70.0, 40, 90, 60]]), torch.tensor([0]), torch.ones(1, dtype=torch.bool)
    )
    more = [join_objects([objects[0], extra]), objects[1]]
    ignored = model.losses(pictures, pad_objects(more))
    assert torch.allclose(plain["box"], ignored["box"], atol=1e-5)
    assert torch.allclose(plain["class"], ignored["class"], atol=1e-5)
    assert ignored["objectness"] <= plain["objectness"]


@pytest.mark.parametrize("architecture", sorted(VIGIL_DETECTORS))
def test_candidates_and_losses_together_are_those_of_each_alone(architecture: str):
    pictures, objects = draw(2)
    model, truth = build(architecture).eval(), pad_objects(objects)
    with torch.inference_mode():
        candidates, losses = model.candidates_and_losses(pictures, truth)
        expected, expected_losses = model.candidates(pictures), model.losses(pictures, truth)
    assert losses == expected_losses
    for one, other in zip(candidates, expected, strict=True):
        for name in ("boxes", "scores", "labels"):
            assert torch.equal(getattr(one, name), getattr(other, name))


@pytest.mark.parametrize("architecture", ["grid", "anchor", "ssdlite320_mobilenet_v3_large"])
def test_a_saved_detector_finds_the_same(architecture: str, tmp_path: Path):
    pictures, _ = draw(1)
    model = build(architecture).eval()
    card = {"architecture": architecture, "config": config_of(architecture)}
    weights, card_file = tmp_path / "w.safetensors", tmp_path / "c.json"
    save_model(model.state_dict(), card, weights, card_file)
    loaded = load_detector(weights, card_file)
    with torch.inference_mode():
        (expected,), (found,) = model.candidates(pictures), loaded.candidates(pictures)
    assert torch.equal(expected.boxes, found.boxes)
    assert torch.equal(expected.scores, found.scores)


def test_a_file_of_another_shape_is_refused(tmp_path: Path):
    card = {"architecture": "grid", "config": config_of("grid", num_classes=3)}
    weights, card_file = tmp_path / "w.safetensors", tmp_path / "c.json"
    save_model(build("grid").state_dict(), card, weights, card_file)
    with pytest.raises(InputError, match=r"heads.0.weight: expected the shape \(8, .*got \(7, "):
        load_detector(weights, card_file)


@pytest.mark.parametrize(
    ("trunk", "stride", "deepest"),
    [
        ("resnet18", 8, 8),
        ("resnet18", 32, 32),
        ("resnet50", 16, 32),
        ("efficientnet_b0", 8, 32),
        ("efficientnet_b0", 4, 16),
    ],
)
def test_the_map_has_a_cell_for_each_stride(trunk: str, stride: int, deepest: int):
    width = 0 if stride == deepest else 16
    model = build("grid", trunk=trunk, strides=[stride], deepest_stride=deepest, neck_width=width)
    (features,) = model.features(torch.zeros(1, 3, 72, 100))
    assert features.shape[-2:] == (-(-72 // stride), -(-100 // stride))
    assert features.shape[1] == model.features.num_channels


FAMILIES = (
    *("resnet34", "efficientnet_b0", "mobilenet_v2", "mobilenet_v3_small", "regnet_x_400mf"),
    *("shufflenet_v2_x0_5", "mnasnet0_5", "densenet121", "convnext_tiny"),
)


@pytest.mark.parametrize("trunk", FAMILIES)
@pytest.mark.parametrize("neck", ["fpn", "pafpn"])
def test_every_family_of_trunks_makes_maps_that_cover_the_picture(trunk: str, neck: str):
    sizes = {"strides": [8, 16, 32], "deepest_stride": 32, "neck": neck, "neck_width": 16}
    model = build("grid", trunk=trunk, **sizes).eval()
    with torch.inference_mode():
        maps = model.features(torch.zeros(1, 3, 72, 101))
    for features, stride in zip(maps, (8, 16, 32), strict=True):
        rows, columns = features.shape[-2:]
        assert rows >= -(-72 // stride)
        assert columns >= -(-101 // stride)
        assert rows <= 96 // stride
        assert columns <= 128 // stride


def test_the_weights_of_a_classification_network_fit_its_trunk():
    for name in ("mobilenet_v2", "resnet18", "regnet_x_400mf", "shufflenet_v2_x0_5"):
        torch.manual_seed(1)
        network = torchvision.models.get_model(name, weights=None)
        model = build("grid", trunk=name, strides=[16], deepest_stride=16, neck_width=0)
        trunk = model.features.trunk
        assert load_trunk(trunk, name, network.state_dict(), "there")
        own = build_trunk(name, deepest_stride=16, num_frozen_blocks=0, pretrained=False)
        with torch.inference_mode():
            pictures = torch.rand(1, 3, 64, 96)
            found = trunk.eval()(pictures)[16]
            other = own.eval()(pictures)[16]
        assert found.shape == other.shape
        assert not torch.equal(found, other)
        assert not load_trunk(trunk, "mobilenet_v3_small", network.state_dict(), "there")


def test_published_features_of_mobilenet_give_torchvisions_maps():
    file = Path(__file__).parents[4] / "shared/weights/mobilenet_v2_imagenet_features.safetensors"
    if not file.is_file():
        pytest.skip(f"no {file}")
    state = read_state(file)
    network = torchvision.models.mobilenet_v2(weights=None)
    network.features.load_state_dict({n.removeprefix("features."): t for n, t in state.items()})
    trunk = build_trunk("mobilenet_v2", deepest_stride=32, num_frozen_blocks=0, pretrained=False)
    assert load_trunk(trunk, "mobilenet_v2", state, str(file))
    pictures = torch.rand(1, 3, 64, 96)
    with torch.inference_mode():
        maps = trunk.eval()(pictures)
        assert torch.allclose(maps[32], network.eval().features[:18](pictures), atol=1e-6)
        assert torch.allclose(maps[8], network.features[:7](pictures), atol=1e-6)


@pytest.mark.parametrize("architecture", [*ARCHITECTURES, "resnet50", "efficientnet_b0"])
def test_folded_norms_change_nothing(architecture: str):
    pictures, objects = draw(4)
    trunk = {} if architecture in ARCHITECTURES else {"trunk": architecture}
    model = build("anchor" if trunk else architecture, **trunk)
    with torch.no_grad():
        for _ in range(3):  # so that the norms have statistics
            model.train().losses(pictures, pad_objects(objects))
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5)
                module.bias.uniform_(-0.5, 0.5)
    model.eval()
    folded = copy.deepcopy(model)
    fold_norms(folded)
    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert norms or architecture == "ssd300_vgg16"
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded.modules())
    with torch.inference_mode():
        before, after = model.candidates(pictures), folded.candidates(pictures)
    for one, other in zip(before, after, strict=True):
        assert len(one.scores) > 0
        assert torch.allclose(one.scores[:50], other.scores[:50], atol=1e-4)


def test_frozen_blocks_do_not_move():
    model = build("grid", num_frozen_blocks=2)
    frozen = [
        *model.features.trunk.blocks[0].parameters(),
        *model.features.trunk.blocks[1].parameters(),
    ]
    assert not any(parameter.requires_grad for parameter in frozen)
    statistics = model.features.trunk.blocks[0][1].running_mean.clone()
    pictures, objects = draw(2)
    sum(model.train().losses(pictures, pad_objects(objects)).values()).backward()
    assert torch.equal(model.features.trunk.blocks[0][1].running_mean, statistics)
    assert all(parameter.grad is None for parameter in frozen)


@pytest.mark.parametrize(
    ("architecture", "features", "told"),
    [
        ("yolo", {}, "^architecture: expected one of anchor, "),
        ("grid", {"trunk": "resnet19"}, "^features.trunk: expected one of .*got 'resnet19'"),
        ("grid", {"num_frozen_blocks": 9}, "^num_frozen_blocks: expected at most the 4 blocks"),
    ],
)
def test_what_does_not_exist_is_refused(architecture: str, features: dict, told: str):
    with pytest.raises(InputError, match=told):
        build(architecture, **features)


@pytest.mark.parametrize(
    ("architecture", "pretrained"),
    [
        ("grid", "imagenet"),
        ("ssdlite320_mobilenet_v3_large", "coco"),
        ("fcos_resnet50_fpn", "imagenet"),
    ],
)
def test_weights_that_cannot_be_fetched_are_an_error(
    architecture: str, pretrained: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    def no_network(*_: object, **__: object) -> None:
        raise URLError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", no_network)
    expected = r"^weights: expected to download the .*weights of .*no network"
    with pytest.raises(InputError, match=expected):
        build_detector(architecture, config_of(architecture), pretrained=pretrained)


def test_detectors_on_trunks_have_no_coco_weights():
    expected = r"^weights: expected none, imagenet or a file for grid, got coco"
    with pytest.raises(InputError, match=expected):
        build_detector("grid", config_of("grid"), pretrained="coco")
