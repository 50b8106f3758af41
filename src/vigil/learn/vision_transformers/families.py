"""The families of self-supervised vision transformers, built by the library transformers.

DINO: Caron et al., "Emerging Properties in Self-Supervised Vision Transformers", 2021. DINOv2:
Oquab et al., "DINOv2: Learning Robust Visual Features without Supervision", 2024, with the
registers of Darcet et al., "Vision Transformers Need Registers", 2024. DINOv3: Siméoni et al.,
"DINOv3", 2025. The sizes are given here, so that no network connection is needed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from vigil.settings.vision_transformer import TransformerName

SDPA = "sdpa"
"""torch's fused attention, which computes no matrix of weights."""


@dataclass(frozen=True)
class Family:
    """One of transformers' classes of vision transformers.

    Attributes:
        model_type: the name of the class in the file `config.json` of a folder of weights.
        build: builds a network with random weights from the arguments of its config.
        last_attention: the module that computes the attention of the last block.
        forward: further arguments of the network's forward pass.
    """

    model_type: str
    build: Callable[[Mapping[str, Any]], nn.Module]
    last_attention: Callable[[Any], nn.Module]
    forward: Mapping[str, Any]


@dataclass(frozen=True)
class Size:
    """A network of a family.

    Attributes:
        config: the arguments of its config.
        published: the repository of its weights at huggingface.co.
    """

    family: Family
    config: Mapping[str, Any]
    published: str


def _build_vit(config: Mapping[str, Any]) -> nn.Module:
    from transformers import ViTConfig, ViTModel

    return _as_module(ViTModel(ViTConfig(**_fused(config)), add_pooling_layer=False))


def _build_dinov2(config: Mapping[str, Any]) -> nn.Module:
    from transformers import Dinov2WithRegistersConfig, Dinov2WithRegistersModel

    return _as_module(Dinov2WithRegistersModel(Dinov2WithRegistersConfig(**_fused(config))))


def _build_dinov3(config: Mapping[str, Any]) -> nn.Module:
    from transformers import DINOv3ViTConfig, DINOv3ViTModel

    return _as_module(DINOv3ViTModel(DINOv3ViTConfig(**_fused(config))))


def _fused(config: Mapping[str, Any]) -> dict[str, Any]:
    return {**config, "attn_implementation": SDPA}


def _as_module(network: Any) -> nn.Module:
    """The network, as the type that the rest of the code knows."""
    module: nn.Module = network
    return module


VIT = Family(
    "vit",
    _build_vit,
    lambda network: network.layers[-1].attention,
    {"interpolate_pos_encoding": True},  # without it, a picture must have the training's size
)
DINOV2 = Family(
    "dinov2_with_registers",
    _build_dinov2,
    lambda network: network.encoder.layer[-1].attention,
    {},
)
DINOV3 = Family(
    "dinov3_vit",
    _build_dinov3,
    lambda network: network.model.layer[-1].attention,
    {},
)
FAMILIES = (VIT, DINOV2, DINOV3)


def _sizes(width: int, depth: int, num_heads: int) -> dict[str, int]:
    return {"hidden_size": width, "num_hidden_layers": depth, "num_attention_heads": num_heads}


SMALL, BASE, LARGE = _sizes(384, 12, 6), _sizes(768, 12, 12), _sizes(1024, 24, 16)


def _dino(sizes: Mapping[str, int], patch_px: int, published: str) -> Size:
    config = {**sizes, "intermediate_size": 4 * sizes["hidden_size"], "image_size": 224}
    return Size(VIT, {**config, "patch_size": patch_px}, f"facebook/{published}")


def _dinov2(sizes: Mapping[str, int], published: str) -> Size:
    config = {"mlp_ratio": 4, "image_size": 518, "patch_size": 14, "num_register_tokens": 4}
    return Size(DINOV2, {**sizes, **config}, f"facebook/dinov2-with-registers-{published}")


def _dinov3(sizes: Mapping[str, int], published: str) -> Size:
    config = {
        "intermediate_size": 4 * sizes["hidden_size"],
        "image_size": 224,
        "patch_size": 16,
        "num_register_tokens": 4,
    }
    return Size(DINOV3, {**sizes, **config}, f"facebook/dinov3-{published}-pretrain-lvd1689m")


SIZES: dict[TransformerName, Size] = {
    "dinov2_reg_small": _dinov2(SMALL, "small"),
    "dinov2_reg_base": _dinov2(BASE, "base"),
    "dinov2_reg_large": _dinov2(LARGE, "large"),
    "dino_small_16": _dino(SMALL, 16, "dino-vits16"),
    "dino_small_8": _dino(SMALL, 8, "dino-vits8"),
    "dino_base_16": _dino(BASE, 16, "dino-vitb16"),
    "dino_base_8": _dino(BASE, 8, "dino-vitb8"),
    "dinov3_small": _dinov3(SMALL, "vits16"),
    "dinov3_base": _dinov3(BASE, "vitb16"),
    "dinov3_large": _dinov3(LARGE, "vitl16"),
}
"""All architectures but `trained`, whose sizes are in a card."""


def own_config(*, width: int, depth: int, num_heads: int, patch_px: int, size_px: int) -> Any:
    """The arguments of transformers' ViTConfig for a network of `train_dino`.

    Args:
        width: the width of a token.
        depth: the number of transformer blocks.
        size_px: the side of the pictures for which position embeddings are learnt.
    """
    return {
        **_sizes(width, depth, num_heads),
        "intermediate_size": 4 * width,
        "image_size": size_px,
        "patch_size": patch_px,
    }
