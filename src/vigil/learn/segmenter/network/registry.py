"""Segmenters, selected by name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from vigil.learn.networks.weights import load_model
from vigil.learn.segmenter.network.interface import Segmenter
from vigil.learn.segmenter.network.torchvision_segmenters import TorchvisionSegmenter
from vigil.learn.segmenter.network.unet import UNet
from vigil.plumbing.closure import Import, imports_from
from vigil.plumbing.errors import FieldError, listed
from vigil.settings.train_segmenter import Architecture, TorchvisionArchitecture


def build_segmenter(
    architecture: str,
    config: Mapping[str, Any],
    *,
    pretrained: str = "none",
    num_frozen_blocks: int = 0,
) -> Segmenter:
    """Builds a segmenter by name.

    Args:
        config: `num_classes`, and for `unet` the other arguments of its class.
        pretrained: `none`, `imagenet`, or, for torchvision's segmenters, `coco`.
        num_frozen_blocks: of `unet`, the number of blocks at the start of the trunk that do not
            learn.

    Raises:
        FieldError: there is no such architecture or trunk, or the pretrained weights cannot be
            downloaded.
    """
    if architecture == "unet":
        return UNet(
            **config, pretrained=pretrained == "imagenet", num_frozen_blocks=num_frozen_blocks
        )
    if architecture in get_args(TorchvisionArchitecture):
        return TorchvisionSegmenter(architecture, **config, pretrained=pretrained)
    known = ("unet", *get_args(TorchvisionArchitecture))
    raise FieldError("architecture", f"expected one of {listed(known)}, got {architecture!r}")


def imports_of_others(architecture: Architecture) -> set[Import]:
    """The imports of this module that only other architectures use."""
    other = TorchvisionSegmenter if architecture == "unet" else UNet
    return imports_from(Path(__file__), other.__module__)


def load_segmenter(weights: Path, card_file: Path) -> Segmenter:
    """Loads a trained segmenter from its weights and card, ready for prediction.

    Raises:
        InputError: a file is missing or damaged, or the two do not belong together.
    """
    return load_model(build_segmenter, weights, card_file)
