"""Compares the shapes of an exported network with its card."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from vigil.plumbing.errors import InputError
from vigil.runtime.session import Shape


class Ends(NamedTuple):
    """What a shape ends with.

    Attributes:
        found: the shape, in which None is any size; empty: not known.
        expected: its last sizes, by the card.
        is_all: whether only the axis of samples comes before them.
    """

    found: Shape
    expected: tuple[int, ...]
    is_all: bool = False


def check_fits(file: Path, described: str, shapes: Mapping[str, Ends]) -> None:
    """Checks the shapes of a network.

    Args:
        file: its place, for errors.
        described: what the card says, in words.
        shapes: by `input` and `output`.

    Raises:
        InputError: they do not fit the card.
    """
    for name, (shape, expected, is_all) in shapes.items():
        found = shape[-len(expected) :]
        is_known = bool(shape)
        if is_known and (
            len(found) < len(expected)
            or (is_all and len(shape) != 1 + len(expected))
            or any(size not in (None, own) for size, own in zip(found, expected, strict=True))
        ):
            raise InputError(
                f"{file}: expected a network that fits its card of {described}, whose {name} "
                f"ends with {expected}, got {shape}"
            )
