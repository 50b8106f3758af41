"""Weights as published: state dicts of the true shapes, in files and in the libraries' caches."""

import json
import os
import socket
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from vigil.learn.alarm.network.embedding import pytorchvideo_hub, timesformer, torchvision_video
from vigil.learn.alarm.network.embedding.registry import BACKBONES, Options, build_backbone
from vigil.learn.networks.weights import state_digest
from vigil.plumbing.errors import InputError

pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
TOLD = {"num_frames": 0, "alpha": 4}


def whole_network(name: str, seed: int = 1) -> nn.Module:
    torch.manual_seed(seed)
    return BACKBONES[name].build(Options(BACKBONES[name].inputs.num_frames, 4))


def digest_of(network: nn.Module, name: str) -> str:
    entry = BACKBONES[name]
    return state_digest(entry.cut(network, entry.inputs, Options(entry.inputs.num_frames, 4)))


@pytest.fixture(scope="module")
def x3d() -> tuple[dict[str, Tensor], str]:
    network = whole_network("x3d_xs")
    state = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    return state, digest_of(network, "x3d_xs")


def other_classes(state: dict[str, Tensor]) -> dict[str, Tensor]:
    key = "blocks.5.proj."
    return {**state, f"{key}weight": torch.zeros(7, 2048), f"{key}bias": torch.zeros(7)}


def without_classifier(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in state.items() if ".proj." not in name}


@pytest.mark.parametrize("change", [dict, other_classes, without_classifier])
@pytest.mark.parametrize("layout", ["pth", "wrapped", "safetensors"])
def test_a_file_gives_its_weights(x3d, tmp_path: Path, layout: str, change) -> None:
    state, digest = x3d
    path = tmp_path / f"w.{'safetensors' if layout == 'safetensors' else 'pyth'}"
    if layout == "safetensors":
        save_file(change(state), path)
    else:
        torch.save({"model_state": change(state)} if layout == "wrapped" else change(state), path)
    model = build_backbone("x3d_xs", weights=str(path), **TOLD)
    assert state_digest(model) == digest


class Evil:
    def __reduce__(self):
        return os.mkdir, ("ran",)


def drop(state: dict[str, Tensor], folder: Path) -> None:
    torch.save(dict(list(state.items())[1:]), folder / "w.pth")


def add(state: dict[str, Tensor], folder: Path) -> None:
    torch.save({**state, "extra.weight": torch.zeros(1)}, folder / "w.pth")


def reshape(state: dict[str, Tensor], folder: Path) -> None:
    name = next(iter(state))
    torch.save({**state, name: torch.zeros(2, 2)}, folder / "w.pth")


BAD = {
    "a missing weight": (drop, r"expected weights for blocks\.0.*found none \(1 of"),
    "one too many": (add, r"expected no weights but the network's, got extra\.weight"),
    "another shape": (reshape, r"expected the shape .*, got \(2, 2\)"),
    "code": (
        lambda _, f: torch.save({"a": Evil()}, f / "w.pth"),
        "expected safetensors or a state",
    ),
    "text": (
        lambda _, f: (f / "w.pth").write_text("hello"),
        "expected safetensors or a state dict",
    ),
    "nothing": (
        lambda _, f: (f / "w.pth").write_bytes(b""),
        "expected safetensors or a state dict",
    ),
    "a list": (lambda _, f: torch.save([1], f / "w.pth"), "expected weights by name, got 'list'"),
    "numbers": (lambda _, f: torch.save({"a": 1}, f / "w.pth"), "expected weights by name"),
    "no file": (lambda _, f: None, "expected a network's weights, found no such file"),
}


@pytest.mark.parametrize("change", BAD)
def test_other_files_are_refused(x3d, tmp_path: Path, monkeypatch, change: str) -> None:
    monkeypatch.chdir(tmp_path)
    make, expected = BAD[change]
    make(x3d[0], tmp_path)
    with pytest.raises(InputError, match=expected) as error:
        build_backbone("x3d_xs", weights=str(tmp_path / "w.pth"), **TOLD)
    assert "w.pth" in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "ran").exists()


def test_weights_of_another_network(x3d, tmp_path: Path) -> None:
    torch.save(x3d[0], tmp_path / "w.pth")
    with pytest.raises(InputError, match="expected weights for"):
        build_backbone("r2plus1d_18", weights=str(tmp_path / "w.pth"), **TOLD)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError("Network is unreachable")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_torch_hubs_cache(x3d, tmp_path: Path, monkeypatch, no_network) -> None:
    """As pytorchvideo's download leaves it: `checkpoints/X3D_XS.pyth`, wrapped."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save({"model_state": x3d[0]}, folder / "X3D_XS.pyth")
    model = build_backbone("x3d_xs", weights="kinetics400", **TOLD)
    assert state_digest(model) == x3d[1]


def test_torch_hubs_cache_for_torchvision(tmp_path: Path, monkeypatch, no_network) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    network = whole_network("r2plus1d_18")
    file = (
        tmp_path / "hub" / "checkpoints" / torchvision_video.address("r2plus1d_18").split("/")[-1]
    )
    file.parent.mkdir(parents=True)
    torch.save(network.state_dict(), file)
    model = build_backbone("r2plus1d_18", weights="kinetics400", **TOLD)
    assert state_digest(model) == digest_of(network, "r2plus1d_18")


PUBLISHED_SHAPES = {
    "blocks.0.multipathway_blocks.0.conv.weight": (64, 3, 1, 7, 7),
    "blocks.0.multipathway_blocks.1.conv.weight": (8, 3, 5, 7, 7),
    "blocks.4.multipathway_blocks.0.res_blocks.2.branch2.conv_c.weight": (2048, 512, 1, 1, 1),
    "blocks.6.proj.weight": (400, 2304),
    "timesformer.embeddings.position_embeddings": (1, 197, 768),
    "timesformer.embeddings.time_embeddings": (1, 8, 768),
    "timesformer.encoder.layer.11.temporal_attention.attention.qkv.weight": (2304, 768),
    "classifier.weight": (400, 768),
}
MILLIONS = {"slowfast_r50": 34.57, "timesformer": 121.4}
"""Of parameters, as pytorchvideo's model zoo and the TimeSformer paper tell them."""


@pytest.mark.parametrize("name", MILLIONS)
def test_the_large_networks_take_files_of_the_published_shapes(name: str, tmp_path: Path) -> None:
    state = whole_network(name).state_dict()
    known = {key: shape for key, shape in PUBLISHED_SHAPES.items() if key in state}
    assert len(known) == 4
    assert {key: tuple(state[key].shape) for key in known} == known
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    learnt = sum(t.numel() for key, t in state.items() if not key.endswith(statistics))
    assert learnt == pytest.approx(MILLIONS[name] * 1e6, rel=0.005)
    file = tmp_path / "w.pth"
    torch.save({"model_state": state}, file)
    model = build_backbone(name, weights=str(file), **TOLD)
    changed = {key.removeprefix("timesformer."): tensor for key, tensor in state.items()}
    loaded = [
        torch.equal(tensor, changed[key.removeprefix("network.")])
        for key, tensor in model.state_dict().items()
        if key.removeprefix("network.") in changed
    ]
    assert all(loaded)
    assert len(loaded) == len(state) - 2  # but for the classifier's weight and bias


SMALL = {
    "hidden_size": 24,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 48,
}


def test_the_cache_of_transformers(tmp_path: Path, monkeypatch, no_network) -> None:
    """As its download leaves it: a snapshot below the repository's name, and a ref to it."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(
        timesformer, "build", lambda num_frames, build=timesformer.build: build(num_frames, **SMALL)
    )
    network = whole_network("timesformer")
    repository = tmp_path / f"models--{timesformer.PUBLISHED.replace('/', '--')}"
    snapshot = repository / "snapshots" / ("0" * 40)
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    network.save_pretrained(snapshot)
    assert json.loads((snapshot / "config.json").read_text())["hidden_size"] == 24
    expected = digest_of(network, "timesformer")
    model = build_backbone("timesformer", weights="kinetics400", **TOLD)
    assert state_digest(model) == expected

    # Transformers itself would fill in at random what is missing.
    state = dict(network.state_dict())
    state.pop("timesformer.embeddings.cls_token")
    save_file(
        {key: tensor.clone() for key, tensor in state.items()}, snapshot / "model.safetensors"
    )
    with pytest.raises(InputError, match=r"expected weights for .*cls_token, found none"):
        build_backbone("timesformer", weights="kinetics400", **TOLD)
    (snapshot / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(InputError, match="expected safetensors or a state dict"):
        build_backbone("timesformer", weights="kinetics400", **TOLD)


@pytest.mark.parametrize("content", [b"", b"hello"])
def test_a_damaged_download_is_told(
    tmp_path: Path, monkeypatch, no_network, content: bytes
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cache = tmp_path / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    (cache / pytorchvideo_hub.address("x3d_xs").rsplit("/", 1)[1]).write_bytes(content)
    with pytest.raises(InputError, match="expected to find or download x3d_xs's weights"):
        build_backbone("x3d_xs", weights="kinetics400", **TOLD)


def test_timesformers_weights_from_a_file_in_either_layout(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(
        timesformer, "build", lambda num_frames, build=timesformer.build: build(num_frames, **SMALL)
    )
    network = whole_network("timesformer")
    state = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    bare = {key.removeprefix("timesformer."): t for key, t in without_head(state).items()}
    expected = digest_of(network, "timesformer")
    for number, content in enumerate((state, bare)):
        save_file(content, tmp_path / f"{number}.safetensors")
        model = build_backbone(
            "timesformer", weights=str(tmp_path / f"{number}.safetensors"), **TOLD
        )
        assert state_digest(model) == expected


def without_head(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in state.items() if not name.startswith("classifier.")}


@pytest.mark.parametrize("name", ["r2plus1d_18", "x3d_xs", "timesformer"])
def test_without_a_network_it_is_said(name: str, tmp_path: Path, monkeypatch, no_network) -> None:
    from huggingface_hub import constants

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)  # else it tries for 20 s
    monkeypatch.setattr(
        timesformer, "build", lambda num_frames, build=timesformer.build: build(num_frames, **SMALL)
    )
    with pytest.raises(InputError, match=f"expected to find or download {name}'s weights") as error:
        build_backbone(name, weights="kinetics400", **TOLD)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.rglob("*.pth"))


def test_the_addresses_are_the_libraries_own() -> None:
    assert pytorchvideo_hub.address("slowfast_r50").endswith("kinetics/SLOWFAST_8x8_R50.pyth")
    assert pytorchvideo_hub.address("x3d_s").endswith("kinetics/X3D_S.pyth")
    assert torchvision_video.address("s3d").endswith("s3d-d76dad2f.pth")
