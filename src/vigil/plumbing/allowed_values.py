"""Says in words which values a parameter may have, by its type and bounds."""

import types
import typing
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel

UNIONS = (typing.Union, types.UnionType)
KINDS = {int: "a whole number", float: "a number", str: "a text"}


class Kind(NamedTuple):
    """What a value may be.

    Attributes:
        annotation: the type of Python, without `Annotated`.
        limits: what bounds it: objects of annotated_types, such as `Ge(ge=1)`.
    """

    annotation: Any
    limits: tuple[Any, ...] = ()

    @property
    def is_union(self) -> bool:
        """Whether the value may have one of several types."""
        return typing.get_origin(self.annotation) in UNIONS

    @property
    def is_block(self) -> bool:
        """Whether the value is a block of parameters."""
        return isinstance(self.annotation, type) and issubclass(self.annotation, BaseModel)

    def below(self, key: str | int) -> "Kind":
        """The kind of a value in a block, a list or a map, by its name or index."""
        if self.is_block:
            field = self.annotation.model_fields[key]
            return plain(field.annotation, field.metadata)
        inner = typing.get_args(self.annotation)
        if isinstance(key, int) and inner[-1] is not Ellipsis:
            return plain(inner[key])
        return plain(inner[0] if isinstance(key, int) else inner[1])


def plain(annotation: Any, limits: Iterable[Any] = ()) -> Kind:
    """The kind of a type as it is written in the settings."""
    found: list[Any] = []
    if typing.get_origin(annotation) is typing.Annotated:
        annotation, *own = typing.get_args(annotation)
        found += own
    found += limits
    flat = [one for entry in found for one in getattr(entry, "metadata", [entry])]
    return Kind(annotation, tuple(flat))


def in_words(kind: Kind) -> str:
    """What a value may be, as `a whole number from 1 to 100, or 'auto'`."""
    options = _options(kind)
    if len(options) == 1:
        return options[0]
    comma = "," if any(", " in option for option in options) else ""
    return f"{', '.join(options[:-1])}{comma} or {options[-1]}"


def _options(kind: Kind) -> list[str]:
    annotation, limits = kind
    origin = typing.get_origin(annotation)
    if origin in UNIONS:
        return [word for one in typing.get_args(annotation) for word in _options(plain(one))]
    if origin is typing.Literal:
        return [repr(value) for value in typing.get_args(annotation)]
    if annotation is bool:
        return ["true", "false"]
    if kind.is_block:
        return ["a block of parameters"]
    if origin is tuple:
        inner = typing.get_args(annotation)
        each = in_words(plain(inner[0]))
        if inner[-1] is not Ellipsis:
            return [f"a list of {len(inner)} items, each {each}"]
        return [f"a list{_length(limits, 'item')}, each item {each}"]
    if origin is dict:
        return [f"a map, each value {in_words(plain(typing.get_args(annotation)[1]))}"]
    bounds = _length(limits, "character") if annotation is str else _bounds(limits)
    return [f"{KINDS[annotation]}{bounds}"]


def _limit(limits: Sequence[Any], name: str) -> list[Any]:
    return [getattr(one, name) for one in limits if getattr(one, name, None) is not None]


def _bounds(limits: Sequence[Any]) -> str:
    """The bounds of a number. The narrower one counts where a bound is given twice."""
    least, above = _limit(limits, "ge"), _limit(limits, "gt")
    most, below = _limit(limits, "le"), _limit(limits, "lt")
    if least and most:
        return f" from {_number(max(least))} to {_number(min(most))}"
    words = [f"of at least {_number(max(least))}"] if least else []
    words += [f"above {_number(max(above))}"] if above else []
    words += [f"below {_number(min(below))}"] if below else []
    words += [f"of at most {_number(min(most))}"] if most else []
    return f" {' and '.join(words)}".replace("and of at", "and at") if words else ""


def _length(limits: Sequence[Any], unit: str) -> str:
    """The bounds of the length of a text or a list."""
    least, most = _limit(limits, "min_length"), _limit(limits, "max_length")
    if least and most:
        return f" of {max(least)} to {min(most)} {unit}s"
    for words, bound in (("least", least), ("most", most)):
        if bound:
            return f" of at {words} {bound[0]} {unit}{'' if bound[0] == 1 else 's'}"
    return ""


def _number(limit: float) -> str:
    return str(limit) if isinstance(limit, int) else f"{limit:.12g}"
