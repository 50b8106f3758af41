"""Reads the weights of YOLOX that its authors publish, with their 80 classes.

Ge et al., "YOLOX: Exceeding YOLO Series in 2021", 2021; Apache-2.0. A file of torch has the names
of `YoloxDetector`. An ONNX file has other names, and its norms are folded into its convolutions.
Its convolutions are found by the way that data takes. Then one picture is computed by the network
and by the nodes of the file, and both must give the same.
"""

import urllib.request
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.fx import symbolic_trace

from vigil.learn.detector.network.csp_darknet import NORM_EPS
from vigil.learn.detector.network.data_flow import match
from vigil.learn.detector.network.onnx_convolutions import Array, Convolution, OnnxNetwork
from vigil.learn.detector.network.yolox import YoloxDetector
from vigil.learn.networks.weights import check_state, read_state
from vigil.plumbing.errors import FieldError, InputError
from vigil.plumbing.outputs import whole
from vigil.settings.train_detector import Loss, YoloxArchitecture

RELEASE = "https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0"
CLASS_PART = "cls_preds"
PAPER = Loss(
    box="iou",
    objectness="bce",
    classes="bce",
    box_weight=5.0,
    objectness_weight=1.0,
    classes_weight=1.0,
)
"""The losses that the paper trains with."""

ONNX = ".onnx"
PROBE_WH = (256, 224)
"""The size of the picture that a network and its file are compared on: the deepest map must be
larger than half of the widest area that maxima are taken of."""
TOLERANCE, ROUNDING = 1e-3, 1e-5
"""The largest difference from the file's own numbers, as a fraction of their range, and as a
fraction of the largest number."""
Shape = tuple[tuple[int, ...], int, int]
"""Of a convolution: the shape of its weights, its groups and its stride."""


def download_published(name: YoloxArchitecture) -> Path:
    """Downloads the authors' file once into torch's folder of weights.

    Raises:
        FieldError: the download fails, and there is no earlier download.
    """
    path = Path(torch.hub.get_dir(), "checkpoints", f"{name}.pth")
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with whole(path) as partial:
                urllib.request.urlretrieve(f"{RELEASE}/{name}.pth", partial)
        except OSError as error:
            raise FieldError(
                "weights", f"expected to download the coco weights of {name}, got: {error}"
            ) from None
    return path


def read_published(path: Path, name: YoloxArchitecture) -> dict[str, Tensor]:
    """Reads the weights of a whole network, with `YoloxDetector`'s names and any number of classes.

    Norms that are folded into the convolutions of a file become norms that only add a bias.

    Raises:
        InputError: the file is missing, damaged, or of another network.
    """
    if path.suffix.lower() == ONNX:
        return _from_onnx(path, name)
    state = read_state(path)
    check_published(state, name, str(path))
    return state


def check_published(state: Mapping[str, Tensor], name: YoloxArchitecture, place: str) -> None:
    """Checks that weights are those of a whole network, with any number of classes.

    Args:
        place: the name of the weights in messages.

    Raises:
        InputError: they are of another network.
    """
    heads = [tensor for key, tensor in state.items() if key == f"head.{CLASS_PART}.0.bias"]
    with torch.device("meta"):
        expected = _outline(name, len(heads[0]) if heads else 80).state_dict()
    check_state(expected, state, place)


def _from_onnx(path: Path, name: YoloxArchitecture) -> dict[str, Tensor]:
    """Finds each convolution of the network in the file by the way that data takes."""
    file = OnnxNetwork(path)
    keys, sources = _flow_of(network := _outline(name, 1))
    if len(file.convolutions) != len(keys):
        raise InputError(
            f"{path}: expected the {len(keys)} convolutions of {name}, got {len(file.convolutions)}"
        )
    modules: list[Any] = [network.get_submodule(key) for key in keys]
    mine: list[Shape] = [(tuple(one.weight.shape), one.groups, one.stride[0]) for one in modules]
    theirs = [(one.weight.shape, one.groups, one.stride) for one in file.convolutions]
    their_sources = [one.sources for one in file.convolutions]
    pairs = match(
        _without_classes(mine, sources),
        sources,
        _without_classes(theirs, their_sources),
        their_sources,
    )
    given: dict[str, int] = {}
    for key, (shape, groups, stride), number in zip(keys, mine, pairs, strict=True):
        if number is None:
            is_there = (shape, groups, stride) in theirs
            raise InputError(
                f"{path}: expected a convolution {shape} in {groups} groups with stride {stride}, "
                f"connected as {key} of {name}, found "
                + ("none so connected" if is_there else "none of that shape")
            )
        given[key] = number
    state = _folded_state(name, {key: file.convolutions[number] for key, number in given.items()})
    _compare(file, given, state, path, name)
    return state


def _flow_of(network: YoloxDetector) -> tuple[list[str], list[frozenset[int]]]:
    """The names of the convolutions, and for each the numbers of those whose outputs it reads."""
    parts = nn.ModuleDict({"backbone": network.backbone, "head": network.head})
    keys: list[str] = []
    read_by: dict[Any, frozenset[int]] = {}
    sources: list[frozenset[int]] = []
    for node in symbolic_trace(_Chain(parts)).graph.nodes:
        read = frozenset[int]().union(*(read_by[one] for one in node.all_input_nodes))
        is_conv = node.op == "call_module" and str(node.target).endswith("conv")
        is_conv |= node.op == "call_module" and "_preds." in str(node.target)
        if is_conv:
            keys.append(str(node.target).removeprefix("parts."))
            sources.append(read)
            read = frozenset({len(keys) - 1})
        read_by[node] = read
    return keys, sources


class _Chain(nn.Module):
    """A network from floats to the maps of its head."""

    def __init__(self, parts: nn.ModuleDict) -> None:
        super().__init__()
        self.parts = parts

    def forward(self, pictures: Tensor) -> Any:
        return self.parts["head"](self.parts["backbone"](pictures))


def _without_classes(shapes: Sequence[Shape], sources: Sequence[frozenset[int]]) -> list[Any]:
    """Labels that do not depend on the number of classes.

    A branch of the head ends in the convolution for classes, or in those for boxes and objectness.
    """
    read = Counter(source for one in sources for source in one)
    labels: list[Any] = []
    for number, (shape, groups, stride) in enumerate(shapes):
        is_last = not read[number]
        is_alone = is_last and all(read[source] == 1 for source in sources[number])
        labels.append((None if is_alone else shape[0], *shape[1:], groups, stride))
    return labels


def _folded_state(
    name: YoloxArchitecture, convolutions: Mapping[str, Convolution]
) -> dict[str, Tensor]:
    """The weights of a network with as many classes as the convolutions have.

    Norms only add the bias of their convolution.
    """
    num_classes = len(convolutions[f"head.{CLASS_PART}.0"].bias)
    network = _outline(name, num_classes)
    state = {key: torch.zeros(t.shape, dtype=t.dtype) for key, t in network.state_dict().items()}
    for key, conv in convolutions.items():
        bias = torch.from_numpy(conv.bias.copy())
        state[f"{key}.weight"] = torch.from_numpy(conv.weight.copy())
        if not key.endswith(".conv"):
            state[f"{key}.bias"] = bias
            continue
        norm = f"{key.removesuffix('.conv')}.bn"
        state[f"{norm}.weight"] = torch.ones_like(bias)
        state[f"{norm}.bias"] = bias
        state[f"{norm}.running_var"] = torch.full_like(bias, 1 - NORM_EPS)
    return state


@torch.no_grad()
def _compare(
    file: OnnxNetwork,
    given: Mapping[str, int],
    state: Mapping[str, Tensor],
    path: Path,
    name: YoloxArchitecture,
) -> None:
    """Computes one picture in both ways. Other activations or paddings give other numbers."""
    network = _outline(name, len(state[f"head.{CLASS_PART}.0.bias"]))
    check_state(network.state_dict(), state, str(path))
    network.load_state_dict(state)
    width, height = file.only_size_wh or PROBE_WH
    numbers = np.random.default_rng(0).integers(0, 256, (1, 3, height, width), dtype=np.uint8)
    pictures = torch.from_numpy(numbers)
    found: dict[str, Tensor] = {}
    for key in given:
        part = f"{key.removesuffix('.conv')}.bn" if key.endswith(".conv") else key
        network.get_submodule(part).register_forward_hook(
            # A copy, since activations are computed in place.
            lambda _, __, output, key=key: found.update({key: output.clone()})
        )
    network.eval()(pictures)
    expected = file.outputs(list(given.values()), network.colours(pictures).numpy())
    for key, theirs in zip(given, expected, strict=True):
        mine = found[key].numpy()
        if mine.shape != theirs.shape or not _is_close(mine, theirs):
            raise InputError(
                f"{path}: expected the computation of {name} on BGR in [0, 255], got other numbers "
                f"at {key}: another activation, padding, dilation or scaling of its input"
            )


def _is_close(mine: Array, theirs: Array) -> bool:
    most = max(TOLERANCE * np.ptp(mine), ROUNDING * np.abs(mine).max())
    return bool(np.abs(mine - theirs).max() <= most)


def _outline(name: YoloxArchitecture, num_classes: int) -> YoloxDetector:
    return YoloxDetector(name, PAPER, num_classes=num_classes)
