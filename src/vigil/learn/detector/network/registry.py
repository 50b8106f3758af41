"""Detectors, selected by name."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast, get_args

from vigil.learn.detector.network.anchor import AnchorDetector
from vigil.learn.detector.network.grid import GridDetector
from vigil.learn.detector.network.interface import Detector
from vigil.learn.detector.network.torchvision_detectors import TorchvisionDetector
from vigil.learn.detector.network.trunk import Features
from vigil.learn.networks.weights import load_model
from vigil.plumbing.closure import Import, imports_from
from vigil.plumbing.errors import FieldError, listed, shorten
from vigil.settings.train_detector import Loss, OwnArchitecture, TorchvisionArchitecture

VIGIL_DETECTORS: dict[OwnArchitecture, Callable[..., Detector]] = {
    "grid": GridDetector,
    "anchor": AnchorDetector,
}
"""The detectors of this package; all others are torchvision's."""


def build_detector(
    architecture: str,
    config: Mapping[str, Any],
    *,
    pretrained: str = "none",
    num_frozen_blocks: int = 0,
) -> Detector:
    """Builds a detector by name.

    Args:
        config: for `grid` and `anchor`, `features` (arguments of `Features`), `loss` (arguments of
            `Loss`) and the other arguments of the detector; for torchvision's detectors, the
            arguments of `TorchvisionDetector`.
        pretrained: `none`, `imagenet`, or, for torchvision's detectors, `coco`.
        num_frozen_blocks: the number of blocks at the start of the trunk that do not learn.

    Raises:
        FieldError: there is no such architecture, the stride differs from that of the features, or
            the pretrained weights do not exist or cannot be downloaded.
    """
    if architecture in get_args(TorchvisionArchitecture):
        return TorchvisionDetector(
            architecture, pretrained=pretrained, num_frozen_blocks=num_frozen_blocks, **config
        )
    if architecture not in VIGIL_DETECTORS:
        known = (*VIGIL_DETECTORS, *get_args(TorchvisionArchitecture))
        raise FieldError(
            "architecture", f"expected one of {listed(known, 20)}, got {architecture!r}"
        )
    if pretrained == "coco":
        raise FieldError(
            "weights",
            f"expected none, imagenet or a file for {architecture}, got coco, which only "
            "torchvision's detectors have",
        )
    arguments = dict(config)
    feature_config = arguments.pop("features")
    if arguments["stride"] != feature_config["stride"]:
        raise FieldError(
            "stride",
            f"expected the stride of the features, {feature_config['stride']}, "
            f"got {shorten(arguments['stride'])}",
        )
    features = Features(
        **feature_config,
        pretrained=pretrained == "imagenet",
        num_frozen_blocks=num_frozen_blocks,
    )
    build = VIGIL_DETECTORS[architecture]
    return build(features, Loss(**arguments.pop("loss")), **arguments)


def imports_of_others(architecture: str) -> set[Import]:
    """The imports of this module that only other architectures use."""
    kinds = {TorchvisionDetector, *VIGIL_DETECTORS.values()} - {
        VIGIL_DETECTORS.get(cast(OwnArchitecture, architecture), TorchvisionDetector)
    }
    return imports_from(Path(__file__), *(kind.__module__ for kind in kinds))


def load_detector(weights: Path, card_file: Path) -> Detector:
    """Loads a trained detector from its weights and card, ready for prediction.

    Raises:
        InputError: a file is missing or damaged, or the two do not belong together.
    """
    return load_model(build_detector, weights, card_file)
