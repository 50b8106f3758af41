"""The trunk of a network of pictures, trained on ImageNet, as a network of clips."""

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from vigil.learn.alarm.network.embedding.backbone import InputFacts
from vigil.learn.alarm.network.embedding.by_frame import FramesBackbone, check_cells, square
from vigil.learn.networks.weights import read_state
from vigil.learn.pictures.trunk import Trunk, build_trunk, load_trunk
from vigil.plumbing.errors import FieldError, InputError
from vigil.settings.trunk import Stride, TrunkName

IMAGENET, NO_WEIGHTS = "imagenet", "none"


def build(name: TrunkName, stride: Stride, weights: str) -> Trunk:
    """A trunk with its weights.

    Args:
        stride: of the deepest map that it computes.
        weights: `none` (random), `imagenet` (published by torchvision), or a file.

    Raises:
        FieldError: the published weights cannot be downloaded, or there is no map of the stride.
        InputError: the weights are those of another network.
    """
    try:
        trunk = build_trunk(
            name, deepest_stride=stride, num_frozen_blocks=0, pretrained=weights == IMAGENET
        )
    except FieldError as error:
        field = "network.trunk" if error.field == "features.trunk" else error.field
        raise FieldError(field, error.problem) from None
    if weights in (IMAGENET, NO_WEIGHTS):
        return trunk
    if not load_trunk(trunk, name, read_state(Path(weights)), weights):
        raise InputError(f"{weights}: expected the weights of {name}, got those of another network")
    return trunk


class TrunkFrames(FramesBackbone):
    """The vector of a cell is the mean of the trunk's deepest map over it."""

    def __init__(
        self, network: Trunk, inputs: InputFacts, *, num_cells: int, stride: Stride, size_px: int
    ) -> None:
        """Builds a network of clips.

        Args:
            stride: of the trunk's deepest map.
            size_px: the side of the squares that it sees; 0: that of `inputs`.

        Raises:
            FieldError: the side is not a multiple of the stride, or the map of the
                number of cells.
        """
        if size_px % stride:
            raise FieldError(
                "network.size_px",
                f"expected a multiple of the stride of {stride} px, got {size_px}",
            )
        side = size_px or inputs.size.crop_px
        check_cells(num_cells, side, stride)
        super().__init__(network, replace(inputs, size=square(side, num_cells)), num_cells)
        self._stride, self._frames_format = stride, torch.contiguous_format

    def use_channels_last(self) -> None:
        """Stores channels last in memory, which makes convolutions faster on some devices."""
        self._frames_format = torch.channels_last
        self.network.to(memory_format=torch.channels_last)

    def maps(self, frames: Tensor) -> Tensor:
        """The deepest map (N, D, S / stride, S / stride) of normalised frames (N, 3, S, S)."""
        maps: dict[int, Tensor] = self.network(frames.contiguous(memory_format=self._frames_format))
        return maps[self._stride]
