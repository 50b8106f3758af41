"""Small vision transformers of each family, in place of those of the published sizes."""

from dataclasses import replace

import pytest

from vigil.learn.vision_transformers import opening
from vigil.learn.vision_transformers.families import SIZES

SMALL = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "patch_size": 4,
    "image_size": 16,
}
NAMES = ("dino_small_16", "dinov2_reg_small", "dinov3_small")
"""One of each family."""


def small_sizes() -> dict:
    """All sizes, each as small as `SMALL`."""
    told = {}
    for name, size in SIZES.items():
        config = {**size.config, **SMALL}
        if "intermediate_size" in config:
            config["intermediate_size"] = 48
        told[name] = replace(size, config=config)
    return told


def use_small_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """All published sizes are small ones."""
    monkeypatch.setattr(opening, "SIZES", small_sizes())
