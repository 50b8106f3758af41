"""Convolutional trunks that return maps of several strides, and a neck that merges the maps.

ResNets: He et al., "Deep Residual Learning for Image Recognition", 2016. EfficientNets: Tan and Le,
"EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", 2019. The neck goes from
the deepest map to the finest and merges each map with the result so far. It follows Lin et al.,
"Feature Pyramid Networks for Object Detection", 2017, but concatenates maps instead of adding them.
"""

from collections.abc import Mapping, Sequence
from typing import get_args

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional

from vigil.learn.detector.network.interface import normalise
from vigil.plumbing.errors import FieldError, listed
from vigil.settings.train_detector import Stride, TrunkName

STRIDES = get_args(Stride)
TRUNKS = get_args(TrunkName)
EFFICIENTNET_TAPS = {4: 2, 8: 3, 16: 5, 32: 7}
"""By stride: the last block of `features` with that stride."""


class Trunk(nn.Module):
    """The first blocks of a classification network, down to a given stride.

    `blocks` are in the order of computation. `taps` holds, for each stride, the block whose output
    is the map of that stride.
    """

    def __init__(
        self, blocks: Sequence[nn.Module], taps: Mapping[int, int], num_frozen_blocks: int
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self._taps = {block: stride for stride, block in taps.items()}
        self._num_frozen_blocks = num_frozen_blocks
        for block in self.blocks[:num_frozen_blocks]:
            block.requires_grad_(False)

    def train(self, mode: bool = True) -> "Trunk":
        """Sets the mode. Frozen blocks stay in evaluation mode and keep their statistics."""
        super().train(mode)
        for block in self.blocks[: self._num_frozen_blocks]:
            block.eval()
        return self

    def forward(self, pictures: Tensor) -> dict[int, Tensor]:
        """(B, 3, H, W) uint8 to (B, channels, ceil(H / s), ceil(W / s)) for each stride s."""
        features, maps = normalise(pictures), {}
        for number, block in enumerate(self.blocks):
            features = block(features)
            if number in self._taps:
                maps[self._taps[number]] = features
        return maps


class Neck(nn.Module):
    """Merges maps of several strides into one map of the smallest stride."""

    def __init__(self, channels: Mapping[int, int], width: int) -> None:
        """Args: channels: number of channels by stride. width: number of channels of the result."""
        super().__init__()
        self._strides = sorted(channels, reverse=True)
        self.sides = nn.ModuleDict({str(s): _conv(channels[s], width, 1) for s in self._strides})
        self.joins = nn.ModuleDict({str(s): _conv(2 * width, width, 3) for s in self._strides[1:]})

    def forward(self, maps: Mapping[int, Tensor]) -> Tensor:
        """(B, width, h, w), with the size of the map of the smallest stride."""
        merged = self.sides[str(self._strides[0])](maps[self._strides[0]])
        for stride in self._strides[1:]:
            side = self.sides[str(stride)](maps[stride])
            upsampled = functional.interpolate(merged, size=side.shape[-2:], mode="nearest")
            merged = self.joins[str(stride)](torch.cat([upsampled, side], dim=1))
        finest: Tensor = merged
        return finest


class Features(nn.Module):
    """A trunk, and a neck if there is more than one stride: they compute one map of features."""

    def __init__(
        self,
        trunk: str,
        *,
        stride: int,
        deepest_stride: int,
        neck_width: int,
        num_frozen_blocks: int,
        pretrained: bool,
    ) -> None:
        """Raises FieldError for an unknown trunk, invalid strides, or too many frozen blocks."""
        super().__init__()
        if deepest_stride < stride:
            raise FieldError(
                "features.deepest_stride",
                f"expected at least the stride {stride}, got {deepest_stride}",
            )
        self.trunk = build_trunk(
            trunk,
            deepest_stride=deepest_stride,
            num_frozen_blocks=num_frozen_blocks,
            pretrained=pretrained,
        )
        strides = [s for s in STRIDES if stride <= s <= deepest_stride]
        channels = _count_channels(self.trunk)
        self._stride = stride
        self.neck = Neck({s: channels[s] for s in strides}, neck_width) if neck_width else None
        if self.neck is None and len(strides) > 1:
            raise FieldError(
                "features.neck_width",
                f"expected more than 0 to merge the strides {stride} to {deepest_stride}, "
                f"got {neck_width}",
            )
        self.num_channels = neck_width or channels[stride]

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, 3, H, W) uint8 to (B, num_channels, ceil(H / stride), ceil(W / stride))."""
        maps = self.trunk(pictures)
        features: Tensor = self.neck(maps) if self.neck else maps[self._stride]
        return features


def build_trunk(
    name: str, *, deepest_stride: int, num_frozen_blocks: int, pretrained: bool
) -> Trunk:
    """Builds a trunk by its name in torchvision.

    Raises:
        FieldError: there is no such trunk, it has fewer blocks than are to be frozen, or the
            pretrained weights cannot be downloaded.
    """
    if name not in TRUNKS:
        raise FieldError("features.trunk", f"expected one of {listed(TRUNKS, 30)}, got {name!r}")
    weights = "DEFAULT" if pretrained else None
    try:
        network = torchvision.models.get_model(name, weights=weights)
    except OSError as error:  # without a network, urllib raises OSErrors
        raise FieldError(
            "weights", f"expected to download the ImageNet weights of {name}, got: {error}"
        ) from None
    if name.startswith("efficientnet"):
        blocks, taps = list(network.features), dict(EFFICIENTNET_TAPS)
    else:
        stem = nn.Sequential(network.conv1, network.bn1, network.relu, network.maxpool)
        blocks = [stem, network.layer1, network.layer2, network.layer3, network.layer4]
        taps = {stride: number for number, stride in enumerate(STRIDES, start=1)}
    taps = {stride: number for stride, number in taps.items() if stride <= deepest_stride}
    blocks = blocks[: taps[deepest_stride] + 1]
    if num_frozen_blocks > len(blocks):
        raise FieldError(
            "num_frozen_blocks",
            f"expected at most the {len(blocks)} blocks of {name} down to stride {deepest_stride}, "
            f"got {num_frozen_blocks}",
        )
    return Trunk(blocks, taps, num_frozen_blocks)


def _conv(num_in: int, num_out: int, size: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(num_in, num_out, size, padding=size // 2, bias=False),
        nn.BatchNorm2d(num_out),
        nn.SiLU(inplace=True),
    )


@torch.no_grad()
def _count_channels(trunk: Trunk) -> dict[int, int]:
    """The number of channels of each stride's map, found by running the trunk on zeros."""
    was_training = trunk.training
    maps = trunk.eval()(torch.zeros(1, 3, 64, 64, dtype=torch.uint8))
    trunk.train(was_training)
    return {stride: features.shape[1] for stride, features in maps.items()}
