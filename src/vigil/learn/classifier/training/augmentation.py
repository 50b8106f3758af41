"""Random changes of batches of crops, each sample changed alike on all its frames."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class CropAugmentation:
    """How far crops may be changed.

    Attributes:
        flip_probability: of a mirror image, and of time running backwards.
        max_shift_px: in either direction, along x and y.
        max_scale: by which factor, up or down.
        max_brightness: added, as a fraction of the full range.
        max_contrast: factor around the mean grey, 1 +- this.
        noise: standard deviation of the added noise, as a fraction of the full range.
    """

    flip_probability: float
    max_shift_px: float
    max_scale: float
    max_brightness: float
    max_contrast: float
    noise: float

    def __call__(self, crops: Tensor) -> Tensor:
        """(B, T, S, S) uint8 or float in [0, 255] to float in [0, 255]; zero padding stays zero."""
        crops = crops.float()
        batch, _, size, _ = crops.shape
        padding = crops == 0

        def draw(low: float, high: float) -> Tensor:
            return torch.empty(batch, 1, 1, 1, device=crops.device).uniform_(low, high)

        gain = draw(1 - self.max_contrast, 1 + self.max_contrast)
        shift = draw(-self.max_brightness, self.max_brightness) * 255
        noise = torch.randn_like(crops) * (self.noise * 255) if self.noise else 0
        crops = (crops - 127.5) * gain + 127.5 + shift + noise
        crops = crops.clamp(0, 255).masked_fill(padding, 0)
        flipped = draw(0, 1) < self.flip_probability
        crops = torch.where(flipped, crops.flip(3), crops)
        backwards = draw(0, 1) < self.flip_probability
        crops = torch.where(backwards, crops.flip(1), crops)
        if self.max_shift_px or self.max_scale > 1:
            scale = self.max_scale ** draw(-1, 1).view(batch)
            moved = torch.empty(batch, 2, device=crops.device).uniform_(-1, 1)
            moved = moved * self.max_shift_px * 2 / size
            affine = torch.zeros(batch, 2, 3, device=crops.device)
            affine[:, 0, 0] = affine[:, 1, 1] = scale
            affine[:, :, 2] = moved
            grid = functional.affine_grid(affine, list(crops.shape), align_corners=False)
            crops = functional.grid_sample(crops, grid, align_corners=False)
        return crops
