"""Necks: they merge feature maps of several strides."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import FeaturePyramidNetwork


class ConcatNeck(nn.Module):
    """Merges maps of several strides into one map of the smallest stride.

    It goes from the deepest map to the finest and merges each map with the result so far. It
    follows Lin et al., "Feature Pyramid Networks for Object Detection", 2017, but concatenates maps
    instead of adding them.
    """

    def __init__(self, channels: Mapping[int, int], width: int) -> None:
        """Args: channels: number of channels by stride. width: number of channels of the result."""
        super().__init__()
        self._strides = sorted(channels, reverse=True)
        self.sides = nn.ModuleDict({str(s): _conv(channels[s], width, 1) for s in self._strides})
        self.joins = nn.ModuleDict({str(s): _conv(2 * width, width, 3) for s in self._strides[1:]})

    def forward(self, maps: Mapping[int, Tensor]) -> list[Tensor]:
        """One map (B, width, h, w) of the finest stride."""
        merged = self.sides[str(self._strides[0])](maps[self._strides[0]])
        for stride in self._strides[1:]:
            side = self.sides[str(stride)](maps[stride])
            raised = functional.interpolate(merged, size=side.shape[-2:], mode="nearest")
            merged = self.joins[str(stride)](torch.cat([raised, side], dim=1))
        return [merged]


class PyramidNeck(nn.Module):
    """Adds deep maps to the fine ones, and, with a way back, fine maps to the deep ones.

    FPN: Lin et al., 2017, by torchvision. PAFPN adds the second way: Liu et al., "Path Aggregation
    Network for Instance Segmentation", 2018.
    """

    def __init__(
        self, channels: Mapping[int, int], width: int, kept: Sequence[int], *, has_way_back: bool
    ) -> None:
        """Args: channels: by stride. width: of each result. kept: the strides of the results."""
        super().__init__()
        self._strides, self._kept = sorted(channels), tuple(sorted(kept))
        widths = [channels[stride] for stride in self._strides]
        self.down = FeaturePyramidNetwork(widths, width, norm_layer=nn.BatchNorm2d)
        deeper = self._kept[1:] if has_way_back else ()
        self.steps = nn.ModuleDict({str(s): _conv(width, width, 3, stride=2) for s in deeper})
        self.joins = nn.ModuleDict({str(s): _conv(2 * width, width, 3) for s in deeper})

    def forward(self, maps: Mapping[int, Tensor]) -> list[Tensor]:
        """(B, width, h, w) of each kept stride, the finest first."""
        lowered = self.down({str(stride): maps[stride] for stride in self._strides})
        merged = [functional.silu(lowered[str(stride)]) for stride in self._kept]
        for number, stride in enumerate(self._kept[1:] if self.steps else (), start=1):
            current = merged[number]
            # A map's side is rounded up, and so is that of a convolution with a step of 2.
            raised = self.steps[str(stride)](merged[number - 1])
            merged[number] = self.joins[str(stride)](torch.cat([raised, current], dim=1))
        return merged


def _conv(num_in: int, num_out: int, size: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(num_in, num_out, size, stride, padding=size // 2, bias=False),
        nn.BatchNorm2d(num_out),
        nn.SiLU(inplace=True),
    )
