"""Networks that distinguish people from background in sequences of crops, selected by name."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from vigil.learn.classifier.network.crop_transformer import CropTransformer
from vigil.learn.networks.weights import load_model
from vigil.plumbing.errors import FieldError, listed
from vigil.settings.train_classifier import Architecture

ARCHITECTURES: dict[Architecture, Callable[..., nn.Module]] = {
    "crop_transformer": CropTransformer,
}


def build_classifier(architecture: str, config: Mapping[str, Any]) -> nn.Module:
    """Builds a network by name, with random weights.

    Raises:
        FieldError: there is no such architecture, or the configuration is invalid for it.
    """
    if architecture not in ARCHITECTURES:
        raise FieldError(
            "architecture", f"expected one of {listed(ARCHITECTURES)}, got {architecture!r}"
        )
    return ARCHITECTURES[architecture](**config)


def load_classifier(weights: Path, card_file: Path) -> nn.Module:
    """Loads a trained network from its weights and card, ready for prediction.

    Raises:
        InputError: a file is missing or damaged, or the two do not belong together.
    """
    return load_model(build_classifier, weights, card_file)
