"""The trunk and neck of YOLOX: CSP-Darknet and PAFPN.

Wang et al., "CSPNet: A New Backbone that can Enhance Learning Capability of CNN", 2020; Liu et al.,
"Path Aggregation Network for Instance Segmentation", 2018; Ge et al., "YOLOX: Exceeding YOLO Series
in 2021", 2021. Parts are named as in the weights that the authors of YOLOX publish.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

NORM_EPS, NORM_MOMENTUM = 1e-3, 0.03


class Size(NamedTuple):
    """The size of a network, as fractions of the largest.

    Attributes:
        depth: of the blocks that are repeated.
        width: of the channels.
        is_depthwise: whether 3x3 convolutions are split into one for each channel and one of 1x1.
    """

    depth: float
    width: float
    is_depthwise: bool


class BaseConv(nn.Module):
    """A convolution without bias, a norm, SiLU; the side is divided by `stride`."""

    def __init__(
        self, num_in: int, num_out: int, size: int, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            num_in, num_out, size, stride, padding=size // 2, groups=groups, bias=False
        )
        self.bn = nn.BatchNorm2d(num_out, eps=NORM_EPS, momentum=NORM_MOMENTUM)

    def forward(self, features: Tensor) -> Tensor:
        """(B, num_in, h, w) to (B, num_out, ceil(h / stride), ceil(w / stride))."""
        return functional.silu(self.bn(self.conv(features)), inplace=True)


class DepthwiseConv(nn.Module):
    """`BaseConv` in two: 3x3 within each channel, 1x1 between them."""

    def __init__(self, num_in: int, num_out: int, size: int, stride: int = 1) -> None:
        super().__init__()
        self.dconv = BaseConv(num_in, num_in, size, stride, groups=num_in)
        self.pconv = BaseConv(num_in, num_out, 1)

    def forward(self, features: Tensor) -> Tensor:
        outputs: Tensor = self.pconv(self.dconv(features))
        return outputs


def conv3x3(num_in: int, num_out: int, stride: int, is_depthwise: bool) -> nn.Module:
    """A 3x3 convolution with its norm, whole or split."""
    kind = DepthwiseConv if is_depthwise else BaseConv
    return kind(num_in, num_out, 3, stride)


class Bottleneck(nn.Module):
    """A 1x1 and a 3x3 convolution; the input is added if `adds_input`."""

    def __init__(self, width: int, adds_input: bool, is_depthwise: bool) -> None:
        super().__init__()
        self.conv1 = BaseConv(width, width, 1)
        self.conv2 = conv3x3(width, width, 1, is_depthwise)
        self._adds_input = adds_input

    def forward(self, features: Tensor) -> Tensor:
        outputs: Tensor = self.conv2(self.conv1(features))
        return outputs + features if self._adds_input else outputs


class CSPLayer(nn.Module):
    """Half of the channels goes through bottlenecks, the other half goes past them."""

    def __init__(
        self, num_in: int, num_out: int, num: int, adds_input: bool, is_depthwise: bool
    ) -> None:
        super().__init__()
        half = num_out // 2
        self.conv1, self.conv2 = BaseConv(num_in, half, 1), BaseConv(num_in, half, 1)
        self.m = nn.Sequential(*(Bottleneck(half, adds_input, is_depthwise) for _ in range(num)))
        self.conv3 = BaseConv(2 * half, num_out, 1)

    def forward(self, features: Tensor) -> Tensor:
        through, past = self.conv1(features), self.conv2(features)
        outputs: Tensor = self.conv3(torch.cat([self.m(through), past], dim=1))
        return outputs


class PyramidPooling(nn.Module):
    """Concatenates each pixel and the maxima of 5, 9 and 13 px around it."""

    def __init__(self, num_in: int, num_out: int) -> None:
        super().__init__()
        self.conv1 = BaseConv(num_in, num_in // 2, 1)
        self.m = nn.ModuleList(nn.MaxPool2d(side, 1, padding=side // 2) for side in (5, 9, 13))
        self.conv2 = BaseConv(num_in // 2 * 4, num_out, 1)

    def forward(self, features: Tensor) -> Tensor:
        narrow = self.conv1(features)
        outputs: Tensor = self.conv2(torch.cat([narrow, *(pool(narrow) for pool in self.m)], dim=1))
        return outputs


class Focus(nn.Module):
    """Each 2x2 px become one with four times the channels, then a convolution."""

    def __init__(self, num_in: int, num_out: int) -> None:
        super().__init__()
        self.conv = BaseConv(4 * num_in, num_out, 3)

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, num_in, H, W) to (B, num_out, H / 2, W / 2), H and W even."""
        even, odd = pictures[..., ::2, :], pictures[..., 1::2, :]
        corners = [even[..., ::2], odd[..., ::2], even[..., 1::2], odd[..., 1::2]]
        outputs: Tensor = self.conv(torch.cat(corners, dim=1))
        return outputs


class CSPDarknet(nn.Module):
    """Maps of strides 8, 16 and 32."""

    def __init__(self, size: Size, num_channels: int = 3) -> None:
        """Args: num_channels: of pictures."""
        super().__init__()
        width, depth = int(64 * size.width), max(round(3 * size.depth), 1)
        split = size.is_depthwise
        self.stem = Focus(num_channels, width)
        self.dark2 = nn.Sequential(
            conv3x3(width, 2 * width, 2, split), CSPLayer(2 * width, 2 * width, depth, True, split)
        )
        self.dark3 = nn.Sequential(
            conv3x3(2 * width, 4 * width, 2, split),
            CSPLayer(4 * width, 4 * width, 3 * depth, True, split),
        )
        self.dark4 = nn.Sequential(
            conv3x3(4 * width, 8 * width, 2, split),
            CSPLayer(8 * width, 8 * width, 3 * depth, True, split),
        )
        self.dark5 = nn.Sequential(
            conv3x3(8 * width, 16 * width, 2, split),
            PyramidPooling(16 * width, 16 * width),
            CSPLayer(16 * width, 16 * width, depth, False, split),
        )

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        fine = self.dark3(self.dark2(self.stem(pictures)))
        middle = self.dark4(fine)
        return fine, middle, self.dark5(middle)


class PathAggregation(nn.Module):
    """CSP-Darknet, a way from its deepest map to the finest, and a way back."""

    def __init__(self, size: Size, num_channels: int = 3) -> None:
        """Args: num_channels: of pictures."""
        super().__init__()
        fine, middle, deep = self.widths = widths_of(size)
        depth, split = max(round(3 * size.depth), 1), size.is_depthwise

        def layer(num_in: int, num_out: int) -> CSPLayer:
            return CSPLayer(num_in, num_out, depth, False, split)

        self.backbone = CSPDarknet(size, num_channels)
        self.lateral_conv0, self.C3_p4 = BaseConv(deep, middle, 1), layer(2 * middle, middle)
        self.reduce_conv1, self.C3_p3 = BaseConv(middle, fine, 1), layer(2 * fine, fine)
        self.bu_conv2, self.C3_n3 = conv3x3(fine, fine, 2, split), layer(2 * fine, middle)
        self.bu_conv1, self.C3_n4 = conv3x3(middle, middle, 2, split), layer(2 * middle, deep)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """(B, num_channels, H, W), sides multiples of 32, to maps of strides 8, 16 and 32."""
        fine, middle, deep = self.backbone(pictures)
        deep = self.lateral_conv0(deep)
        middle = self.C3_p4(torch.cat([_doubled(deep), middle], dim=1))
        middle = self.reduce_conv1(middle)
        fine = self.C3_p3(torch.cat([_doubled(middle), fine], dim=1))
        back = self.C3_n3(torch.cat([self.bu_conv2(fine), middle], dim=1))
        return [fine, back, self.C3_n4(torch.cat([self.bu_conv1(back), deep], dim=1))]


def widths_of(size: Size) -> tuple[int, int, int]:
    """Channels of the maps of strides 8, 16 and 32."""
    return int(256 * size.width), int(512 * size.width), int(1024 * size.width)


def _doubled(features: Tensor) -> Tensor:
    return functional.interpolate(features, scale_factor=2.0, mode="nearest")
