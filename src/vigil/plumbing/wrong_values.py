"""Says what is wrong with the values of a section, in words of this project.

Pydantic's own words name types of Python and JSON, and have a problem for each type of a value that
may have several.
"""

import json
import typing
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from vigil.plumbing.allowed_values import Kind, in_words
from vigil.plumbing.errors import shorten

LENGTHS = ("too_short", "too_long")


def describe(error: ValidationError, model: type[BaseModel], name: str, text: str) -> list[str]:
    """One line for each wrong value: where, what is expected, what came.

    Args:
        model: the section.
        name: its dotted name.
        text: its values as JSON, as they were validated.
    """
    problems = error.errors(include_url=False)
    problems.sort(key=lambda problem: problem["type"] != "extra_forbidden")  # misspelt first
    places = [problem["loc"] for problem in problems]
    lines = []
    for problem in problems:
        place = problem["loc"]
        # A list with a wrong item counts as too short for pydantic.
        has_below = any(len(one) > len(place) == _shared(one, place) for one in places)
        if not (problem["type"] in LENGTHS and has_below):
            lines.append(_describe(problem, Kind(model), name, text))
    return list(dict.fromkeys(lines))


def _shared(one: Sequence[Any], other: Sequence[Any]) -> int:
    """The number of parts that two places have in common from their start."""
    pairs = list(zip(one, other, strict=False))
    return next((index for index, (a, b) in enumerate(pairs) if a != b), len(pairs))


def _describe(problem: Any, kind: Kind, name: str, text: str) -> str:
    problem_type, value, place = problem["type"], problem["input"], [name]
    for number, part in enumerate(problem["loc"]):
        is_item_missing = problem_type == "missing" and not kind.is_block
        if kind.is_union or is_item_missing:  # what follows is a type, not a part of the value
            value, problem_type = _value_at(text, problem["loc"][:number]), ""
            break
        place.append(str(part))
        if problem_type != "extra_forbidden" or number < len(problem["loc"]) - 1:
            kind = kind.below(part)
    where, got = ".".join(place), f"got {shorten(value)}"
    if problem_type == "extra_forbidden":
        return f"{where}: no such parameter, {got}"
    if problem_type == "missing":
        return f"{where}: expected a value, found none"
    if problem_type == "value_error":
        return f"{where}: {problem['ctx']['error']}"
    if problem_type == "json_invalid":
        return f"{where}: expected plain values, got: {problem['ctx']['error']}"
    expected = in_words(kind)
    if problem_type in LENGTHS and typing.get_origin(kind.annotation) is tuple:
        expected = expected.partition(", each")[0]
    return f"{where}: expected {expected}, {got}"


def _value_at(text: str, place: Sequence[str | int]) -> Any:
    value = json.loads(text)
    for part in place:
        value = value[part]
    return value
