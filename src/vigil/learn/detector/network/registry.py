"""Detectors, picked by name."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from vigil.learn.detector.network.anchor import AnchorDetector
from vigil.learn.detector.network.dense import DetectionLoss
from vigil.learn.detector.network.grid import GridDetector
from vigil.learn.detector.network.interface import Detector
from vigil.learn.detector.network.torchvision_detectors import NAMES, TorchvisionDetector
from vigil.learn.detector.network.trunk import Features
from vigil.learn.networks.weights import load_model
from vigil.plumbing.closure import Import, imports_from
from vigil.plumbing.errors import InputError, listed, shorten

OWN: dict[str, Callable[..., Detector]] = {"grid": GridDetector, "anchor": AnchorDetector}
ARCHITECTURES = (*OWN, *NAMES)
PRETRAINED = ("none", "imagenet", "coco")


def build_detector(
    architecture: str,
    config: Mapping[str, Any],
    *,
    pretrained: str = "none",
    num_frozen_blocks: int = 0,
) -> Detector:
    """Builds a detector by name.

    Args:
        config: for `grid` and `anchor`, `features` (of `Features`), `loss` (of `DetectionLoss`)
            and the detector's own arguments; for torchvision's, those of `TorchvisionDetector`.
        pretrained: `none`, `imagenet`, or `coco` for torchvision's own.
        num_frozen_blocks: of the trunk, from its start, that do not learn.

    Raises:
        InputError: no such architecture, a stride that is not that of its features, weights it
            does not come with or that cannot be fetched.
    """
    if architecture not in ARCHITECTURES:
        raise InputError(
            f"train_detector.architecture: expected one of {listed(ARCHITECTURES, 20)}, "
            f"got {architecture!r}"
        )
    if architecture in NAMES:
        return TorchvisionDetector(
            architecture, pretrained=pretrained, num_frozen_blocks=num_frozen_blocks, **config
        )
    if pretrained == "coco":
        raise InputError(
            f"train_detector.weights: expected none, imagenet or a file for {architecture}, "
            "got coco, which torchvision's own detectors have"
        )
    own = dict(config)
    told = own.pop("features")
    if own["stride"] != told["stride"]:
        raise InputError(
            f"train_detector.stride: expected that of the features, {told['stride']}, "
            f"got {shorten(own['stride'])}"
        )
    features = Features(
        **told,
        pretrained=pretrained == "imagenet",
        num_frozen_blocks=num_frozen_blocks,
    )
    detector: Detector = OWN[architecture](features, DetectionLoss(**own.pop("loss")), **own)
    return detector


def imports_of_others(architecture: str) -> set[Import]:
    """This module's imports that a detector has no use for."""
    kinds = {TorchvisionDetector, *OWN.values()} - {OWN.get(architecture, TorchvisionDetector)}
    return imports_from(Path(__file__), *(kind.__module__ for kind in kinds))


def load_detector(weights: Path, card_file: Path) -> Detector:
    """Loads a trained detector from its weights and card, ready for prediction.

    Raises:
        InputError: a file is missing, damaged, or the two do not fit.
    """
    return load_model(build_detector, weights, card_file)
