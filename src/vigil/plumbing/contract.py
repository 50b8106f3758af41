"""What a stage's signature asks for: paths, settings, and keys of the data set.

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
"""The package whose modules know the sections of the project's `params.yaml`."""
DATASET = "dataset"


class Contract:
    """The arguments of a stage's function, by where they come from."""

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
        """The options on the command line, each with a path behind it."""
        return [f"--{name.replace('_', '-')}" for name in self._paths]

    @property
    def params(self) -> set[str]:
        """What the stage reads of `params.yaml`, dots between the keys."""
        sections = {kind.section for kind in self.settings.values()}
        return sections | {f"{DATASET}.{key}" for key in self.dataset_keys}

    def parse_paths(self, title: str, words: Sequence[str]) -> dict[str, Path]:
        """Paths from the command line; ends the process with code 2 where one is missing."""
        module = inspect.getmodule(self._main)
        parser = argparse.ArgumentParser(prog=title, description=inspect.getdoc(module))
        for option in self.options:
            parser.add_argument(option, type=Path, required=True)
        return vars(parser.parse_args(words))

    def parse_values(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """Settings and keys of the data set from what `params.yaml` holds.

        Raises:
            InputError: a section is missing or unknown, has a wrong value, or does not fit another.
        """
        sections = check_sections(content, self._known_sections())
        values: dict[str, Any] = {
            name: sections[kind.section] for name, kind in self.settings.items()
        }
        return values | {key: getattr(sections[DATASET], key) for key in self.dataset_keys}

    def place_of(self, field: str) -> str:
        """Where in `params.yaml` a field stands that a library names."""
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
        """All sections of the project, or those of the script that brings its own (the demo's)."""
        own = {kind.section: kind for kind in self.settings.values()}
        if all(kind.__module__.startswith(f"{SETTINGS}.") for kind in own.values()):
            return project_sections()
        return own


def project_sections() -> dict[str, type[Section]]:
    """Every section of the project's `params.yaml`, by where it stands.

    Every stage checks them all, so that a wrong value for the last stage stops the first one that
    runs, not a night's training.
    """
    package = importlib.import_module(SETTINGS)
    found: dict[str, type[Section]] = {}
    for info in pkgutil.iter_modules(package.__path__, f"{SETTINGS}."):
        module = importlib.import_module(info.name)
        for kind in vars(module).values():
            if _is_section(kind) and kind.__module__ == module.__name__:
                found[kind.section] = kind
    return found


def check_sections(
    content: Mapping[str, Any], known: Mapping[str, type[Section]]
) -> dict[str, Section]:
    """Validates all of `params.yaml`, each section and each against the others.

    Returns:
        The sections, by where they stand.

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
    """Refuses keys that lead to no section: a misspelt one would else be left out in silence."""
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
    """Whether a type is a section of `params.yaml`, and not a block of one."""
    return isinstance(kind, type) and issubclass(kind, Section) and bool(kind.section)
