"""The common interface of all space-time networks: frames are the input, a vector the output."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vigil.pixels.fitting import FrameSize

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class InputFacts:
    """The input that a network was designed for.

    Attributes:
        num_frames: the number of frames, spread evenly over a window.
        size: how frames are resized and cropped.
        mean: the mean of red, green and blue, which is subtracted from values in [0, 1].
        std: the standard deviation by which the difference is divided.
    """

    num_frames: int
    size: FrameSize
    mean: Colour
    std: Colour


class Backbone(nn.Module):
    """A network from a library without its classifier. Its input is decoded frames.

    A subclass defines in `features` how the network turns normalised frames into a vector.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, inputs: InputFacts) -> None:
        super().__init__()
        self.network, self.inputs = network, inputs
        self.register_buffer("mean", torch.tensor(inputs.mean), persistent=False)
        self.register_buffer("std", torch.tensor(inputs.std), persistent=False)
        self._dtype, self._format = torch.float32, torch.contiguous_format

    def use_channels_last(self) -> None:
        """Stores channels last in memory, which makes convolutions faster on some devices."""
        self._format = torch.channels_last_3d
        for parameter in self.network.parameters():
            if parameter.dim() == 5:
                parameter.data = parameter.data.to(memory_format=torch.channels_last_3d)

    def use_bf16(self) -> None:
        """Computes in bfloat16 from now on, except pooling, which torch does not have on CPUs."""
        self.network.to(torch.bfloat16)
        self._dtype = torch.bfloat16
        for module in list(self.network.modules()):
            for name, child in module.named_children():
                if isinstance(child, nn.AvgPool3d):
                    setattr(module, name, InFloat32(child))

    def forward(self, frames: Tensor) -> Tensor:
        """Embeds windows of frames.

        Args:
            frames: (B, T, S, S, 3) RGB in [0, 255], uint8.

        Returns:
            (B, D) float32.
        """
        if frames.dim() != 5 or frames.shape[-1] != 3:
            raise ValueError(
                f"frames must have the shape (B, T, S, S, 3), but got {tuple(frames.shape)}"
            )
        scaled = (frames.float() / 255 - self.mean.float()) / self.std.float()
        clips = scaled.to(self._dtype).permute(0, 4, 1, 2, 3)
        return self.features(clips.contiguous(memory_format=self._format)).float()

    def features(self, clips: Tensor) -> Tensor:
        """The vectors (B, D) of normalised frames (B, 3, T, S, S)."""
        return self.network(clips)  # type: ignore[no-any-return]


class InFloat32(nn.Module):
    """A module without weights that always computes in 32 bits."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, values: Tensor) -> Tensor:
        """The output of the module, in the type of the values."""
        return self.module(values.float()).to(values.dtype)  # type: ignore[no-any-return]
