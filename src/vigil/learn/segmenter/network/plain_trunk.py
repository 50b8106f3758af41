"""The encoder of the first U-Net: pairs of 3x3 convolutions, and pooling between them.

Source: Ronneberger, Fischer and Brox, "U-Net: Convolutional Networks for Biomedical Image
Segmentation", 2015. Here each convolution has a norm and keeps the size.
"""

from torch import Tensor, nn
from torch.nn import functional

STRIDES = (1, 2, 4, 8, 16)


class PlainTrunk(nn.Module):
    """Maps with `width` channels at stride 1, and twice as many at each further stride."""

    def __init__(self, width: int) -> None:
        super().__init__()
        blocks, num_channels = [], 3
        for number in range(len(STRIDES)):
            blocks.append(double_conv(num_channels, width * 2**number))
            num_channels = width * 2**number
        self.blocks = nn.ModuleList(blocks)

    def forward(self, pictures: Tensor) -> dict[int, Tensor]:
        """(B, 3, H, W) to (B, channels, ceil(H / s), ceil(W / s)) for each stride s."""
        maps, features = {}, pictures
        for stride, block in zip(STRIDES, self.blocks, strict=True):
            if stride > 1:
                features = functional.max_pool2d(features, 2, ceil_mode=True)
            maps[stride] = features = block(features)
        return maps


def double_conv(num_in: int, num_out: int) -> nn.Sequential:
    """Two 3x3 convolutions, each with a norm and ReLU."""
    return nn.Sequential(*_conv(num_in, num_out), *_conv(num_out, num_out))


def _conv(num_in: int, num_out: int) -> list[nn.Module]:
    conv = nn.Conv2d(num_in, num_out, 3, padding=1, bias=False)
    return [conv, nn.BatchNorm2d(num_out), nn.ReLU(inplace=True)]
