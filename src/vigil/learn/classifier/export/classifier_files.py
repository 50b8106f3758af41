"""The trained classifier as a network to be written, with its card."""

from pathlib import Path

from vigil.learn.classifier.network.registry import load_classifier
from vigil.learn.classifier.trained import TrainedClassifier
from vigil.learn.exporting.exportable import Exportable
from vigil.learn.exporting.made_by import common_card

NAME = "classifier"


def exportable_classifier(weights: Path, card: Path) -> Exportable:
    """The network, from crops (N, T, S, S) uint8 to logits (N,).

    Raises:
        InputError: a file is missing or damaged.
    """
    trained = TrainedClassifier.from_files(weights, card)
    content = {
        **common_card(NAME, weights, card, None),
        "classes": list(trained.classes),
        "input_shape": list(trained.input_shape),
    }
    return Exportable(NAME, load_classifier(weights, card), trained.input_shape, content)
