"""Takes the scores of classes from weights by the names of the classes.

The order of classes in a file of weights is not that of other data. So a class gets the rows of the
class with its name, never those at its place. A file that vigil wrote has a card beside it, which
names its classes. A file of published weights has the order of COCO's classes, and is known by
their number. Of any other file, nothing says which row is of which class.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from vigil.learn.cards import card_beside
from vigil.learn.detector.network.interface import Detector
from vigil.plumbing.errors import InputError, listed, shorten
from vigil.settings.train_detector import Frames

Names = tuple[str | None, ...]
"""The name of each class of a file, in order; None where no class is."""


class Rows(NamedTuple):
    """Where the scores of classes come from.

    Attributes:
        by_class: for the number of a class here, the number of the class in the file.
        missing: the classes that the file does not have.
    """

    by_class: dict[int, int]
    missing: list[str]


def card_of(file: Path) -> dict[str, Any] | None:
    """The card of a detector beside its weights; None if there is none, or one of other weights.

    Raises:
        InputError: the card is of these weights, and its configuration is damaged.
    """
    card = card_beside(file)
    if card is None:
        return None
    config = card["config"]
    try:
        if not isinstance(config, dict):
            raise ValueError("no configuration by name")
        if "frames" in config:
            Frames.model_validate(config["frames"])
    except ValueError:
        raise InputError(
            f"{file.with_suffix('.json')}: expected the configuration of a trained detector, got "
            f"{shorten(config)}"
        ) from None
    return card


def num_classes_of(network: Detector, state: Mapping[str, Tensor]) -> int | None:
    """The number of classes of weights with a network's names; None if it is not known.

    It is not known for networks of other libraries without known rows, nor for weights whose parts
    contradict each other.
    """
    found = set()
    for key, tensor in state.items():
        rows = network.rows_of_classes(key, len(tensor)) if tensor.ndim else None
        if rows is not None:
            found.add(len(rows))
    return found.pop() if len(found) == 1 else None


def names_in(file: Path, num_classes: int, published: Mapping[int, Names]) -> Names | None:
    """The names of the classes of a file of weights; None if nothing says them.

    Args:
        num_classes: of the file.
        published: the names of published weights, by their number of classes.

    Raises:
        InputError: the card beside the file names another number of classes.
    """
    card = card_of(file)
    if card is None:
        return published.get(num_classes)
    classes = card.get("classes")
    if not isinstance(classes, list) or len(classes) != num_classes:
        raise InputError(
            f"{file.with_suffix('.json')}: classes: expected the names of the {num_classes} "
            f"classes of {file}, got {len(classes) if isinstance(classes, list) else 'none'}"
        )
    return tuple(map(str, classes))


def rows_by_name(
    names: Names | None,
    num_classes: int,
    classes: Sequence[str],
    called: Mapping[str, str],
    place: str,
) -> Rows:
    """Finds the class of a file for each class.

    Args:
        names: of the classes of the file; None: a class of the file has no name but its number,
            from 0, and only `called` can tell it.
        num_classes: of the file.
        called: the file's names of classes, where they differ.
        place: the name of the weights in messages.

    Raises:
        InputError: the file has no class of a name in `called`.
    """
    known = [str(number) for number in range(num_classes)] if names is None else list(names)
    if unknown := {called[name] for name in classes if name in called} - set(known):
        have = (
            f"they have {listed([name for name in known if name], 100)}"
            if names is not None
            else f"nothing names them, so their numbers from 0 to {num_classes - 1} do"
        )
        raise InputError(
            f"{place}: expected classes that the weights have, found no {listed(unknown)}; {have}"
        )
    by_class, missing = {}, []
    for number, name in enumerate(classes):
        theirs = called.get(name, name if names is not None else None)
        if theirs is None or theirs not in known:
            missing.append(name)
        else:
            by_class[number] = known.index(theirs)
    return Rows(by_class, missing)


def with_rows(
    network: Detector, state: Mapping[str, Tensor], by_class: Mapping[int, int]
) -> dict[str, Tensor]:
    """Weights for a network's own classes; a class that is not in `by_class` keeps the network's.

    A part whose other sides do not fit is returned as it is.

    Args:
        state: weights with the network's names, and any number of classes.
        by_class: see `Rows`.
    """
    merged = dict(state)
    for key, initial in network.state_dict().items():
        own = network.rows_of_classes(key, len(initial)) if initial.ndim else None
        if own is None or key not in state or state[key].shape[1:] != initial.shape[1:]:
            continue
        given = state[key].to(initial.dtype)
        theirs = network.rows_of_classes(key, len(given))
        if theirs is None or own.shape[1] != theirs.shape[1]:
            continue
        rows = initial.clone()
        if len(rest := _others(own, len(rows))) != len(their_rest := _others(theirs, len(given))):
            continue
        rows[rest] = given[their_rest]
        for number, their_number in by_class.items():
            rows[own[number]] = given[theirs[their_number]]
        merged[key] = rows
    return merged


def _others(rows: Tensor, num_rows: int) -> list[int]:
    """The rows that are of no class."""
    return sorted(set(range(num_rows)) - set(rows.flatten().tolist()))
