"""Blocks of settings: what `params.yaml` ships with, but for what a test changes."""

from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from vigil.plumbing.params import Section, parse_section, read_params
from vigil.settings.fit_alarm import FitAlarm
from vigil.settings.training import Fitting, Optimisation

S = TypeVar("S", bound=Section)
GRID = {
    "architecture": "grid",
    "input_size_wh": [480, 360],
    "features.strides": [8],
    "fitting.max_epochs": 9,
    "augmentation.mosaic_probability": 0.0,
}
"""Values of `train_detector` in place of `auto`, for `shipped`."""
SHIPPED = Path(__file__).parents[1] / "params.yaml"


def shipped(section: type[S], /, **changes: Any) -> S:
    """A section of `params.yaml`, changed and validated.

    Args:
        changes: by key; dots lead into blocks (`**{"fitting.max_epochs": 2}`), and a mapping
            changes what it names of a block (`fitting={"max_epochs": 2}`).
    """
    content = deepcopy(_read())
    values: Any = content
    for key in section.section.split("."):
        values = values[key]
    _change(values, changes)
    return parse_section(section, content, section.section)


@cache
def _read() -> dict[str, Any]:
    return read_params(SHIPPED)


def fitting(**changes: Any) -> Fitting:
    """Few epochs in 32 bits, without clipping; what `changes` names is otherwise."""
    least = {"max_epochs": 1, "patience_epochs": 1, "batch_size": 16, "gradient_clip": 0.0}
    return shipped(FitAlarm, fitting={**least, "precision": "32-true", **changes}).fitting


def optimisation(**changes: Any) -> Optimisation:
    """A constant rate without decay; what `changes` names is otherwise."""
    plain = {"schedule": "constant", "weight_decay": 0.0, "warmup_fraction": 0.0}
    return shipped(FitAlarm, optimisation={**plain, **changes}).optimisation


def _change(values: dict[str, Any], changes: Mapping[str, Any]) -> None:
    for name, value in changes.items():
        *blocks, key = name.split(".")
        place = values
        for block in blocks:
            place = place[block]
        if isinstance(value, Mapping) and isinstance(place.get(key), dict):
            _change(place[key], value)
        else:
            place[key] = value
