"""Detectors, picked by name."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from vigil.learn.models.detector.anchor import AnchorDetector
from vigil.learn.models.detector.grid import GridDetector
from vigil.learn.models.detector.interface import Detector
from vigil.learn.models.detector.torchvision_detectors import NAMES, TorchvisionDetector
from vigil.learn.models.detector.trunk import Features
from vigil.learn.weights import load_weights, read_card
from vigil.plumbing.errors import InputError, listed

OWN: dict[str, Callable[..., Detector]] = {"grid": GridDetector, "anchor": AnchorDetector}
ARCHITECTURES = (*OWN, *NAMES)
PRETRAINED = ("none", "imagenet", "coco")


def build_detector(
    architecture: str, config: Mapping[str, Any], *, pretrained: str = "none"
) -> Detector:
    """Builds a detector by name.

    Args:
        config: for `grid` and `anchor`, `features` (of `Features`) and the detector's own
            arguments; for torchvision's, the arguments of `TorchvisionDetector`.
        pretrained: `none`, `imagenet`, or `coco` for torchvision's own.

    Raises:
        InputError: no such architecture, weights it does not come with or that cannot be fetched.
    """
    if architecture not in ARCHITECTURES:
        raise InputError(
            f"train_detector.architecture: expected one of {listed(ARCHITECTURES, 20)}, "
            f"got {architecture!r}"
        )
    if architecture in NAMES:
        return TorchvisionDetector(architecture, pretrained=pretrained, **config)
    if pretrained == "coco":
        raise InputError(
            f"train_detector.weights: expected none, imagenet or a file for {architecture}, "
            "got coco, which torchvision's own detectors have"
        )
    own = dict(config)
    features = Features(**own.pop("features"), pretrained=pretrained == "imagenet")
    detector: Detector = OWN[architecture](features, **own)
    return detector


def load_detector(weights: Path, card_file: Path) -> Detector:
    """Loads a trained detector from its weights and card, ready for prediction.

    Raises:
        InputError: a file is missing, damaged, or the two do not fit.
    """
    card = read_card(card_file)
    try:
        model = build_detector(card["architecture"], card["config"])
    except TypeError as error:
        raise InputError(f"{card_file}: config: {error}") from None
    load_weights(model, weights)
    return model.eval()
