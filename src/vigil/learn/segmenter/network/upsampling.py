"""Four ways to enlarge a map to the size of a finer map, selected by name.

A map of stride 2s has ceil(n / 2) cells where the map of stride s has n. So each way fits maps of
odd sizes, too.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

from vigil.plumbing.errors import FieldError, listed


class Upsampling(nn.Module, ABC):
    """Enlarges a map (B, num_channels, h, w) to the size of a finer map `skip` (B, K, H, W).

    H is 2h or 2h - 1, and W is 2w or 2w - 1. The result is (B, num_out, H, W).
    """

    def __init__(self, num_channels: int, num_skip: int, num_out: int) -> None:
        super().__init__()
        self.reduce: nn.Module = nn.Conv2d(num_channels, num_out, 1)

    @abstractmethod
    def forward(self, deep: Tensor, skip: Tensor) -> Tensor:
        """The enlarged map."""


class NearestUpsampling(Upsampling):
    """Repeats each cell."""

    def forward(self, deep: Tensor, skip: Tensor) -> Tensor:
        # interpolate() would spread the cells evenly over an odd size, and shift them.
        doubled = functional.interpolate(self.reduce(deep), scale_factor=2.0, mode="nearest")
        return _cropped(doubled, skip)


class BilinearUpsampling(Upsampling):
    """Interpolates between the centres of cells."""

    def forward(self, deep: Tensor, skip: Tensor) -> Tensor:
        reduced = self.reduce(deep)
        doubled = functional.interpolate(
            reduced, scale_factor=2.0, mode="bilinear", align_corners=False
        )
        return _cropped(doubled, skip)


class TransposedUpsampling(Upsampling):
    """A convolution with stride 1/2: it learns how to fill the four cells that a cell becomes."""

    def __init__(self, num_channels: int, num_skip: int, num_out: int) -> None:
        super().__init__(num_channels, num_skip, num_out)
        self.reduce = nn.ConvTranspose2d(num_channels, num_out, 2, stride=2)

    def forward(self, deep: Tensor, skip: Tensor) -> Tensor:
        return _cropped(self.reduce(deep), skip)


class UnpoolingUpsampling(Upsampling):
    """Puts each cell where the finer map has the maximum of its 2x2 cells, and zeros elsewhere.

    Source: Badrinarayanan et al., "SegNet: A Deep Convolutional Encoder-Decoder Architecture for
    Image Segmentation", 2017. There, the finer map is the one that was pooled. Trunks that do not
    pool have such maxima, too. The number of channels is that of the finer map.
    """

    def __init__(self, num_channels: int, num_skip: int, num_out: int) -> None:
        super().__init__(num_channels, num_skip, num_out)
        self.reduce = nn.Conv2d(num_channels, num_skip, 1)
        self.mix = nn.Conv2d(num_skip, num_out, 3, padding=1)

    def forward(self, deep: Tensor, skip: Tensor) -> Tensor:
        _, places = functional.max_pool2d(skip, 2, ceil_mode=True, return_indices=True)
        reduced = self.reduce(deep)
        # torch's max_unpool2d is not deterministic. No place occurs twice, so that scatter is.
        empty = torch.zeros_like(skip, dtype=reduced.dtype).flatten(2)
        filled = empty.scatter(2, places.flatten(2), reduced.flatten(2))
        mixed: Tensor = self.mix(filled.view_as(skip))
        return mixed


def _cropped(doubled: Tensor, skip: Tensor) -> Tensor:
    return doubled[..., : skip.shape[-2], : skip.shape[-1]]


UPSAMPLINGS: dict[str, type[Upsampling]] = {
    "nearest": NearestUpsampling,
    "bilinear": BilinearUpsampling,
    "transposed": TransposedUpsampling,
    "unpooling": UnpoolingUpsampling,
}


def build_upsampling(name: str, num_channels: int, num_skip: int, num_out: int) -> Upsampling:
    """Builds a way to enlarge maps.

    Raises:
        FieldError: there is no such way.
    """
    if name not in UPSAMPLINGS:
        raise FieldError("unet.upsampling", f"expected one of {listed(UPSAMPLINGS)}, got {name!r}")
    return UPSAMPLINGS[name](num_channels, num_skip, num_out)
