"""The trained segmenter as a network to be written, with its card."""

from pathlib import Path

from vigil.learn.exporting.exportable import Exportable
from vigil.learn.exporting.made_by import common_card
from vigil.learn.segmenter.network.predicting import are_independent
from vigil.learn.segmenter.network.registry import load_segmenter
from vigil.learn.segmenter.trained import TrainedSegmenter

NAME = "segmenter"


def segmenter_in_32_bits(weights: Path, card: Path) -> TrainedSegmenter:
    """The trained segmenter, whatever precision it was trained in: exported ones have 32 bits.

    Raises:
        InputError: see `TrainedSegmenter.from_files`.
    """
    loaded = TrainedSegmenter.from_files(weights, card)
    how = loaded.how._replace(precision="32-true")
    return TrainedSegmenter(loaded.model, loaded.classes, loaded.background, how)


def exportable_segmenter(weights: Path, card: Path) -> Exportable:
    """The network, from pictures (B, 3, H, W) uint8 to logits (B, C, H, W).

    Raises:
        InputError: a file is missing or damaged.
    """
    trained = segmenter_in_32_bits(weights, card)
    width, height = trained.canvas_wh
    content = {
        **common_card(NAME, weights, card, None),
        "classes": list(trained.classes),
        "background": trained.background,
        "canvas_wh": [width, height],
        "view": trained.view,
        "activation": "sigmoid" if are_independent(trained.how.loss) else "softmax",
    }
    # Not the network of `trained`, whose weights lie in memory as predictions need them.
    return Exportable(NAME, load_segmenter(weights, card), (3, height, width), content)
