"""Augments batches of crops: all frames of a sample are changed in the same way."""

import torch
from torch import Tensor
from torch.nn import functional

from vigil.settings.train_classifier import Augmentation


class CropAugmentation:
    """Changes crops at random, within the limits of the settings."""

    def __init__(self, settings: Augmentation) -> None:
        self._settings = settings

    def __call__(self, crops: Tensor) -> Tensor:
        """(B, T, S, S) uint8 or float in [0, 255] to float in [0, 255].

        Changes of brightness and contrast, and noise, leave the zero padding at zero.
        """
        crops = crops.float()
        batch, _, size, _ = crops.shape
        padding = crops == 0

        def draw(low: float, high: float) -> Tensor:
            """(B, 1, 1, 1): one uniform random number for each sample."""
            return torch.empty(batch, 1, 1, 1, device=crops.device).uniform_(low, high)

        gain = draw(1 - self._settings.max_contrast, 1 + self._settings.max_contrast)
        shift = draw(-self._settings.max_brightness, self._settings.max_brightness) * 255
        noise = (
            torch.randn_like(crops) * (self._settings.noise * 255) if self._settings.noise else 0
        )
        # Contrast is changed around middle grey.
        crops = (crops - 127.5) * gain + 127.5 + shift + noise
        crops = crops.clamp(0, 255).masked_fill(padding, 0)
        flipped = draw(0, 1) < self._settings.flip_probability
        crops = torch.where(flipped, crops.flip(3), crops)  # mirrored left to right
        backwards = draw(0, 1) < self._settings.flip_probability
        crops = torch.where(backwards, crops.flip(1), crops)  # played in reverse
        if self._settings.max_shift_px or self._settings.max_scale > 1:
            # Scales are uniform on a logarithmic axis. In the coordinates of affine_grid, a crop is
            # 2 wide, so a shift of 1 px is 2 / size.
            scale = self._settings.max_scale ** draw(-1, 1).view(batch)
            offset = torch.empty(batch, 2, device=crops.device).uniform_(-1, 1)
            offset = offset * self._settings.max_shift_px * 2 / size
            affine = torch.zeros(batch, 2, 3, device=crops.device)
            affine[:, 0, 0] = affine[:, 1, 1] = scale
            affine[:, :, 2] = offset
            grid = functional.affine_grid(affine, list(crops.shape), align_corners=False)
            crops = functional.grid_sample(crops, grid, align_corners=False)
        return crops
