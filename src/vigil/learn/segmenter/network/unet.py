"""U-Net: a trunk that makes coarser and coarser maps, and a way back that joins them.

Source: Ronneberger, Fischer and Brox, "U-Net: Convolutional Networks for Biomedical Image
Segmentation", 2015. The trunk is any of torchvision's classification networks, or the paper's own.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from vigil.learn.pictures.colours import normalise
from vigil.learn.pictures.trunk import ROUNDING_DOWN, STRIDES, build_trunk, count_channels
from vigil.learn.segmenter.network.interface import Segmenter
from vigil.learn.segmenter.network.plain_trunk import PlainTrunk, double_conv
from vigil.learn.segmenter.network.upsampling import build_upsampling

PLAIN = "plain"
FINE_STRIDES = (1, 2)
DETAIL_WIDTH = 16
"""Channels of the maps that are finer than the trunk's."""
MOST_WIDENING = 8
"""Deep maps of the way back have at most this many times the channels of its finest map."""


class UNet(Segmenter):
    """Scores classes on the finest map of the way back.

    The finest map of the trunk has stride 1 for `plain` and 4 for others. Maps that are to be finer
    have features of two convolutions on the picture.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        trunk: str,
        width: int,
        upsampling: str,
        finest_stride: int,
        sees_all: bool,
        pretrained: bool = False,
        num_frozen_blocks: int = 0,
    ) -> None:
        """Builds a network with random weights, but for those of a pretrained trunk.

        Args:
            trunk: `plain`, or a classification network of torchvision.
            width: channels of the finest map of the way back, and of the plain trunk.
            upsampling: how maps are enlarged: `nearest`, `bilinear`, `transposed`, `unpooling`.
            finest_stride: the stride of the finest map of the way back: 1, 2 or 4.
            sees_all: whether the mean of the whole deepest map is added to each of its cells.

        Raises:
            FieldError: there is no such trunk or way, the trunk has fewer blocks than are to be
                frozen, or pretrained weights cannot be downloaded.
        """
        super().__init__()
        self.trunk = (
            PlainTrunk(width)
            if trunk == PLAIN
            else build_trunk(
                trunk,
                deepest_stride=STRIDES[-1],
                num_frozen_blocks=num_frozen_blocks,
                pretrained=pretrained,
            )
        )
        self._multiple_px = STRIDES[-1] if trunk.startswith(ROUNDING_DOWN) else 1
        channels = count_channels(self.trunk)
        self.details = nn.ModuleDict(
            {
                str(stride): _detail(stride)
                for stride in FINE_STRIDES
                if finest_stride <= stride < min(channels)
            }
        )
        channels |= {int(stride): DETAIL_WIDTH for stride in self.details}
        finest, *_ = strides = sorted(s for s in channels if s >= finest_stride)
        num_deep = channels[strides[-1]]
        self._strides = strides
        self.overview = _overview(num_deep) if sees_all else None
        enlarging, joining = [], []
        for stride in strides[-2::-1]:
            num_out = width * min(stride // finest, MOST_WIDENING)
            enlarging.append(build_upsampling(upsampling, num_deep, channels[stride], num_out))
            joining.append(double_conv(num_out + channels[stride], num_out))
            num_deep = num_out
        self.enlarging, self.joining = nn.ModuleList(enlarging), nn.ModuleList(joining)
        self.classify = nn.Conv2d(num_deep, num_classes, 1)

    def maps(self, pictures: Tensor) -> dict[str, Tensor]:
        # Numbers also while the network is traced: ONNX rounds quotients of sizes towards 0.
        height, width = (int(side) for side in pictures.shape[-2:])
        missing = (0, -width % self._multiple_px, 0, -height % self._multiple_px)
        colours = functional.pad(normalise(pictures), missing)
        maps = self.trunk(colours)
        maps |= {int(stride): detail(colours) for stride, detail in self.details.items()}
        *skips, deep = (maps[stride] for stride in self._strides)
        if self.overview is not None:
            deep = deep + self.overview(deep.mean((2, 3), keepdim=True))
        for enlarge, join, skip in zip(self.enlarging, self.joining, skips[::-1], strict=True):
            deep = join(torch.cat([enlarge(deep, skip), skip], dim=1))
        logits = self.classify(deep)
        if any(missing):
            finest = self._strides[0]
            logits = logits[..., : -(-height // finest), : -(-width // finest)]
        return {"main": logits}


def _detail(stride: int) -> nn.Sequential:
    """(B, 3, H, W) to (B, DETAIL_WIDTH, ceil(H / stride), ceil(W / stride))."""
    first = nn.Conv2d(3, DETAIL_WIDTH, 3, stride=stride, padding=1, bias=False)
    second = nn.Conv2d(DETAIL_WIDTH, DETAIL_WIDTH, 3, padding=1, bias=False)
    return nn.Sequential(
        *(first, nn.BatchNorm2d(DETAIL_WIDTH), nn.ReLU(inplace=True)),
        *(second, nn.BatchNorm2d(DETAIL_WIDTH), nn.ReLU(inplace=True)),
    )


def _overview(num_channels: int) -> nn.Sequential:
    """For the mean of a map: Liu et al., "ParseNet: Looking Wider to See Better", 2015."""
    last = nn.Conv2d(num_channels // 4, num_channels, 1)
    nn.init.zeros_(last.weight)
    return nn.Sequential(nn.Conv2d(num_channels, num_channels // 4, 1), nn.ReLU(), last)
