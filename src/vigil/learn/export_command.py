"""The command `vigil export`: each branch with a module `export_command` takes part."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from vigil.learn.networks.machine import prepare_torch
from vigil.plumbing.errors import InputError, listed
from vigil.settings.exporting import Format

LEARN = Path(__file__).parent


def exportable_branches() -> list[str]:
    """The names of the branches whose models can be exported."""
    return sorted(file.parent.name for file in LEARN.glob("*/export_command.py"))


def export_models(branch: str, formats: Sequence[str], models: Path, out: Path) -> list[str]:
    """Writes a trained model as files; returns what was written, a line for each.

    Args:
        models: the folder of the trained models.
        out: the folder in which each branch gets a folder.

    Raises:
        InputError: there is no such branch or format, or a file is missing or damaged.
    """
    if branch not in exportable_branches():
        raise InputError(f"expected one of {listed(exportable_branches())}, got {branch!r}")
    chosen = list(dict.fromkeys(name for text in formats for name in text.split(",")))
    if unknown := set(chosen) - set(get_args(Format)):
        raise InputError(f"--to: expected {listed(get_args(Format))}, got {listed(unknown)}")
    for file in (models / f"{branch}.safetensors", models / f"{branch}.json"):
        if not file.is_file():
            raise InputError(f"{file}: expected a trained model, found none; `dvc repro` trains it")
    prepare_torch()
    command = importlib.import_module(f"vigil.learn.{branch}.export_command")
    lines: list[str] = command.export(models, chosen, out / branch)
    return lines
