"""Builds the network that a training starts from, with random, downloaded or loaded weights."""

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any, get_args

import torch
from torch import Tensor, nn

from vigil.learn.detector.network.data import PictureDataset, batches
from vigil.learn.detector.network.dense import DenseDetector
from vigil.learn.detector.network.features import Features
from vigil.learn.detector.network.interface import Detector
from vigil.learn.detector.network.published_yolox import (
    CLASS_PART,
    download_published,
    load_published,
    read_published,
)
from vigil.learn.detector.network.registry import build_detector
from vigil.learn.detector.network.transformer_detectors import TransformerDetector
from vigil.learn.detector.network.yolox import YoloxDetector
from vigil.learn.networks.weights import check_state, read_state
from vigil.learn.pictures.trunk import load_trunk
from vigil.plumbing.closure import Import, imports_from
from vigil.plumbing.errors import FieldError, listed
from vigil.settings.train_detector import TrainDetector, YoloxArchitecture

NUM_BATCHES = 8
"""The number of batches that restore the statistics of folded norms."""


def build_start(
    config: Mapping[str, Any], settings: TrainDetector, train_set: PictureDataset
) -> Detector:
    """Builds a network with its initial weights.

    Args:
        config: the configuration that the network is built from.
        train_set: the training pictures, without augmentation.

    Raises:
        FieldError, InputError: the weights are missing, damaged, or of another network.
    """
    name: Any = settings.architecture
    fetched = name in get_args(YoloxArchitecture) and settings.weights == "coco"
    network = build_detector(
        settings.architecture,
        {key: value for key, value in config.items() if key != "frames"},
        pretrained="none" if settings.weights_file or fetched else settings.weights,
        num_frozen_blocks=settings.num_frozen_blocks,
    )
    file = download_published(name) if fetched else settings.weights_file
    if file is not None:
        _load(network, file, settings, train_set)
    if "frames" in config and isinstance(network, DenseDetector):
        network.see_frames(settings.frames)
    return network


def _load(
    network: Detector, file: Path, settings: TrainDetector, train_set: PictureDataset
) -> None:
    if isinstance(network, YoloxDetector):
        _start_yolox(network, file, settings, train_set)
        return
    if settings.weights_classes:
        raise FieldError(
            "weights_classes",
            f"expected none for weights of {settings.architecture}, got "
            f"{listed(settings.weights_classes)}",
        )
    state = read_state(file)
    features = getattr(network, "features", None)
    if (
        isinstance(features, Features)
        and state.keys() != network.state_dict().keys()
        and load_trunk(features.trunk, settings.features.trunk, state, str(file))
    ):
        print(f"{file}: the weights of the trunk; the other weights are random")
        return
    current = network.state_dict()
    if isinstance(network, TransformerDetector):
        state = network.named_as_here(state)
    check_state(current, state, str(file))
    network.load_state_dict(state)


def _start_yolox(
    network: YoloxDetector, file: Path, settings: TrainDetector, train_set: PictureDataset
) -> None:
    name: Any = settings.architecture
    state = read_published(file, name)
    num_given = len(state[f"head.{CLASS_PART}.0.bias"])
    is_own = file.suffix != ".onnx" and num_given == len(train_set.classes)
    if is_own and not settings.weights_classes:
        network.load_state_dict(state)
        return
    called = settings.weights_classes
    if unknown := called.keys() - set(train_set.classes):
        raise FieldError(
            "weights_classes",
            f"expected classes of the pictures, {listed(train_set.classes)}, got {listed(unknown)}",
        )
    new = load_published(network, state, train_set.classes, called=called, place=str(file))
    if new:
        print(f"{file}: no score for {listed(new)}; its weights are random")
    if file.suffix == ".onnx":
        restore_norms(network, train_set, settings.fitting.batch_size)


def imports_of_other_starts(architecture: str) -> set[Import]:
    """The imports of this module that the start of a detector does not use."""
    if architecture in get_args(YoloxArchitecture):
        return imports_from(Path(__file__), load_trunk.__module__, Features.__module__)
    return imports_from(Path(__file__), load_published.__module__, YoloxDetector.__module__)


@torch.no_grad()
def restore_norms(network: Detector, train_set: PictureDataset, batch_size: int) -> None:
    """Restores the statistics of norms that were folded into convolutions.

    A folded norm has lost the mean and the deviation of its input. They are measured on pictures.
    Then factor and offset are set so that the network computes the same as before. Without this,
    the norms would not fit their inputs in the first step of a training.
    """
    sums_by_norm: dict[nn.BatchNorm2d, list[Tensor]] = {}

    def measure(norm: nn.BatchNorm2d, given: tuple[Tensor]) -> None:
        numbers = given[0].double()
        sums = torch.stack([numbers.mean((0, 2, 3)), numbers.square().mean((0, 2, 3))])
        sums_by_norm.setdefault(norm, []).append(sums)

    norms = [one for one in network.modules() if isinstance(one, nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(measure) for norm in norms]
    network.eval()
    for pictures, _ in islice(batches(train_set, batch_size, shuffle_seed=None), NUM_BATCHES):
        network.candidates(pictures)
    for hook in hooks:
        hook.remove()
    for norm, sums in sums_by_norm.items():
        mean, square = torch.stack(sums).mean(dim=0)
        variance = (square - mean.square()).clamp(min=1e-6)
        # (x - mean) / deviation * factor + offset is to stay x * old factor + old offset.
        state = norm.state_dict()
        old = state["weight"].double() / (state["running_var"].double() + norm.eps).sqrt()
        state["bias"] += (mean - state["running_mean"].double()) * old
        state["weight"].copy_(old * (variance + norm.eps).sqrt())
        state["running_mean"].copy_(mean)
        state["running_var"].copy_(variance)
