"""A detector's network as one tensor in, one tensor out, and how to decode what comes out."""

from typing import Any

import torch
from torch import Tensor, nn

from vigil.learn.detector.network.anchor import AnchorDetector
from vigil.learn.detector.network.dense import DenseDetector
from vigil.learn.detector.network.grid import GridDetector
from vigil.learn.detector.network.interface import Detector
from vigil.learn.detector.network.yolox import STRIDES as YOLOX_STRIDES
from vigil.learn.detector.network.yolox import YoloxDetector
from vigil.plumbing.errors import InputError


class DetectorGraph(nn.Module):
    """A network from pictures to logits, without decoding and suppression.

    Attributes:
        kind: how boxes are encoded, of `vigil.runtime.decoding.DECODERS`.
    """

    kind: str

    def __init__(self, network: DenseDetector) -> None:
        super().__init__()
        self.network = network

    def head_maps(self, features: list[Tensor]) -> list[Tensor]:
        """The output (B, P, 4 + 1 + C, rows, columns) on each map; P: places in a cell."""
        raise NotImplementedError

    def strides(self) -> tuple[int, ...]:
        """Of the maps, in px."""
        raise NotImplementedError

    def shapes_wh(self) -> list[list[list[float]]]:
        """By map, the width and the height of the anchors of a cell."""
        return [[] for _ in self.strides()]

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, [T,] 3, H, W) uint8 to (B, A, 4 + 1 + C), map by map, row by row."""
        maps = self.head_maps(self.network.look(pictures))
        # (B, P, numbers, rows, columns) to (B, rows * columns * P, numbers)
        return torch.cat([one.permute(0, 3, 4, 1, 2).flatten(1, 3) for one in maps], dim=1)

    @torch.no_grad()
    def decoding(self, example: Tensor) -> dict[str, Any]:
        """The entry `decoding` of the card. Args: example: a batch of pictures."""
        maps = self.head_maps(self.network.look(example))
        return {
            "kind": self.kind,
            "maps": [
                {"stride": stride, "rows": one.shape[3], "columns": one.shape[4], "shapes_wh": wh}
                for stride, one, wh in zip(self.strides(), maps, self.shapes_wh(), strict=True)
            ],
        }


class GridGraph(DetectorGraph):
    """Of `grid`."""

    kind = "grid"
    network: GridDetector

    def head_maps(self, features: list[Tensor]) -> list[Tensor]:
        pairs = zip(self.network.heads, features, strict=True)
        return [head(one).float().unsqueeze(1) for head, one in pairs]

    def strides(self) -> tuple[int, ...]:
        return self.network._strides


class YoloxGraph(DetectorGraph):
    """Of the YOLOX networks."""

    kind = "yolox"
    network: YoloxDetector

    def head_maps(self, features: list[Tensor]) -> list[Tensor]:
        return [one.float().unsqueeze(1) for one in self.network.head(features)]

    def strides(self) -> tuple[int, ...]:
        return YOLOX_STRIDES


class AnchorGraph(DetectorGraph):
    """Of `anchor`."""

    kind = "anchor"
    network: AnchorDetector

    def head_maps(self, features: list[Tensor]) -> list[Tensor]:
        outputs = []
        for head, one in zip(self.network.heads, features, strict=True):
            branches: tuple[Any, ...] = (head.box, head.objectness, head.classes)
            per_cell = (self.network._per_cell, -1)
            parts = [branch(one).float().unflatten(1, per_cell) for branch in branches]
            outputs.append(torch.cat(parts, dim=2))
        return outputs

    def strides(self) -> tuple[int, ...]:
        return self.network._strides

    def shapes_wh(self) -> list[list[list[float]]]:
        shapes: Tensor = self.network.shapes_wh  # type: ignore[assignment]
        by_map: list[list[list[float]]] = shapes.tolist()
        return by_map


GRAPHS: dict[type[Detector], type[DetectorGraph]] = {
    GridDetector: GridGraph,
    YoloxDetector: YoloxGraph,
    AnchorDetector: AnchorGraph,
}


def graph_of(network: Detector, architecture: str) -> DetectorGraph:
    """The graph of a network, which is not changed.

    Raises:
        InputError: this architecture has no graph without suppression.
    """
    if type(network) not in GRAPHS:
        raise InputError(
            f"{architecture}: expected grid, anchor or a yolox network to export, got a network "
            "that decodes its boxes itself"
        )
    return GRAPHS[type(network)](network).eval()  # type: ignore[arg-type]
