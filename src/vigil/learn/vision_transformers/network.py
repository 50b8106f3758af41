"""A vision transformer behind one interface: class tokens, and the attention of the last block."""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vigil.learn.vision_transformers.families import VIT, Family, own_config

MEAN_RGB, STD_RGB = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's, by which all families normalise values in [0, 1]."""


class AttentiveTransformer(nn.Module):
    """A vision transformer whose tokens are a class token, registers, and one for each patch.

    Attributes:
        network: the library's network.
        patch_px: the side of a patch; it divides the sides of pictures.
        width: the dimensions of a class token.
        num_heads: the number of attention heads.
        size_px: the side of the pictures that the network was trained on.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, family: Family, config: Mapping[str, Any]) -> None:
        """Args: config: the arguments of the family's config."""
        super().__init__()
        self.network = family.build(config)
        self.patch_px, self.size_px = int(config["patch_size"]), int(config["image_size"])
        self.width = int(config["hidden_size"])
        self.num_heads = int(config["num_attention_heads"])
        # Patches come after the class token and the registers.
        self._first_patch = 1 + int(config.get("num_register_tokens", 0))
        self._forward = dict(family.forward)
        self._last_attention = family.last_attention  # not the module, which would be stored twice
        # Fused attention computes no weights, so the last block alone computes them one by one.
        last: Any = self._last_attention(self.network)
        last.config = copy.deepcopy(last.config)
        last.config._attn_implementation = "eager"
        self.register_buffer("mean", torch.tensor(MEAN_RGB).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD_RGB).view(3, 1, 1), persistent=False)

    def normalise(self, pictures: Tensor) -> Tensor:
        """(B, H, W, 3) RGB uint8 in [0, 255] to (B, 3, H, W) floats, as the network expects."""
        return (pictures.permute(0, 3, 1, 2).float() / 255 - self.mean) / self.std

    def forward(self, pixels: Tensor) -> Tensor:
        """The class tokens (B, D) after the last norm.

        Args:
            pixels: (B, 3, H, W) normalised; sides are multiples of `patch_px`.
        """
        return self._tokens(pixels)[:, 0]

    def patches(self, pixels: Tensor) -> Tensor:
        """The tokens (B, H / patch_px, W / patch_px, D) of patches after the last norm.

        Args:
            pixels: as of `forward`.
        """
        grid_hw = pixels.shape[-2] // self.patch_px, pixels.shape[-1] // self.patch_px
        tokens = self._tokens(pixels)[:, self._first_patch :]
        return tokens.reshape(len(tokens), *grid_hw, -1)

    def _tokens(self, pixels: Tensor) -> Tensor:
        """All tokens (B, tokens, D) after the last norm."""
        height, width = pixels.shape[-2:]
        if (
            pixels.dim() != 4
            or pixels.shape[1] != 3
            or height % self.patch_px + (width % self.patch_px)
        ):
            raise ValueError(
                f"pixels must have the shape (B, 3, H, W) with sides that are multiples of "
                f"{self.patch_px}, but got {tuple(pixels.shape)}"
            )
        output = self.network(pixel_values=pixels, **self._forward)
        return output.last_hidden_state  # type: ignore[no-any-return]

    def attend(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """The class tokens, and what the class token attends to in the last block.

        Args:
            pixels: as of `forward`.

        Returns:
            (B, D) class tokens, and (B, heads, h, w) the attention to each patch. A head's
            attention to the class token, the registers and all patches together sums to 1.
        """
        rows: list[Tensor] = []

        def keep_row(module: nn.Module, given: Any, output: tuple[Tensor, Tensor | None]) -> None:
            if output[1] is None:
                raise ValueError(f"{type(module).__name__} computes no attention weights")
            rows.append(output[1][:, :, 0])  # (B, heads, tokens): the class token's row

        hook = self._last_attention(self.network).register_forward_hook(keep_row)
        try:
            vectors = self(pixels)
        finally:
            hook.remove()
        grid_hw = pixels.shape[-2] // self.patch_px, pixels.shape[-1] // self.patch_px
        return vectors, rows[0][:, :, self._first_patch :].unflatten(2, grid_hw)


def build_own(config: Mapping[str, Any]) -> AttentiveTransformer:
    """The network of a card of `train_dino`, with random weights.

    Args:
        config: `width`, `depth`, `num_heads`, `patch_px` and `size_px`.
    """
    return AttentiveTransformer(VIT, own_config(**config))
