"""Reads the weights of YOLOX that its authors publish, with their 80 classes.

Ge et al., "YOLOX: Exceeding YOLO Series in 2021", 2021; Apache-2.0. A file of torch has the names
of `YoloxDetector`. An ONNX file has other names, and its norms are folded into its convolutions.
Its convolutions are those of the network, in the order of computation.
"""

import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN_ResNet50_FPN_V2_Weights

from vigil.learn.detector.network.csp_darknet import BaseConv
from vigil.learn.detector.network.interface import Detector
from vigil.learn.detector.network.onnx_convolutions import Convolution, read_convolutions
from vigil.learn.detector.network.yolox import YoloxDetector
from vigil.learn.networks.weights import check_state, read_state
from vigil.plumbing.errors import FieldError, InputError, listed
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

COCO_CLASSES: tuple[str, ...] = tuple(
    name
    for name in FasterRCNN_ResNet50_FPN_V2_Weights.COCO_V1.meta["categories"]
    if name not in {"__background__", "N/A"}
)
"""In the order of the published heads."""


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
    if path.suffix == ".onnx":
        return _by_order(path, name)
    state = read_state(path)
    heads = [tensor for key, tensor in state.items() if key == f"head.{CLASS_PART}.0.bias"]
    expected = _outline(name, len(heads[0]) if heads else len(COCO_CLASSES)).state_dict()
    check_state(expected, state, str(path))
    return state


def load_published(
    network: Detector,
    state: Mapping[str, Tensor],
    classes: Sequence[str],
    *,
    called: Mapping[str, str] | None = None,
    needs_all: bool = False,
    place: str,
) -> list[str]:
    """Loads published weights into a network with other classes.

    A class takes the score of the published class with its name. If there is none, its score starts
    with random weights.

    Args:
        state: the weights from `read_published`.
        classes: the classes of the network.
        called: the published names of classes, where they differ.
        needs_all: whether a class without a published class is an error.
        place: the name of the weights in messages.

    Returns:
        The classes whose scores start with random weights.

    Raises:
        InputError: the weights have no class of that name.
    """
    called = dict(called or {})
    num_given = len(state[f"head.{CLASS_PART}.0.bias"])
    known = list(COCO_CLASSES) if num_given == len(COCO_CLASSES) else []
    wanted = [called.get(name, name) for name in classes]
    asked = set(wanted) if needs_all else {called[name] for name in classes if name in called}
    if unknown := asked - set(known):
        raise InputError(
            f"{place}: expected classes that the weights have, found no {listed(unknown)}; "
            f"they have {listed(known, 100)}"
        )
    initial = network.state_dict()
    merged = dict(state)
    for key, tensor in initial.items():
        if CLASS_PART not in key:
            continue
        rows = tensor.clone()
        for number, name in enumerate(wanted):
            if name in known:
                rows[number] = state[key][known.index(name)]
        merged[key] = rows
    network.load_state_dict(merged)
    return [name for name, theirs in zip(classes, wanted, strict=True) if theirs not in known]


def _by_order(path: Path, name: YoloxArchitecture) -> dict[str, Tensor]:
    given = read_convolutions(path)
    network = _outline(name, 1)
    order = _in_order(network)
    if len(given) != len(order):
        raise InputError(
            f"{path}: expected the {len(order)} convolutions of {name}, got {len(given)}"
        )
    num_classes = len(given[[id(one) for one in order].index(id(network.head.cls_preds[0]))].bias)
    if num_classes > 1:
        network = _outline(name, num_classes)
        order = _in_order(network)
    state = {key: torch.zeros(t.shape, dtype=t.dtype) for key, t in network.state_dict().items()}
    norms = {id(one.conv): one.bn for one in network.modules() if isinstance(one, BaseConv)}
    names = {id(module): key for key, module in network.named_modules()}
    for number, (module, conv) in enumerate(zip(order, given, strict=True), start=1):
        _check(module, conv, f"{path}: convolution {number} of {name}")
        bias = torch.from_numpy(conv.bias.copy())
        state[f"{names[id(module)]}.weight"] = torch.from_numpy(conv.weight.copy())
        if id(module) not in norms:
            state[f"{names[id(module)]}.bias"] = bias
            continue
        norm = norms[id(module)]
        key = names[id(norm)]
        # A norm that changes nothing but adds the bias.
        state[f"{key}.weight"] = torch.ones_like(bias)
        state[f"{key}.bias"] = bias
        state[f"{key}.running_var"] = torch.full_like(bias, 1 - norm.eps)
    return state


def _outline(name: YoloxArchitecture, num_classes: int) -> YoloxDetector:
    return YoloxDetector(name, PAPER, num_classes=num_classes)


@torch.no_grad()
def _in_order(network: YoloxDetector) -> list[nn.Conv2d]:
    """The convolutions of a network, in the order of computation."""
    convolutions: list[nn.Conv2d] = []
    hooks = [
        module.register_forward_hook(lambda module, *_: convolutions.append(module))
        for module in network.modules()
        if isinstance(module, nn.Conv2d)
    ]
    network.eval()(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))
    for hook in hooks:
        hook.remove()
    return convolutions


def _check(module: nn.Conv2d, conv: Convolution, place: str) -> None:
    expected = (tuple(module.weight.shape), module.groups, module.stride[0])
    actual = (conv.weight.shape, conv.groups, conv.stride)
    if expected != actual:
        raise InputError(
            f"{place}: expected the shape {expected[0]} in {expected[1]} groups with stride "
            f"{expected[2]}, got {actual[0]} in {actual[1]} with stride {actual[2]}"
        )
