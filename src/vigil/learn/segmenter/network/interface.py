"""The interface of all segmenters."""

from abc import ABC, abstractmethod

from torch import Tensor, nn
from torch.nn import functional

IGNORED = 255
"""The class of pixels that count neither way."""


class Segmenter(nn.Module, ABC):
    """A network that scores each class in each pixel.

    It takes pictures (B, 3, H, W) uint8 RGB and does not change them.
    """

    @abstractmethod
    def maps(self, pictures: Tensor) -> dict[str, Tensor]:
        """Logits (B, C, h, w) by name, of any size: `main`, and `auxiliary` while training.

        Only a network with an auxiliary classifier has the latter.
        """

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits (B, C, H, W) float32 of the main classifier."""
        return enlarge(self.maps(pictures)["main"], pictures.shape[-2:])


def enlarge(logits: Tensor, size_hw: tuple[int, ...]) -> Tensor:
    """(B, C, h, w) to (B, C, H, W) float32, bilinearly."""
    floats = logits.float()
    if floats.shape[-2:] == size_hw:
        return floats
    return functional.interpolate(floats, list(size_hw), mode="bilinear", align_corners=False)
