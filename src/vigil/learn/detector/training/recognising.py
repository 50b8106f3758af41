"""Finds out which network a file of weights belongs to: by its card, or by the names in it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import torch
from torch import Tensor

from vigil.learn.detector.network.class_rows import card_of
from vigil.learn.detector.network.published_yolox import ONNX, check_published, read_published
from vigil.learn.detector.network.transformer_detectors import TransformerDetector
from vigil.learn.detector.network.yolox import SIZES
from vigil.learn.networks.weights import read_state
from vigil.learn.pictures.trunk import TRUNKS, is_whole_trunk
from vigil.plumbing.errors import FieldError, InputError, listed
from vigil.settings.train_detector import TransformerArchitecture, YoloxArchitecture
from vigil.settings.trunk import TrunkName

WRAPPED = "module."
"""Before each name, in weights of a network that was wrapped for several processes."""
OTHER_SIZE = re.compile(r"expected (the \d+ convolutions|a convolution|weights for)|\.stem\.")
"""In what is said of a YOLOX network of another size: it has other convolutions, or other shapes
from the first one on."""


@dataclass(frozen=True)
class Recognised:
    """A network.

    Attributes:
        architecture: `grid` for the weights of a trunk alone.
        trunk: the trunk whose weights these are; None for a whole detector.
        config: of a detector that vigil trained, from its card.
    """

    architecture: str
    trunk: TrunkName | None = None
    config: Mapping[str, Any] | None = None


def recognise(weights: Path, likely: TrunkName, *, masks: bool = False) -> Recognised:
    """Recognises a detector of vigil, a published one, or a classification network of torchvision.

    Args:
        likely: the trunk that is tried first.
        masks: whether an RF-DETR is one with masks.

    Raises:
        FieldError: it is neither of these; the message says why.
        InputError: the file is missing or damaged.
    """
    card = card_of(weights)
    if card is not None:
        return Recognised(str(card["architecture"]), config=card["config"])
    if weights.suffix.lower() == ONNX:
        return Recognised(_yolox(weights, lambda name: read_published(weights, name)))
    state = read_state(weights)
    if all(key.startswith(WRAPPED) for key in state):
        raise _unknown(
            weights,
            f"its names start with {WRAPPED}, as those of a network that was wrapped for several "
            "processes: save the weights of the network in it",
        )
    if any("cls_preds." in key for key in state):
        return Recognised(_yolox(weights, lambda name: check_published(state, name, str(weights))))
    if any("class_embed" in key for key in state):
        with torch.random.fork_rng():  # the networks to compare with draw weights
            found = _transformer(state, masks)
        if found:
            return Recognised(found)
    for trunk in (likely, *TRUNKS):
        if is_whole_trunk(trunk, state):
            return Recognised("grid", trunk)
    raise _unknown(weights, f"it has weights named {listed(state, 3)}")


def _yolox(weights: Path, check: Callable[[YoloxArchitecture], object]) -> YoloxArchitecture:
    """The network for which a check raises no InputError."""
    reasons: dict[str, str] = {}
    for name in SIZES:
        try:
            check(name)
        except InputError as error:
            reasons[name] = str(error).removeprefix(f"{weights}: ")
        else:
            return name
    if len(set(reasons.values())) == 1:
        raise InputError(f"{weights}: {reasons[name]}")  # a damaged file
    near = {name: reason for name, reason in reasons.items() if not OTHER_SIZE.search(reason)}
    told = "; ".join(f"{name}: {reason}" for name, reason in (near or reasons).items())
    raise _unknown(weights, told)


def _transformer(state: Mapping[str, Tensor], masks: bool) -> TransformerArchitecture | None:
    """The network with the same names and shapes, but for the number of classes."""
    for name in get_args(TransformerArchitecture):
        network = TransformerDetector(
            name, num_classes=1, masks=masks and name.startswith("rfdetr")
        )
        named = network.named_as_here(state)
        fits = all(
            key in named
            and named[key].shape[_first_side(network, key) :]
            == tensor.shape[_first_side(network, key) :]
            for key, tensor in network.state_dict().items()
        )
        if fits:
            found: TransformerArchitecture = name
            return found
    return None


def _first_side(network: TransformerDetector, key: str) -> int:
    """The first side of a part that does not depend on the number of classes."""
    return 0 if network.rows_of_classes(key, 1) is None else 1


def _unknown(weights: Path, reason: str) -> FieldError:
    return FieldError(
        "architecture",
        f"expected the name of the network whose weights {weights} holds, got auto ({reason})",
    )
