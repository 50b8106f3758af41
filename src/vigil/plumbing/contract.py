"""The arguments in a stage's signature: paths, settings, and keys of the section `dataset`.

- A `Path` argument is a required option on the command line (`video_folder` is `--video-folder`).
- An argument whose type is a `Section` is that section of `params.yaml`.
- Any other argument is the key of the same name in the section `dataset`.
"""

import argparse
import importlib
import inspect
import pkgutil
import typing
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

from vigil.plumbing.errors import FieldError, InputError, listed
from vigil.plumbing.params import PARAMS_FILE, Section, parse_section

Main = Callable[..., None]

SETTINGS = "vigil.settings"
"""The package whose modules define the sections of the project's `params.yaml`."""
DATASET = "dataset"


class Contract:
    """The arguments of a stage's function, sorted by their source."""

    def __init__(self, main: Callable[..., Any]) -> None:
        self._main = main
        hints = dict(typing.get_type_hints(main))
        hints.pop("return", None)
        self._paths = [name for name, kind in hints.items() if kind is Path]
        self.settings: dict[str, type[Section]] = {
            name: kind for name, kind in hints.items() if _is_section(kind)
        }
        self.dataset_keys = [
            name for name in hints if name not in self._paths and name not in self.settings
        ]

    @property
    def options(self) -> list[str]:
        """The options on the command line, each of which takes a path."""
        return [f"--{name.replace('_', '-')}" for name in self._paths]

    @property
    def params(self) -> set[str]:
        """The sections and keys of `params.yaml` that the stage reads, as dotted names."""
        sections = {kind.section for kind in self.settings.values()}
        return sections | {f"{DATASET}.{key}" for key in self.dataset_keys}

    def parse_paths(self, title: str, words: Sequence[str]) -> dict[str, Path]:
        """Paths from the command line; ends the process with code 2 if one is missing."""
        module = inspect.getmodule(self._main)
        parser = argparse.ArgumentParser(prog=title, description=inspect.getdoc(module))
        for option in self.options:
            parser.add_argument(option, type=Path, required=True)
        return vars(parser.parse_args(words))

    def parse_values(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """Settings, and keys of the section `dataset`, from the content of `params.yaml`.

        Raises:
            InputError: a section is missing or unknown, has a wrong value, or does not fit another.
        """
        sections = check_sections(content, self._known_sections())
        values: dict[str, Any] = {
            name: sections[kind.section] for name, kind in self.settings.items()
        }
        return values | {key: getattr(sections[DATASET], key) for key in self.dataset_keys}

    def place_of(self, field: str) -> str:
        """The full name in `params.yaml` of a field that library code named."""
        first = field.split(".")[0]
        if first == DATASET:
            return f"{PARAMS_FILE}: {field}"
        if first in self.dataset_keys:
            return f"{PARAMS_FILE}: {DATASET}.{field}"
        for kind in self.settings.values():
            if first in kind.model_fields:
                return f"{PARAMS_FILE}: {kind.section}.{field}"
        return field

    def _known_sections(self) -> dict[str, type[Section]]:
        """All sections of the project; for a script with sections of its own, these (the demo)."""
        sections = {kind.section: kind for kind in self.settings.values()}
        if all(kind.__module__.startswith(f"{SETTINGS}.") for kind in sections.values()):
            return project_sections()
        return sections


def project_sections() -> dict[str, type[Section]]:
    """Every section of the project's `params.yaml`, by its dotted name.

    Every stage checks all sections. So a wrong value for the last stage stops the first stage, and
    is not noticed only after hours of training.
    """
    package = importlib.import_module(SETTINGS)
    sections: dict[str, type[Section]] = {}
    for info in pkgutil.iter_modules(package.__path__, f"{SETTINGS}."):
        module = importlib.import_module(info.name)
        for kind in vars(module).values():
            if _is_section(kind) and kind.__module__ == module.__name__:
                sections[kind.section] = kind
    return sections


def check_sections(
    content: Mapping[str, Any], known: Mapping[str, type[Section]]
) -> dict[str, Section]:
    """Validates all of `params.yaml`: each section alone, and each against the others.

    Returns:
        The sections, by their dotted names.

    Raises:
        InputError: a section is unknown or missing, has a wrong value, or does not fit another.
    """
    _check_names(content, known)
    sections = {name: parse_section(kind, content, name) for name, kind in known.items()}
    for name, section in sections.items():
        try:
            section.check_against(sections)
        except FieldError as error:
            is_dataset = error.field.split(".")[0] == DATASET
            where = error.field if is_dataset else f"{name}.{error.field}"
            raise InputError(f"{PARAMS_FILE}: {where}: {error.problem}") from None
    return sections


def _check_names(content: Mapping[str, Any], known: Mapping[str, type[Section]]) -> None:
    """Refuses keys that are no section; otherwise a misspelt section would be ignored silently."""
    tree: dict[str, Any] = {}
    for name in known:
        reduce(lambda place, key: place.setdefault(key, {}), name.split("."), tree)

    def check(place: Mapping[str, Any], expected: Mapping[str, Any], where: str) -> None:
        if unknown := {f"{where}{key}" for key in place.keys() - expected.keys()}:
            names = (f"{where}{key}" for key in expected)
            raise InputError(
                f"{PARAMS_FILE}: no such section: {listed(unknown)}; expected {listed(names, 20)}"
            )
        for key, below in expected.items():
            if below and isinstance(place.get(key), Mapping):
                check(place[key], below, f"{where}{key}.")

    check(content, tree, "")


def _is_section(kind: Any) -> bool:
    """Whether a type is a section of `params.yaml`, not only a block of a section."""
    return isinstance(kind, type) and issubclass(kind, Section) and bool(kind.section)
