"""Builds the network that a training starts from, with random, downloaded or loaded weights."""

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, get_args

import torch
from torch import Tensor, nn

from vigil.learn.detector.network.class_rows import (
    card_of,
    names_in,
    num_classes_of,
    rows_by_name,
    with_rows,
)
from vigil.learn.detector.network.data import PictureDataset, batches
from vigil.learn.detector.network.dense import DenseDetector
from vigil.learn.detector.network.features import Features
from vigil.learn.detector.network.interface import Detector
from vigil.learn.detector.network.published_yolox import (
    ONNX,
    download_published,
    read_published,
)
from vigil.learn.detector.network.registry import build_detector
from vigil.learn.detector.network.transformer_detectors import TransformerDetector
from vigil.learn.detector.network.yolox import YoloxDetector
from vigil.learn.networks.weights import check_state, read_state
from vigil.learn.pictures.trunk import load_trunk
from vigil.plumbing.closure import Import, imports_from
from vigil.plumbing.errors import FieldError, InputError, listed, shorten
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
    sees_frames = "frames" in config and isinstance(network, DenseDetector)
    is_of_frames = file is not None and _frames_of(file, config)
    if sees_frames and is_of_frames:
        network.see_frames(settings.frames)  # type: ignore[operator]
    if file is not None:
        _load(network, file, settings, train_set)
    else:  # of another library, which loads its own weights
        _check_no_names(settings)
    if sees_frames and not is_of_frames:
        network.see_frames(settings.frames)  # type: ignore[operator]
    return network


def _frames_of(file: Path, config: Mapping[str, Any]) -> bool:
    """Whether a file is of a detector of the same sequences of frames, as its card says.

    Raises:
        FieldError: it is of other sequences.
    """
    card = card_of(file)
    frames = card and card["config"].get("frames")
    if frames and frames != config.get("frames"):
        raise FieldError(
            "frames", f"expected {shorten(frames, 200)}, as {file} was trained with, got others"
        )
    return bool(frames)


def _load(
    network: Detector, file: Path, settings: TrainDetector, train_set: PictureDataset
) -> None:
    is_onnx = file.suffix.lower() == ONNX
    if is_onnx and not isinstance(network, YoloxDetector):
        raise FieldError(
            "weights",
            f"expected safetensors or a state dict for {settings.architecture}, got {file}, an "
            "ONNX file, which only the yolox networks read",
        )
    name: Any = settings.architecture
    state = read_published(file, name) if is_onnx else read_state(file)
    features = getattr(network, "features", None)
    if (
        isinstance(features, Features)
        and state.keys() != network.state_dict().keys()
        and load_trunk(features.trunk, settings.features.trunk, state, str(file))
    ):
        _check_no_names(settings)
        print(f"{file}: the weights of the trunk; the other weights are random")
        return
    if isinstance(network, TransformerDetector):
        state = network.named_as_here(state)
    _load_by_names(network, state, file, settings, train_set.classes)
    if is_onnx:
        restore_norms(network, train_set, settings.fitting.batch_size)


def _load_by_names(
    network: Detector,
    state: Mapping[str, Tensor],
    file: Path,
    settings: TrainDetector,
    classes: Sequence[str],
) -> None:
    """Loads weights; each class takes the scores of the class with its name."""
    called = settings.weights_classes
    num_given = num_classes_of(network, state)
    if num_given is None:
        _load_in_order(network, state, file, settings, classes)
        return
    if unknown := called.keys() - set(classes):
        raise FieldError(
            "weights_classes",
            f"expected classes of the pictures, {listed(classes)}, got {listed(unknown)}",
        )
    names = names_in(file, num_given, network.published_classes)
    rows = rows_by_name(names, num_given, classes, called, str(file))
    merged = with_rows(network, state, rows.by_class)
    check_state(network.state_dict(), merged, str(file))
    network.load_state_dict(merged)
    if rows.missing:
        why = "" if names is not None else f"nothing names its {num_given} classes, so "
        print(f"{file}: {why}no score for {listed(rows.missing)}; its weights are random")


def _load_in_order(
    network: Detector,
    state: Mapping[str, Tensor],
    file: Path,
    settings: TrainDetector,
    classes: Sequence[str],
) -> None:
    """Loads weights of another library's network, whose rows of classes are not known.

    Raises:
        FieldError: classes have other names in the file.
        InputError: the weights are of another network, or of other classes.
    """
    check_state(network.state_dict(), state, str(file))
    _check_no_names(settings)
    card = card_of(file)
    if card is None:
        print(f"{file}: nothing names its classes; they are taken as {', '.join(classes)}")
    elif card.get("classes") != list(classes):
        raise InputError(
            f"{file}: expected a {settings.architecture} of the classes {shorten(list(classes))}, "
            f"got one of {shorten(card.get('classes'))}"
        )
    network.load_state_dict(state)


def _check_no_names(settings: TrainDetector) -> None:
    if settings.weights_classes:
        raise FieldError(
            "weights_classes",
            f"expected none for weights of {settings.architecture}, got "
            f"{listed(settings.weights_classes)}",
        )


def imports_of_other_starts(architecture: str) -> set[Import]:
    """The imports of this module that the start of a detector does not use."""
    if architecture in get_args(YoloxArchitecture):
        return imports_from(Path(__file__), load_trunk.__module__, Features.__module__)
    return imports_from(Path(__file__), read_published.__module__, YoloxDetector.__module__)


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
