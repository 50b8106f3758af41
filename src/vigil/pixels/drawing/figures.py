"""Draws figures. The same data give the same bytes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from vigil.plumbing.errors import printable

PALETTE = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#f0e442")
LABEL_CHARACTERS = 32


def as_label(name: str) -> str:
    """A name as a label for matplotlib: shortened if it is too long, with $ escaped."""
    short = name if len(name) <= LABEL_CHARACTERS else f"{name[: LABEL_CHARACTERS - 1]}…"
    return printable(short).replace("$", r"\$")


@contextmanager
def figure(
    path: Path, *, title: str, x_label: str, y_label: str, size_inch: tuple[float, float] = (5, 3.6)
) -> Iterator[Axes]:
    """Yields axes to draw on, then writes the figure to a PNG file."""
    canvas, axes = plt.subplots(figsize=size_inch, layout="constrained")
    axes.set_prop_cycle(color=PALETTE)
    axes.set(title=title, xlabel=x_label, ylabel=y_label)
    axes.spines[["top", "right"]].set_visible(False)
    try:
        yield axes
        # Without this metadata, the file does not depend on the version of matplotlib.
        canvas.savefig(path, dpi=110, metadata={"Software": None})
    finally:
        plt.close(canvas)
