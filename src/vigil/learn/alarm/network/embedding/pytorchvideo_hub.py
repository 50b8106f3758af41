"""pytorchvideo's networks.

SlowFast: Feichtenhofer et al., "SlowFast Networks for Video Recognition", 2019. X3D: Feichtenhofer,
"X3D: Expanding Architectures for Efficient Video Recognition", 2020.
"""

import importlib
import warnings
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from vigil.learn.alarm.network.embedding.backbone import Backbone, InputFacts


def build_slowfast(num_frames: int, alpha: int) -> nn.Module:
    """SlowFast with a ResNet-50 and random weights; the published one has 32 frames and alpha 4."""
    network: nn.Module = _hub().slowfast_r50(
        slowfast_fusion_conv_stride=(alpha, 1, 1),
        head_pool_kernel_sizes=((num_frames // alpha, 7, 7), (num_frames, 7, 7)),
    )
    return network


def build_x3d(name: str) -> nn.Module:
    """X3D of a size, with random weights."""
    network: nn.Module = getattr(_hub(), name)()
    return network


class SlowFast(Backbone):
    """A slow path of few frames and a fast path of all frames, whose outputs are concatenated."""

    def __init__(self, network: nn.Module, inputs: InputFacts, alpha: int) -> None:
        """Args: alpha: the slow path takes every alpha-th frame."""
        super().__init__(_without_classifier(network), inputs)
        self._alpha = alpha

    def features(self, clips: Tensor) -> Tensor:
        """The vectors (B, D) of normalised frames (B, 3, T, S, S)."""
        # The network writes into its input list, so the list is a new one.
        return self.network(pack_pathways(clips, self._alpha))  # type: ignore[no-any-return]


def pack_pathways(clips: Tensor, alpha: int) -> list[Tensor]:
    """The slow path's frames (B, 3, T / alpha, S, S), and the fast path's frames: all of them.

    The slow frames are spread from the first to the last as in pytorchvideo's tutorial. So they are
    not exactly every alpha-th frame.
    """
    num_frames = clips.shape[2]
    chosen = torch.linspace(0, num_frames - 1, num_frames // alpha, device=clips.device).long()
    return [clips.index_select(2, chosen), clips]


def cut_x3d(network: nn.Module, inputs: InputFacts) -> Backbone:
    """Removes the classifier of X3D."""
    return Backbone(_without_classifier(network), inputs)


def _without_classifier(network: nn.Module) -> nn.Module:
    """Leaves only the pooling in the head, without the projection to classes and the softmax."""
    head: Any = network.blocks[-1]  # type: ignore[index]
    head.dropout, head.proj, head.activation = None, nn.Identity(), None
    return network


def address(name: str) -> str:
    """The address of the weights trained on Kinetics-400."""
    family = getattr(_hub(), "slowfast" if name.startswith("slowfast") else "x3d")
    return str(family.checkpoint_paths[name])


def _hub() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it uses deprecated functions of torch
        return importlib.import_module("pytorchvideo.models.hub")
