"""Finds the card of a network for pictures, and checks its entries, which may be anyone's."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vigil.learn.networks.weights import LARGEST_SIZE, read_card
from vigil.plumbing.errors import InputError, listed, shorten
from vigil.plumbing.memo import file_digest


def card_beside(weights: Path) -> dict[str, Any] | None:
    """The card of a file of weights; None if there is none, or one of other weights.

    It has the name of the weights, and ends in `.json`.
    """
    path = weights.with_suffix(".json")
    if path == weights or not path.is_file():
        return None
    try:
        card = read_card(path)
    except InputError:
        return None
    return card if card.get("weights_sha256") == file_digest(weights) else None


def check_classes(card: Mapping[str, Any], card_file: Path) -> None:
    """Checks that `classes` names each class of the network.

    Raises:
        InputError: it does not.
    """
    classes, num_classes = card.get("classes"), card["config"]["num_classes"]
    if (
        not isinstance(classes, list)
        or len(classes) != num_classes
        or not all(isinstance(name, str) for name in classes)
    ):
        raise InputError(
            f"{card_file}: classes: expected {num_classes} names, got {shorten(classes)}"
        )


def check_size(card: Mapping[str, Any], key: str, card_file: Path) -> None:
    """Checks that an entry is the width and height of a canvas in px.

    Raises:
        InputError: it is not.
    """
    size_wh = card.get(key)
    if (
        not isinstance(size_wh, list)
        or len(size_wh) != 2
        or not all(isinstance(side, int) and 0 < side <= LARGEST_SIZE for side in size_wh)
    ):
        raise InputError(
            f"{card_file}: {key}: expected a width and a height of at most {LARGEST_SIZE} px, "
            f"got {shorten(size_wh)}"
        )


def check_choice(card: Mapping[str, Any], key: str, values: Sequence[Any], card_file: Path) -> None:
    """Checks that an entry is one of some values.

    Raises:
        InputError: it is not.
    """
    if card.get(key) not in values:
        raise InputError(
            f"{card_file}: {key}: expected one of {listed(values)}, got {shorten(card.get(key))}"
        )
