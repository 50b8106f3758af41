"""Feeds several frames into a network that is designed for one picture.

Early fusion turns the frames into channels, and widens the first convolution (as Carreira and
Zisserman, "Quo Vadis, Action Recognition?", 2017, do for kernels over time). Late fusion computes
features of each frame alone; each cell of the last frame then attends to the same cell of the
others (Vaswani et al., "Attention Is All You Need", 2017).
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from vigil.settings.train_detector import Fusion

DIFFERENCE_UNIT = 32.0
"""A difference of this many grey levels, of 255, is 1 in a channel."""

Colours = Callable[[Tensor], Tensor]
"""Pictures (N, 3, H, W) uint8 to the floats that a network takes for one picture."""


def num_channels(fusion: Fusion, num_frames: int) -> int:
    """The number of channels of the picture that `fuse` returns for `num_frames` frames."""
    if fusion == "stack":
        return 3 * num_frames
    return {"difference": 2 + num_frames, "background": 4, "temporal": 3}[fusion]


def fuse(pictures: Tensor, fusion: Fusion, colours: Colours) -> Tensor:
    """(B, T, 3, H, W) uint8, the last frame last, to (B, channels, H, W).

    `stack`: the colours of all frames, the last one first. `difference` and `background`: those of
    the last frame, then of each other one the largest difference among the three colours.
    """
    last = colours(pictures[:, -1])
    if fusion == "stack":
        others = [colours(pictures[:, at]) for at in range(pictures.shape[1] - 1)]
        return torch.cat([last, *others], dim=1)
    now, before = pictures[:, -1:].to(torch.int16), pictures[:, :-1].to(torch.int16)
    differences = (now - before).abs().amax(dim=2).to(last.dtype) / DIFFERENCE_UNIT
    return torch.cat([last, differences], dim=1).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def widen_input(network: nn.Module, fusion: Fusion, num_frames: int) -> None:
    """Widens the first convolution of a network, in place, for pictures of `fuse`.

    `stack`: each frame has an equal part of the weights, so that copies of one frame give the same
    output as the frame alone. Otherwise, the weights of the added channels are the mean of the
    three colours' weights.
    """
    width = num_channels(fusion, num_frames)
    for module in network.modules():
        for name, conv in module.named_children():
            if isinstance(conv, nn.Conv2d) and conv.in_channels % 3 == 0:
                setattr(module, name, _widened(conv, fusion, width))
                return
    raise ValueError("no convolution that takes pictures")


def _widened(conv: nn.Conv2d, fusion: Fusion, width: int) -> nn.Conv2d:
    # The input may be several pixels in one (as in YOLOX): (out, pixels, 3, rows, columns).
    old = conv.weight.unflatten(1, (-1, 3))
    num_pixels = old.shape[1]
    if fusion == "stack":
        new = old.repeat(1, 1, width // 3, 1, 1) / (width // 3)
    else:
        new = torch.cat([old, old.mean(dim=2, keepdim=True).repeat(1, 1, width - 3, 1, 1)], dim=2)
    wide = nn.Conv2d(
        num_pixels * width,
        conv.out_channels,
        conv.kernel_size,  # type: ignore[arg-type]
        conv.stride,  # type: ignore[arg-type]
        conv.padding,  # type: ignore[arg-type]
        bias=conv.bias is not None,
        device=conv.weight.device,
    )
    wide.weight.copy_(new.flatten(1, 2))
    if conv.bias is not None and wide.bias is not None:
        wide.bias.copy_(conv.bias)
    return wide


class TimeAttention(nn.Module):
    """Each cell of the last frame attends to the same cell of all frames; the result is added."""

    def __init__(self, width: int, num_frames: int) -> None:
        super().__init__()
        inner = max(8, width // 4)
        self.query = nn.Conv2d(width, inner, 1)
        self.key = nn.Conv2d(width, inner, 1)
        self.value = nn.Conv2d(width, width, 1)
        self.lag = nn.Parameter(torch.zeros(num_frames, inner, 1, 1))
        nn.init.zeros_(self.value.weight)
        nn.init.zeros_(self.value.bias)  # type: ignore[arg-type]

    def forward(self, features: Tensor, num_frames: int) -> Tensor:
        """(B * T, width, h, w), the last frame last, to (B, width, h, w)."""
        by_frame = features.unflatten(0, (-1, num_frames))  # (B, T, width, h, w)
        last = by_frame[:, -1]
        query = self.query(last)[:, None]
        key = self.key(features).unflatten(0, (-1, num_frames)) + self.lag
        scores = (query * key).sum(dim=2, keepdim=True) / key.shape[2] ** 0.5
        value = self.value(features).unflatten(0, (-1, num_frames))
        attended: Tensor = last + (scores.softmax(dim=1) * value).sum(dim=1)
        return attended
