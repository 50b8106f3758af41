"""A vision transformer over stacked crops."""

import torch
from torch import Tensor, nn

from vigil.plumbing.errors import FieldError


class CropTransformer(nn.Module):
    """A vision transformer over the T crops of a sample, which are stacked as channels.

    Patches as tokens and the learned position embedding follow Dosovitskiy et al., "An Image is
    Worth 16x16 Words", 2021. Normalisation before attention follows Xiong et al., "On Layer
    Normalization in the Transformer Architecture", 2020. The mean of all tokens is the input of the
    head.
    """

    def __init__(
        self,
        *,
        num_frames: int,
        size_px: int,
        patch_px: int,
        width: int,
        depth: int,
        num_heads: int,
        mlp_width: int,
        dropout: float,
    ) -> None:
        """Raises FieldError if patches do not tile a crop, or if heads do not divide the width."""
        super().__init__()
        if size_px % patch_px:
            raise FieldError(
                "network.patch_px",
                f"expected a divisor of the crops' {size_px} px, got {patch_px}",
            )
        if width % num_heads:
            raise FieldError(
                "network.num_heads", f"expected a divisor of the width {width}, got {num_heads}"
            )
        num_tokens = (size_px // patch_px) ** 2
        self.input_shape = (num_frames, size_px, size_px)
        self.patches = nn.Conv2d(num_frames, width, kernel_size=patch_px, stride=patch_px)
        self.position = nn.Parameter(torch.empty(1, num_tokens, width))
        nn.init.trunc_normal_(self.position, std=0.02)
        block = nn.TransformerEncoderLayer(
            width,
            num_heads,
            dim_feedforward=mlp_width,
            dropout=dropout,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.blocks = nn.TransformerEncoder(
            block, depth, norm=nn.LayerNorm(width), enable_nested_tensor=False
        )
        self.head = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, 1))
        # nn.TransformerEncoder copies one block. Without this, all blocks would start alike.
        for layer in self.blocks.layers:
            for parameter in layer.parameters():
                if parameter.dim() > 1:
                    nn.init.xavier_uniform_(parameter)

    def forward(self, crops: Tensor) -> Tensor:
        """Computes the logits of samples.

        Args:
            crops: (B, T, S, S) grey values in [0, 255], uint8 or float.

        Returns:
            (B,): logits; the sigmoid is the probability of a person.
        """
        if crops.shape[1:] != self.input_shape:
            raise ValueError(
                f"crops must have the shape (B, {', '.join(map(str, self.input_shape))}), "
                f"but got {tuple(crops.shape)}"
            )
        scaled = crops.float() / 127.5 - 1  # [-1, 1]
        tokens = self.patches(scaled).flatten(2).transpose(1, 2)  # (B, tokens, width)
        features = self.blocks(tokens + self.position).mean(dim=1)  # (B, width)
        return self.head(features).squeeze(1)  # type: ignore[no-any-return]
