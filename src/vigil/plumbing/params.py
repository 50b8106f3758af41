"""Reads `params.yaml`: sections are strict, and all are checked before any work is done."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from vigil.plumbing.errors import InputError, listed, shorten
from vigil.plumbing.wrong_values import describe
from vigil.plumbing.yaml_words import WordsLoader

PARAMS_FILE = Path("params.yaml")
MAX_VALUES = 100_000
"""The most values in the whole file; values of an anchor count again at each alias."""


class Section(BaseModel):
    """A section of `params.yaml`, or a block of one: no unknown keys, no conversion between types.

    Attributes:
        section: its dotted name in `params.yaml`; empty for a block of one or more sections.
    """

    section: ClassVar[str] = ""
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    def check_against(self, sections: Mapping[str, Any]) -> None:
        """Checks that the section fits all others, which are given by name.

        Raises:
            FieldError: it does not fit them.
        """


# Bounded at both ends: a value beyond is a mistake, and would cause an overflow or use all memory.
Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
CountOr0 = Annotated[int, Field(ge=0, le=1_000_000)]
Width = Annotated[int, Field(ge=1, le=16_384)]
"""The width of a layer, in features."""
Fraction = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(gt=0, le=1000)]
"""A learning rate."""
Weight = Annotated[float, Field(ge=0, le=1_000_000)]
"""The weight of a part of a sum, or the strength of an effect; 0: no effect."""

S = TypeVar("S", bound=Section)


def _check_file_names(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if len(name.encode()) > 200:  # leaves space for an extension such as ".zip"
            raise ValueError(f"must be a file name of at most 200 bytes, got {shorten(name)}")
        if not name or name in {".", ".."} or any(c in name for c in '/\\\0\n\r":*?<>|'):
            raise ValueError(f"must be a file name without a folder, got {shorten(name)}")
    repeated = {name for name, number in Counter(names).items() if number > 1}
    if repeated:
        raise ValueError(f"must not repeat a name, got {listed(repeated)} more than once")
    return names


FileNames = Annotated[tuple[str, ...], AfterValidator(_check_file_names)]
"""File names without folders, each at most once."""


def _check_path(path: str) -> str:
    if not path or any(c in path for c in "\0\n\r"):
        raise ValueError(f"must be a path without a line end, got {shorten(path)}")
    return path


DataPath = Annotated[str, AfterValidator(_check_path)]
"""A path in one line. No shell reads it: see `named_paths`."""


class _Loader(WordsLoader):
    """Reads plain values only; refuses a key twice, and aliases that expand to too many values."""

    def compose_document(self) -> yaml.Node:
        document: yaml.Node = super().compose_document()
        if (num_values := _num_values(document, {})) > MAX_VALUES:
            raise yaml.YAMLError(f"{num_values} values; at most {MAX_VALUES} are read")
        return document

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        mapping: yaml.MappingNode = super().compose_mapping_node(anchor)
        keys = Counter(key.value for key, _ in mapping.value if isinstance(key, yaml.ScalarNode))
        if repeated := {key for key, number in keys.items() if number > 1}:
            line = mapping.start_mark.line + 1
            raise yaml.YAMLError(f"{listed(repeated)} more than once in what starts on line {line}")
        return mapping


def _num_values(node: yaml.Node, known: dict[int, int]) -> int:
    """The number of values of a node and of all nodes below it; aliases are expanded."""
    if id(node) not in known:
        known[id(node)] = 1  # for a node that contains itself, which is refused later
        below = [] if isinstance(node, yaml.ScalarNode) else node.value
        if isinstance(node, yaml.MappingNode):
            below = [value for _, value in below]
        known[id(node)] = 1 + sum(_num_values(one, known) for one in below)
    return known[id(node)]


def read_params(path: Path = PARAMS_FILE) -> dict[str, Any]:
    """Reads the whole file as plain values.

    Raises:
        InputError: no such file, not YAML, a key twice, more than `MAX_VALUES`, or not a mapping
            of sections.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except FileNotFoundError:
        raise InputError(f"{path}: expected in the current folder, found no such file") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: expected YAML, got: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected sections, got {shorten(content)}")
    return content


def parse_section(model: type[S], content: Mapping[str, Any], name: str) -> S:
    """Validates the section with the dotted name `name` of `content`.

    Raises:
        InputError: the section is missing, or a key is unknown, missing, of a wrong type or out of
            range; the message names file, section and key.
    """
    values: Any = content
    for key in name.split("."):
        if not isinstance(values, Mapping) or key not in values:
            raise InputError(f"{PARAMS_FILE}: expected a section '{name}', found none")
        values = values[key]
    try:
        text = json.dumps(values, default=str)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{PARAMS_FILE}: {name}: expected plain values, got: {error}") from None
    try:
        # From JSON, pydantic accepts a list as a tuple and 1 as 1.0, but no string as either.
        return model.model_validate_json(text)
    except ValidationError as error:
        lines = describe(error, model, name, text)
        raise InputError(f"{PARAMS_FILE}: {'; '.join(lines)}") from None
