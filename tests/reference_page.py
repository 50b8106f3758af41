"""The page `docs/reference.md`: every parameter, by the settings and by `params.yaml`."""

import inspect
import re
import types
import typing
from pathlib import Path
from typing import Any

import yaml
from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen

from vigil.__main__ import build_parser
from vigil.plumbing.contract import project_sections
from vigil.plumbing.params import Section

ROOT = Path(__file__).parents[1]
STATE_ROW = (
    "| `VIGIL_STATE_DIR` | `.vigil` beside `.dvc` | cached results and checkpoints: an absolute "
    "path, and only a folder you trust, since a checkpoint is a pickle |"
)
HEADER = """# Reference

This page is generated from the settings (`src/vigil/settings/`), `params.yaml`, `dvc.yaml` and the
command `vigil`: `VIGIL_WRITE_DOCS=1 pytest tests/test_reference.py`.

## Commands

| command | what it does |
| --- | --- |
{commands}

`vigil <command> --help` shows the options of a command.

## Environment variables

Values that depend on the machine are environment variables, not parameters, so that another
machine reruns nothing. But another number of threads, another kind of CPU or a GPU changes
rounding, and `precision: auto` is bfloat16 only where the device has units for it. A model that is
trained on such a machine has other bytes, and its scores differ by as much as with another seed
([measured](results.md#another-machine)). So a training that was killed resumes only on the kind of
machine that started it. A finished training counts as done on any machine, until
`make clean-state`.

| variable | default | meaning |
| --- | --- | --- |
| `VIGIL_DEVICE` | `auto` | `cpu`, `cuda`, `cuda:1`; `auto` is a GPU if there is one |
| `VIGIL_THREADS` | torch's default | threads of a training |
| `VIGIL_ENGINE` | `loky` | what runs the items of data stages: processes on this machine, \
`dask://host:port`, `ray` or `ray://host:port` ([more](beyond-one-machine.md)) |
| `VIGIL_WORKERS` | of the engine: one for each core; of the detector's loader: with a GPU, the \
number of cores, else 0 | worker processes; 0: the stage works in its own process |
| `VIGIL_DEVICES` | `1` | processes of a training on this machine, each with a GPU of its own \
([more](beyond-one-machine.md)) |
| `VIGIL_LAUNCH` | none | a command that starts the processes of a training: `torchrun …` or \
`srun …` |
| `VIGIL_ARITHMETIC` | `native` | `portable`: the same bytes on every x86 CPU with AVX2, slower \
([more](beyond-one-machine.md)) |
{state_row}
| `VIGIL_MEMO_GB` | `50` | size limit of the cache, for each kind of work |

## Outputs

| stage | writes |
| --- | --- |
{outputs}

## Parameters

A parameter has the name that `dvc exp run -S` expects. The default is the value in `params.yaml`.
"""


def render_page() -> str:
    """The whole page."""
    defaults = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    order = list(_paths(defaults))
    sections = sorted(project_sections().items(), key=lambda item: order.index(item[0]))
    parts = [HEADER.format(commands=_commands(), outputs=_outputs(), state_row=STATE_ROW)]
    for name, kind in sections:
        values = defaults
        for key in name.split("."):
            values = values[key]
        rows = "\n".join(_rows(kind, values, f"{name}."))
        parts.append(
            f"### `{name}`\n\n{_summary(kind)}\n\n"
            f"| parameter | default | values | meaning |\n| --- | --- | --- | --- |\n{rows}\n"
        )
    return "\n".join(parts)


def _paths(content: dict[str, Any], prefix: str = "") -> list[str]:
    found = []
    for key, value in content.items():
        found.append(f"{prefix}{key}")
        if isinstance(value, dict):
            found += _paths(value, f"{prefix}{key}.")
    return found


def _commands() -> str:
    parser = build_parser()
    (commands,) = (one for one in parser._actions if one.choices)
    return "\n".join(
        f"| `vigil {name}` | {own.description.splitlines()[0]} |"
        for name, own in commands.choices.items()
    )


def _outputs() -> str:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    lines = []
    for name, stage in stages.items():
        own = stage.get("do", stage)
        entries = [*own.get("outs", []), *own.get("metrics", [])]
        paths = [next(iter(one)) if isinstance(one, dict) else one for one in entries]
        told = ", ".join(f"`{path.replace('${key}', '<branch>')}`" for path in paths)
        lines.append(f"| `{name}` | {told} |")
    return "\n".join(lines)


def _summary(kind: type[Section]) -> str:
    return " ".join(inspect.getdoc(kind).split("\n\n")[0].split())


def _meanings(kind: type[Section]) -> dict[str, str]:
    """What the class, and the classes that it extends, say of each field."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if issubclass(base, Section):
            found |= _meanings_of_one(inspect.getdoc(base))
    return found


def _meanings_of_one(text: str) -> dict[str, str]:
    """What a docstring says of each attribute."""
    told = text.partition("Attributes:\n")[2]
    found: dict[str, str] = {}
    for entry in re.split(r"\n(?=    \w)", f"\n{told}"):
        names, colon, meaning = entry.strip().partition(": ")
        if colon:
            found |= {name.strip(): " ".join(meaning.split()) for name in names.split(",")}
    return found


def _rows(kind: type[Section], values: dict[str, Any], prefix: str) -> list[str]:
    meanings, rows = _meanings(kind), []
    for name, field in kind.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            rows += _rows(field.annotation, values[name], f"{prefix}{name}.")
            continue
        allowed = _allowed(field.annotation, field.metadata)
        default = yaml.safe_dump(values[name], default_flow_style=True, width=1000)
        default = default.removesuffix("\n...\n").strip().replace("|", "\\|")
        rows.append(f"| `{prefix}{name}` | `{default}` | {allowed} | {meanings.get(name, '')} |")
    return rows


def _allowed(annotation: Any, metadata: list[Any]) -> str:
    """What a value may be, in words."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        inner, *own = typing.get_args(annotation)
        return _allowed(inner, [*metadata, *own])
    if origin is typing.Literal:
        return ", ".join(f"`{value}`" for value in typing.get_args(annotation))
    if origin in (typing.Union, types.UnionType):
        return ", or ".join(_allowed(one, metadata) for one in typing.get_args(annotation))
    if origin is tuple:
        inner = typing.get_args(annotation)
        kind = _allowed(inner[0], [])
        return f"a list of {kind}" if inner[-1] is Ellipsis else f"{len(inner)} numbers: {kind}"
    if origin is dict:
        key, value = (_allowed(one, []) for one in typing.get_args(annotation))
        return f"a map from {key} to {value}"
    words = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
    return f"{words[annotation]}{_bounds(metadata)}"


def _bounds(metadata: list[Any]) -> str:
    flat: list[Any] = []
    for one in metadata:
        flat += getattr(one, "metadata", [one])
    told = []
    for one in flat:
        if isinstance(one, Ge):
            told.append(f"from {one.ge:,}")
        elif isinstance(one, Gt):
            told.append(f"above {one.gt:,}")
        elif isinstance(one, Le):
            told.append(f"to {one.le:,}" if one.le < 2**53 else "")
        elif isinstance(one, Lt):
            told.append(f"below {one.lt:,}")
        elif not isinstance(one, (MinLen, MaxLen)):
            continue
    shown = " ".join(filter(None, told))
    return f" {shown}" if shown else ""
