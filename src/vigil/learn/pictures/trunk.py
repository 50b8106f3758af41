"""Convolutional trunks that return maps of several strides: torchvision's classification networks.

A trunk is divided into blocks, in the order of computation. The map of a stride is the output of
the last block with this stride.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

import torch
import torchvision
from torch import Tensor, nn

from vigil.plumbing.errors import FieldError, InputError, listed
from vigil.settings.trunk import Stride, TrunkName

STRIDES = get_args(Stride)
TRUNKS = get_args(TrunkName)
PROBE_PX = 64
ROUNDING_DOWN = ("convnext", "densenet", "vgg")
"""Families that ignore pixels at the right and at the bottom that do not fill a stride."""


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
        """(B, C, H, W) to (B, channels, ceil(H / s), ceil(W / s)) for each stride s."""
        features, maps = pictures, {}
        for number, block in enumerate(self.blocks):
            features = block(features)
            if number in self._taps:
                maps[self._taps[number]] = features
        return maps


def build_trunk(
    name: str, *, deepest_stride: int, num_frozen_blocks: int, pretrained: bool
) -> Trunk:
    """Builds a trunk by its name in torchvision.

    Raises:
        FieldError: there is no such trunk, it has fewer blocks than are to be frozen, or the
            pretrained weights cannot be downloaded.
    """
    if name not in TRUNKS:
        raise FieldError("features.trunk", f"expected one of {listed(TRUNKS, 60)}, got {name!r}")
    weights = "DEFAULT" if pretrained else None
    try:
        network = _network(name, weights)
    except OSError as error:  # without a network, urllib raises OSErrors
        raise FieldError(
            "weights", f"expected to download the ImageNet weights of {name}, got: {error}"
        ) from None
    blocks = _cut(network)
    taps = {s: number for s, number in _find_taps(blocks).items() if s <= deepest_stride}
    blocks = blocks[: taps[deepest_stride] + 1]
    if num_frozen_blocks > len(blocks):
        raise FieldError(
            "num_frozen_blocks",
            f"expected at most the {len(blocks)} blocks of {name} down to stride {deepest_stride}, "
            f"got {num_frozen_blocks}",
        )
    return Trunk(blocks, taps, num_frozen_blocks)


def trunk_state(name: str, state: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """Renames weights from torchvision's names to those of `Trunk`; None for another network.

    Args:
        state: the weights of the whole network, or of it without its classifier.
    """
    with torch.device("meta"):
        network = _network(name, None)
    names = {id(tensor): key for key, tensor in _tensors(network)}
    renamed = {}
    for number, block in enumerate(_cut(network)):
        for key, tensor in _tensors(block):
            theirs = names[id(tensor)]
            if theirs not in state:
                return None
            renamed[f"blocks.{number}.{key}"] = state[theirs]
    return renamed


def is_whole_trunk(name: str, state: Mapping[str, Tensor]) -> bool:
    """Whether weights are those of a network, with or without its classifier.

    Args:
        state: by torchvision's names.
    """
    if name.startswith("regnet") and not any(key.startswith("trunk_output.") for key in state):
        return False  # only to save time: a RegNet is not built on the device `meta`
    with torch.device("meta"):
        network = _network(name, None)
    needed = {id(tensor) for block in _cut(network) for _, tensor in _tensors(block)}
    return all(
        key in state and state[key].shape == tensor.shape
        for key, tensor in _tensors(network)
        if id(tensor) in needed
    )


def load_trunk(trunk: Trunk, name: str, state: Mapping[str, Tensor], place: str) -> bool:
    """Loads a classification network's weights into a trunk; False for another network.

    Args:
        place: the name of the weights in messages.

    Raises:
        InputError: the names are those of the network, but the shapes differ.
    """
    renamed = trunk_state(name, state)
    if renamed is None:
        return False
    current = trunk.state_dict()
    for key, tensor in current.items():
        if renamed[key].shape != tensor.shape:
            raise InputError(
                f"{place}: expected the weights of {name}, got other shapes "
                f"({key}: {tuple(renamed[key].shape)} for {tuple(tensor.shape)})"
            )
    trunk.load_state_dict({key: renamed[key] for key in current})
    return True


def _network(name: str, weights: str | None) -> nn.Module:
    """Torchvision's network, on the default device."""
    if not name.startswith("regnet"):
        network: nn.Module = torchvision.models.get_model(name, weights=weights)
        return network
    device = torch.get_default_device()
    with torch.device("cpu"):  # widths are computed with tensors, which need values
        return torchvision.models.get_model(name, weights=weights).to(device)  # type: ignore[no-any-return]


def _tensors(module: nn.Module) -> list[tuple[str, Tensor]]:
    """Parameters and buffers with their names; the objects are those of the module."""
    return [*module.named_parameters(), *module.named_buffers()]


def _cut(network: Any) -> list[nn.Module]:
    """The blocks of one of torchvision's networks, in the order of computation."""
    for kind, blocks in _CUTS.items():
        if hasattr(network, kind):
            return blocks(network)
    raise ValueError(f"no known part of {type(network).__name__} makes maps")


_CUTS: dict[str, Callable[[Any], list[nn.Module]]] = {
    # By the name of a part that only this family has.
    # MobileNet, EfficientNet, ConvNeXt, VGG, DenseNet
    "features": lambda net: _without_classifier_width(list(net.features)),
    "trunk_output": lambda net: [net.stem, *net.trunk_output],  # RegNet
    "stage2": lambda net: [  # ShuffleNet
        *(nn.Sequential(net.conv1, net.maxpool), net.stage2, net.stage3, net.stage4)
    ],
    "layers": lambda net: list(net.layers)[
        :-3
    ],  # MNASNet, without the layers that widen its vector
    "layer1": lambda net: [  # ResNet, ResNeXt, Wide ResNet
        nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool),
        *(net.layer1, net.layer2, net.layer3, net.layer4),
    ],
}


def _without_classifier_width(blocks: list[nn.Module]) -> list[nn.Module]:
    """Leaves out a 1x1 convolution at the end, which only widens the vector for a classifier."""
    last = blocks[-1]
    is_widening = isinstance(last, nn.Sequential) and getattr(last[0], "kernel_size", 0) == (1, 1)
    return blocks[:-1] if is_widening else blocks


@torch.no_grad()
def _find_taps(blocks: Sequence[nn.Module]) -> dict[int, int]:
    """By stride: the last block with that stride, found by running the blocks on zeros."""
    taps, features = {}, torch.zeros(1, 3, PROBE_PX, PROBE_PX)
    for number, block in enumerate(blocks):
        was_training = block.training
        features = block.eval()(features)
        block.train(was_training)
        taps[PROBE_PX // features.shape[-1]] = number
    return {stride: number for stride, number in taps.items() if stride in STRIDES}


@torch.no_grad()
def count_channels(trunk: nn.Module) -> dict[int, int]:
    """The number of channels of each stride's map, found by running the trunk on zeros."""
    was_training = trunk.training
    maps = trunk.eval()(torch.zeros(1, 3, PROBE_PX, PROBE_PX))
    trunk.train(was_training)
    return {stride: features.shape[1] for stride, features in maps.items()}
