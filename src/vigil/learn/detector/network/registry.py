"""Detectors, picked by name."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast, get_args

from vigil.learn.detector.network.anchor import AnchorDetector
from vigil.learn.detector.network.dense import DenseDetector
from vigil.learn.detector.network.features import Features
from vigil.learn.detector.network.grid import GridDetector
from vigil.learn.detector.network.interface import Detector
from vigil.learn.detector.network.torchvision_detectors import TorchvisionDetector
from vigil.learn.detector.network.transformer_detectors import TransformerDetector
from vigil.learn.detector.network.yolox import SIZES, YoloxDetector
from vigil.learn.networks.weights import load_model
from vigil.plumbing.closure import Import, imports_from
from vigil.plumbing.errors import FieldError, listed
from vigil.settings.train_detector import (
    Frames,
    Loss,
    OwnArchitecture,
    TorchvisionArchitecture,
    TransformerArchitecture,
    TrunkArchitecture,
)

ON_TRUNKS: dict[TrunkArchitecture, Callable[..., DenseDetector]] = {
    "grid": GridDetector,
    "anchor": AnchorDetector,
}
OWN: dict[OwnArchitecture, type[Detector]] = {
    "grid": GridDetector,
    "anchor": AnchorDetector,
    **dict.fromkeys(SIZES, YoloxDetector),
}


def build_detector(
    architecture: str,
    config: Mapping[str, Any],
    *,
    pretrained: str = "none",
    num_frozen_blocks: int = 0,
) -> Detector:
    """Builds a detector by name.

    Args:
        config: for `grid` and `anchor`, `features` (of `Features`), `loss` (of `Loss`)
            and the detector's own arguments; for the others, those of their classes; `frames`
            (of `Frames`) where an own detector sees sequences.
        pretrained: `none`, `imagenet`, or `coco` for torchvision's own.
        num_frozen_blocks: of the trunk, from its start, that do not learn.

    Raises:
        FieldError: no such architecture, a stride that is not that of its features, weights it
            does not come with or that cannot be fetched.
    """
    if architecture in get_args(TorchvisionArchitecture):
        return TorchvisionDetector(
            architecture, pretrained=pretrained, num_frozen_blocks=num_frozen_blocks, **config
        )
    if architecture in get_args(TransformerArchitecture):
        return TransformerDetector(cast(TransformerArchitecture, architecture), **config)
    if architecture not in OWN:
        known = (*OWN, *get_args(TorchvisionArchitecture), *get_args(TransformerArchitecture))
        raise FieldError(
            "architecture", f"expected one of {listed(known, 30)}, got {architecture!r}"
        )
    if pretrained == "coco":
        raise FieldError(
            "weights",
            f"expected none, imagenet or a file for {architecture}, got coco, which torchvision's "
            "own detectors have",
        )
    own = dict(config)
    frames = own.pop("frames", None)
    network = _build_own(
        architecture, own, pretrained == "imagenet", num_frozen_blocks=num_frozen_blocks
    )
    if frames is not None:
        network.see_frames(Frames(**frames))
    return network


def _build_own(
    architecture: str, own: dict[str, Any], is_pretrained: bool, *, num_frozen_blocks: int
) -> DenseDetector:
    loss = Loss(**own.pop("loss"))
    if architecture in SIZES:
        return YoloxDetector(architecture, loss, **own)
    features = Features(
        **own.pop("features"),
        strides=own["strides"],
        pretrained=is_pretrained,
        num_frozen_blocks=num_frozen_blocks,
    )
    build = ON_TRUNKS[cast(TrunkArchitecture, architecture)]
    return build(features, loss, **own)


def imports_of_others(architecture: str) -> set[Import]:
    """This module's imports that a detector has no use for."""
    own: type[Detector] = OWN.get(cast(OwnArchitecture, architecture), TorchvisionDetector)
    if architecture in get_args(TransformerArchitecture):
        own = TransformerDetector
    kinds = {TorchvisionDetector, TransformerDetector, *OWN.values()} - {own}
    return imports_from(Path(__file__), *(kind.__module__ for kind in kinds))


def load_detector(weights: Path, card_file: Path) -> Detector:
    """Loads a trained detector from its weights and card, ready for prediction.

    Raises:
        InputError: a file is missing, damaged, or the two do not fit.
    """
    return load_model(build_detector, weights, card_file)
