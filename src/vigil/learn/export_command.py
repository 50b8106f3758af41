"""The command `vigil export`: each branch with a module `export_command` takes part."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from vigil.learn.networks.machine import prepare_torch
from vigil.plumbing.arithmetic import check_trained_alike
from vigil.plumbing.errors import InputError, listed
from vigil.plumbing.locked_files import check_as_noted, noted_name, noted_outputs
from vigil.settings.exporting import Format

LEARN = Path(__file__).parent
PICKED = {"alarm": ("threshold.json",), "detector": ("detector_score.json",)}
"""Files of values that were picked on validation data, beside the models."""


def exportable_branches() -> list[str]:
    """The names of the branches whose models can be exported."""
    return sorted(file.parent.name for file in LEARN.glob("*/export_command.py"))


def export_models(branch: str, formats: Sequence[str], models: Path, out: Path) -> list[str]:
    """Writes a trained model as files; returns what was written, a line for each.

    Args:
        models: the folder of the trained models.
        out: the folder in which each branch gets a folder.

    Raises:
        InputError: there is no such branch or format; a file is missing, damaged or not of the
            last run; or a stage makes the folder, which `dvc repro` would delete.
    """
    if branch not in exportable_branches():
        raise InputError(f"expected one of {listed(exportable_branches())}, got {branch!r}")
    chosen = list(dict.fromkeys(name for text in formats for name in text.split(",")))
    if unknown := set(chosen) - set(get_args(Format)):
        raise InputError(f"--to: expected {listed(get_args(Format))}, got {listed(unknown)}")
    files = models / f"{branch}.safetensors", models / f"{branch}.json"
    for file in files:
        if not file.is_file():
            raise InputError(f"{file}: expected a trained model, found none; `dvc repro` trains it")
    noted = noted_outputs()
    if noted_name(out / branch, noted):
        raise InputError(
            f"--out {out}: expected a folder that no stage makes, got that of export@{branch}, "
            "which `dvc repro` makes anew"
        )
    check_as_noted([*files, *(models / name for name in PICKED.get(branch, ()))], noted)
    check_trained_alike(files[1:])
    prepare_torch()
    command = importlib.import_module(f"vigil.learn.{branch}.export_command")
    lines: list[str] = command.export(models, chosen, out / branch)
    return lines
