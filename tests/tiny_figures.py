"""Keeps the axes of figures that code draws, to look at their texts and marks."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest
from matplotlib.axes import Axes

from vigil.pixels.drawing.figures import figure


def keep_figures(monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> list[Axes]:
    """A list that gets the axes of each figure that a module writes from now on."""
    kept: list[Axes] = []

    @contextmanager
    def keep(*args: Any, **options: Any) -> Iterator[Axes]:
        with figure(*args, **options) as axes:
            yield axes
        kept.append(axes)

    monkeypatch.setattr(module, "figure", keep)
    return kept
