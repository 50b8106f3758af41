"""Weights as published, as authors publish them, as `train_dino` writes them, and none of these."""

import json
import os
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_transformers import NAMES, SMALL, small_sizes, use_small_sizes
from torch import Tensor

from vigil.learn.networks.weights import save_model
from vigil.learn.vision_transformers.network import AttentiveTransformer, build_own
from vigil.learn.vision_transformers.opening import OWN_ARCHITECTURE, open_transformer
from vigil.plumbing.errors import InputError
from vigil.settings.vision_transformer import VisionTransformer

OWN = {"width": 8, "depth": 1, "num_heads": 2, "patch_px": 4, "size_px": 8}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    use_small_sizes(monkeypatch)


def open_by(name: str, weights: Path | str) -> AttentiveTransformer:
    return open_transformer(VisionTransformer(architecture=name, weights=str(weights)))


def published(name: str, folder: Path) -> dict[str, Tensor]:
    """Writes a folder as the library does, and returns the weights by the names here."""
    torch.manual_seed(5)
    size = small_sizes()[name]
    network = size.family.build(size.config)
    network.save_pretrained(folder)
    return network.state_dict()


def assert_same(opened: AttentiveTransformer, expected: dict[str, Tensor]) -> None:
    state = opened.network.state_dict()
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[key], expected[key]) for key in state)


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_and_its_file_give_their_weights(name: str, tmp_path: Path):
    expected = published(name, tmp_path)
    assert_same(open_by(name, tmp_path), expected)
    assert_same(open_by(name, tmp_path / "model.safetensors"), expected)
    torch.save({"state_dict": load_file(tmp_path / "model.safetensors")}, tmp_path / "w.pth")
    assert_same(open_by(name, tmp_path / "w.pth"), expected)


def test_a_pooler_that_the_network_does_not_have_is_left_out(tmp_path: Path):
    expected = published("dino_small_16", tmp_path)
    file = tmp_path / "model.safetensors"
    save_file({**load_file(file), "pooler.dense.weight": torch.zeros(24, 24)}, file)
    assert_same(open_by("dino_small_16", tmp_path), expected)


def as_authors_name(state: dict[str, Tensor], is_vit: bool) -> dict[str, Tensor]:
    """The names of the authors' own repositories, from the names here."""
    told = dict(state)
    blocks = sorted(
        {m[0] for key in state if (m := re.match(r"(?:encoder\.layer|layers)\.\d+", key))}
    )
    for block in blocks:
        for kind in ("weight", "bias"):
            parts = [told.pop(f"{block}.attention.{part}_proj.{kind}") for part in "qkv"]
            told[f"{block}.attn.qkv.{kind}"] = torch.cat(parts)
    rules = {
        "embeddings.cls_token": "cls_token",
        "embeddings.position_embeddings": "pos_embed",
        "embeddings.mask_token": "mask_token",
        "embeddings.register_tokens": "register_tokens",
        "embeddings.patch_embeddings.projection": "patch_embed.proj",
        "layernorm_before": "norm1",
        "layernorm_after": "norm2",
        "layernorm.": "norm.",
        "attention.o_proj": "attn.proj",
        "layer_scale1.lambda1": "ls1.gamma",
        "layer_scale2.lambda1": "ls2.gamma",
        "layers." if is_vit else "encoder.layer.": "blocks.",
    }
    for here, theirs in rules.items():
        told = {key.replace(here, theirs): tensor for key, tensor in told.items()}
    return told


@pytest.mark.parametrize("name", NAMES[:2])
def test_a_file_of_the_authors_gives_its_weights(name: str, tmp_path: Path):
    expected = published(name, tmp_path)
    theirs = as_authors_name(expected, name == "dino_small_16")
    assert "blocks.1.attn.qkv.weight" in theirs
    torch.save(theirs, tmp_path / "w.pth")
    assert_same(open_by(name, tmp_path / "w.pth"), expected)


def test_random_weights_depend_on_torchs_seed_alone():
    states = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        states.append(open_by("dinov2_reg_small", "none").network.state_dict())
    key = "encoder.layer.0.mlp.fc1.weight"
    assert torch.equal(states[0][key], states[1][key])
    assert not torch.equal(states[0][key], states[2][key])


def write_own(folder: Path, architecture: str = OWN_ARCHITECTURE) -> Path:
    torch.manual_seed(2)
    weights, card = folder / "dino.safetensors", folder / "dino.json"
    save_model(
        build_own(OWN).state_dict(), {"architecture": architecture, "config": OWN}, weights, card
    )
    return weights


def test_what_train_dino_wrote_is_opened_by_its_card(tmp_path: Path):
    weights = write_own(tmp_path)
    opened = open_by("trained", weights)
    assert (opened.width, opened.patch_px) == (8, 4)
    state = load_file(weights)
    assert all(torch.equal(tensor, state[key]) for key, tensor in opened.state_dict().items())
    assert not opened.training


class Evil:
    def __reduce__(self):
        return os.mkdir, ("ran",)


def change_config(folder: Path, **values: object) -> Path:
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))
    return folder


def change_state(folder: Path, change) -> Path:
    file = folder / "model.safetensors"
    save_file(change(load_file(file)), file)
    return file


def wide(folder: Path) -> Path:
    size = small_sizes()["dinov2_reg_small"]
    size.family.build({**size.config, "hidden_size": 48}).save_pretrained(folder)
    return folder


def tampered(folder: Path) -> Path:
    weights = write_own(folder)
    state = load_file(weights)
    save_file({key: tensor + 1 for key, tensor in state.items()}, weights)
    return weights


BAD = {
    "a network without attention": (
        "dinov2_reg_small", lambda f: change_config(f, model_type="resnet"),
        r"config.json: expected a network whose class token attends to patches, of the type "
        r"dinov2_with_registers, dinov3_vit, vit, got 'resnet'",
    ),
    "another family": (
        "dinov2_reg_small", lambda f: change_config(f, model_type="vit"),
        "config.json: expected the type dinov2_with_registers of dinov2_reg_small, got 'vit'",
    ),
    "a folder of another width": (
        "dinov2_reg_small", wide,
        "config.json: expected hidden_size 24 of dinov2_reg_small, got 48",
    ),
    "a file of another width": (
        "dinov2_reg_small", lambda f: wide(f) / "model.safetensors",
        "expected weights of the width 24 of dinov2_reg_small, got those of the width 48",
    ),
    "a config that is a list": (
        "dinov2_reg_small", lambda f: (f / "config.json").write_text("[1]") and f,
        r"config.json: expected a config, got \[1\]",
    ),
    "no config": (
        "dinov2_reg_small", lambda f: (f / "config.json").unlink() or f,
        "config.json: expected a JSON file, found no such file",
    ),
    "no weights in the folder": (
        "dinov2_reg_small", lambda f: (f / "model.safetensors").unlink() or f,
        "expected model.safetensors or pytorch_model.bin in it, found neither",
    ),
    "a missing weight": (
        "dinov2_reg_small",
        lambda f: change_state(f, lambda s: {k: t for k, t in s.items() if "fc1" not in k}),
        r"expected weights for encoder\.layer\.0\.mlp\.fc1\.bias",
    ),
    "one weight too many": (
        "dinov2_reg_small", lambda f: change_state(f, lambda s: {**s, "x.y": torch.zeros(1)}),
        r"expected no weights but the network's, got x\.y",
    ),
    "weights that are not finite": (
        "dinov2_reg_small",
        lambda f: change_state(f, lambda s: {k: t * float("nan") for k, t in s.items()}),
        "expected finite weights",
    ),
    "code": (
        "dinov2_reg_small", lambda f: torch.save({"a": Evil()}, f / "w.pth") or f / "w.pth",
        "expected safetensors or a state dict, got: 'a pickle that holds more than weights",
    ),
    "a card of another model": (
        "trained", lambda f: write_own(f, "crop_transformer"),
        "dino.json: expected the card of a vision_transformer, got one of 'crop_transformer', "
        "which has no attention of a class token",
    ),
    "weights of another card": (
        "trained", tampered,
        "expected the card of .*dino.safetensors, got the card of other weights",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_other_weights_are_refused_in_one_line(case: str, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name, damage, expected = BAD[case]
    folder = tmp_path / "folder"
    published("dinov2_reg_small", folder)
    with pytest.raises(InputError, match=expected) as error:
        open_by(name, damage(folder))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "ran").exists()


def test_without_a_network_a_line_says_how_to_bring_weights(tmp_path: Path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="expected to find or download") as error:
        open_by("dinov2_reg_small", "published")
    told = str(error.value)
    assert told.startswith("weights: ")
    assert "hf download facebook/dinov2-with-registers-small" in told
    assert "\n" not in told


def test_the_cache_of_the_hub_is_read(tmp_path: Path, monkeypatch):
    """As its download leaves it: a snapshot below the repository's name, and a ref to it."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    repository = tmp_path / "models--facebook--dinov2-with-registers-small"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    expected = published("dinov2_reg_small", repository / "snapshots" / ("0" * 40))
    assert_same(open_by("dinov2_reg_small", "published"), expected)


def test_the_published_sizes_are_those_of_their_papers():
    """Millions of parameters, as the papers' tables round them."""
    from vigil.learn.vision_transformers.families import SIZES

    told = {"dino_small_16": 21, "dino_base_8": 85, "dinov2_reg_small": 21, "dinov3_small": 21}
    for name, millions in told.items():
        with torch.device("meta"):
            network = SIZES[name].family.build(SIZES[name].config)
        count = sum(weight.numel() for weight in network.parameters()) / 1e6
        assert abs(count - millions) < 1.2, (name, count)
    assert SMALL["hidden_size"] < SIZES["dino_small_16"].config["hidden_size"]
