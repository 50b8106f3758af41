"""The trained detector as a network to be written, with its card."""

from pathlib import Path

from vigil.domain.detector_score import read_score
from vigil.learn.detector.export.graph import graph_of
from vigil.learn.detector.network.registry import load_detector
from vigil.learn.detector.trained import TrainedDetector
from vigil.learn.exporting.exportable import Exportable
from vigil.learn.exporting.made_by import common_card
from vigil.learn.networks.weights import read_card
from vigil.settings.suppression import DEFAULT, Suppression

NAME = "detector"


def detector_in_32_bits(weights: Path, card: Path) -> TrainedDetector:
    """The trained detector, whatever precision it was trained in: exported ones have 32 bits.

    Raises:
        InputError: see `TrainedDetector.from_files`.
    """
    loaded = TrainedDetector.from_files(weights, card)
    return TrainedDetector(
        *(load_detector(weights, card), loaded.classes, loaded.input_size_wh, "32-true"),
        frames=loaded.frames,
        allows_short=loaded.allows_short,
    )


def exportable_detector(
    weights: Path, card: Path, score: Path | None, suppression: Suppression = DEFAULT
) -> Exportable:
    """The network without decoding and suppression.

    Args:
        score: the file of the score that was picked on the validation set; None: not known.
        suppression: the rule that the card suggests.

    Raises:
        InputError: a file is missing or damaged, or the architecture cannot be exported.
    """
    trained = detector_in_32_bits(weights, card)
    facts = read_card(card)
    architecture = str(facts["architecture"])
    graph = graph_of(trained.model, architecture)  # with norms folded into convolutions
    width, height = trained.input_size_wh
    frames = trained.frames
    num = 1 if frames is None else 2 if frames.fusion == "background" else frames.length
    shape = (3, height, width) if frames is None else (num, 3, height, width)
    blank = Exportable(NAME, graph, shape, {})
    content = {
        **common_card(NAME, weights, card, score),
        "classes": list(trained.classes),
        "input_size_wh": [width, height],
        "frames": None if frames is None else frames.model_dump(),
        "best_f1_score": None if score is None else read_score(score),
        "suppression": suppression.model_dump(),
        "decoding": graph.decoding(blank.example(1)),
    }
    return Exportable(NAME, graph, shape, content)
