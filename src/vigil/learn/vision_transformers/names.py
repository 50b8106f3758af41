"""Turns the names of published weights into those of the networks built here.

Three kinds of names occur: those of today's library transformers; those of its earlier versions,
which the published folders have; and those of the networks' authors, in the files that they publish
themselves for DINO and DINOv2.
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from vigil.learn.vision_transformers.families import DINOV3, VIT, Family

_ATTENTION_PARTS = [
    (r"attention\.attention\.query\.", "attention.q_proj."),
    (r"attention\.attention\.key\.", "attention.k_proj."),
    (r"attention\.attention\.value\.", "attention.v_proj."),
    (r"attention\.output\.dense\.", "attention.o_proj."),
]
_VIT = [
    (r"^vit\.", ""),
    (r"^encoder\.layer\.", "layers."),
    *_ATTENTION_PARTS,
    (r"intermediate\.dense\.", "mlp.fc1."),
    (r"(?<!attention\.)output\.dense\.", "mlp.fc2."),
]
_DINOV3 = [(r"^layer\.", "model.layer.")]
_AUTHORS = [
    (r"^cls_token$", "embeddings.cls_token"),
    (r"^pos_embed$", "embeddings.position_embeddings"),
    (r"^mask_token$", "embeddings.mask_token"),
    (r"^register_tokens$", "embeddings.register_tokens"),
    (r"^patch_embed\.proj\.", "embeddings.patch_embeddings.projection."),
    (r"^norm\.", "layernorm."),
    (r"\.attn\.proj\.", ".attention.o_proj."),
    (r"\.ls([12])\.gamma$", r".layer_scale\1.lambda1"),
]
_AUTHORS_OF_VIT = [
    (r"^blocks\.", "layers."),
    (r"\.norm1\.", ".layernorm_before."),
    (r"\.norm2\.", ".layernorm_after."),
]
_AUTHORS_OF_DINOV2 = [(r"^blocks\.", "encoder.layer.")]
UNUSED = re.compile(r"^(pooler|head|dino_head)\.")
"""Parts of published files that a network without a head does not have."""


def as_named_here(state: Mapping[str, Tensor], family: Family) -> dict[str, Tensor]:
    """The same weights under the names that the family's network has here.

    Unknown names stay as they are, so that a later comparison with the network reports them.
    """
    state = {name: tensor for name, tensor in state.items() if not UNUSED.match(name)}
    if family is not DINOV3 and any(name.startswith("blocks.") for name in state):
        own = _AUTHORS_OF_VIT if family is VIT else _AUTHORS_OF_DINOV2
        return _split_projections(_rename(state, [*_AUTHORS, *own]))
    rules = {VIT.model_type: _VIT, DINOV3.model_type: _DINOV3}
    return _rename(state, rules.get(family.model_type, _ATTENTION_PARTS))


def _rename(state: Mapping[str, Tensor], rules: list[tuple[str, str]]) -> dict[str, Tensor]:
    renamed = {}
    for name, tensor in state.items():
        for pattern, replacement in rules:
            name = re.sub(pattern, replacement, name)
        renamed[name] = tensor
    return renamed


def _split_projections(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Splits the authors' joint projection `attn.qkv` into queries, keys and values."""
    split: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if ".attn.qkv." not in name:
            split[name] = tensor
            continue
        for part, rows in zip("qkv", torch.chunk(tensor, 3), strict=True):
            split[name.replace(".attn.qkv.", f".attention.{part}_proj.")] = rows
    return split
