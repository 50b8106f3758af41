"""Detectors, selected by name."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast, get_args

from vigil.learn.detector.network.anchor import AnchorDetector
from vigil.learn.detector.network.dense import DenseDetector
from vigil.learn.detector.network.features import Features
from vigil.learn.detector.network.grid import GridDetector
from vigil.learn.detector.network.interface import Detector
from vigil.learn.detector.network.mask_rcnn import LightMaskRcnn, MaskRcnn, TorchvisionMaskRcnn
from vigil.learn.detector.network.torchvision_detectors import TorchvisionDetector
from vigil.learn.detector.network.transformer_detectors import TransformerDetector
from vigil.learn.detector.network.yolox import SIZES, YoloxDetector
from vigil.learn.networks.weights import load_model
from vigil.plumbing.closure import Import, imports_from
from vigil.plumbing.errors import FieldError, listed
from vigil.settings.train_detector import (
    Frames,
    Loss,
    MaskArchitecture,
    OwnArchitecture,
    TorchvisionArchitecture,
    TransformerArchitecture,
    TrunkArchitecture,
)

ON_TRUNKS: dict[TrunkArchitecture, Callable[..., DenseDetector]] = {
    "grid": GridDetector,
    "anchor": AnchorDetector,
}
VIGIL_DETECTORS: dict[OwnArchitecture, type[Detector]] = {
    "grid": GridDetector,
    "anchor": AnchorDetector,
    **dict.fromkeys(SIZES, YoloxDetector),
}
"""The detectors of this package; all others are torchvision's or transformers'."""
MASK_DETECTORS: dict[MaskArchitecture, type[MaskRcnn]] = {
    "maskrcnn": LightMaskRcnn,
    "maskrcnn_resnet50_fpn_v2": TorchvisionMaskRcnn,
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
        config: for `grid`, `anchor` and `maskrcnn`, `features` (arguments of `Features`), `loss`
            (arguments of `Loss`; not for `maskrcnn`) and the other arguments of the detector; for
            the other detectors, the arguments of their classes. `frames` (arguments of `Frames`)
            where a detector of this package sees sequences.
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
    if architecture == "maskrcnn_resnet50_fpn_v2":
        return TorchvisionMaskRcnn(
            architecture, pretrained=pretrained, num_frozen_blocks=num_frozen_blocks, **config
        )
    if architecture in get_args(TransformerArchitecture):
        return TransformerDetector(cast(TransformerArchitecture, architecture), **config)
    if architecture not in (*VIGIL_DETECTORS, "maskrcnn"):
        others = (TorchvisionArchitecture, MaskArchitecture, TransformerArchitecture)
        known = (*VIGIL_DETECTORS, *(name for names in others for name in get_args(names)))
        raise FieldError(
            "architecture", f"expected one of {listed(known, 30)}, got {architecture!r}"
        )
    if pretrained == "coco":
        raise FieldError(
            "weights",
            f"expected none, imagenet or a file for {architecture}, got coco, which only "
            "torchvision's detectors have",
        )
    arguments = dict(config)
    frames = arguments.pop("frames", None)
    if architecture == "maskrcnn":
        features = _build_features(arguments, pretrained == "imagenet", num_frozen_blocks)
        return LightMaskRcnn(features, **arguments)
    network = _build_vigil_detector(
        architecture, arguments, pretrained == "imagenet", num_frozen_blocks=num_frozen_blocks
    )
    if frames is not None:
        network.see_frames(Frames(**frames))
    return network


def _build_vigil_detector(
    architecture: str, arguments: dict[str, Any], is_pretrained: bool, *, num_frozen_blocks: int
) -> DenseDetector:
    loss = Loss(**arguments.pop("loss"))
    if architecture in SIZES:
        return YoloxDetector(architecture, loss, **arguments)
    features = _build_features(arguments, is_pretrained, num_frozen_blocks)
    build = ON_TRUNKS[cast(TrunkArchitecture, architecture)]
    return build(features, loss, **arguments)


def _build_features(
    arguments: dict[str, Any], is_pretrained: bool, num_frozen_blocks: int
) -> Features:
    """Takes `features` out of the arguments of a detector."""
    return Features(
        **arguments.pop("features"),
        strides=arguments["strides"],
        pretrained=is_pretrained,
        num_frozen_blocks=num_frozen_blocks,
    )


def imports_of_others(architecture: str) -> set[Import]:
    """The imports of this module that only other architectures use."""
    types: dict[str, type[Detector]] = dict.fromkeys(
        get_args(TransformerArchitecture), TransformerDetector
    )
    types.update(VIGIL_DETECTORS.items())
    types.update(MASK_DETECTORS.items())
    modules = {kind.__module__ for kind in (TorchvisionDetector, *types.values())}
    own = types.get(architecture, TorchvisionDetector).__module__
    return imports_from(Path(__file__), *(modules - {own}))


def load_detector(weights: Path, card_file: Path) -> Detector:
    """Loads a trained detector from its weights and card, ready for prediction.

    Raises:
        InputError: a file is missing or damaged, or the two do not belong together.
    """
    return load_model(build_detector, weights, card_file)
