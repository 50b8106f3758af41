"""Draws figures. The same data give the same bytes."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, Locator, LogLocator, MaxNLocator, NullFormatter

from vigil.plumbing.errors import printable

PALETTE = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#f0e442")
LABEL_CHARACTERS = 32
BOX_NOTE = "box: the middle half; line in it: the median; whiskers: "


def as_label(name: str) -> str:
    """A name as a label for matplotlib: shortened if it is too long, with $ escaped."""
    short = name if len(name) <= LABEL_CHARACTERS else f"{name[: LABEL_CHARACTERS - 1]}…"
    return printable(short).replace("$", r"\$")


@contextmanager
def figure(
    path: Path,
    *,
    title: str,
    x_label: str,
    y_label: str,
    size_inch: tuple[float, float] = (5, 3.6),
    note: str = "",
) -> Iterator[Axes]:
    """Yields axes to draw on, then writes the figure to a PNG file.

    Args:
        note: what the marks mean, in smaller letters at the bottom.
    """
    canvas, axes = plt.subplots(figsize=size_inch, layout="constrained")
    axes.set_prop_cycle(color=PALETTE)
    axes.set(title=title, xlabel=x_label, ylabel=y_label)
    if note:
        canvas.supxlabel(note, fontsize="small")
    axes.spines[["top", "right"]].set_visible(False)
    try:
        yield axes
        # Without this metadata, the file does not depend on the version of matplotlib.
        canvas.savefig(path, dpi=110, metadata={"Software": None})
    finally:
        plt.close(canvas)


def use_log_scale(axes: Axes, which: Literal["x", "y"] = "x") -> None:
    """Makes an axis logarithmic, says so in its label, and writes plain numbers, such as 1 000.

    Call it after drawing: the range of the data decides which ticks have room.
    """
    axes.set(**{f"{which}scale": "log"})
    axis = axes.xaxis if which == "x" else axes.yaxis
    lowest, highest = axis.get_view_interval()
    num_decades = math.log10(highest / lowest)
    ticks: Locator = LogLocator(subs=(1, 2, 5) if num_decades < 2.5 else (1,))
    if num_decades < 1:  # there may be only one power of ten, or none
        ticks = MaxNLocator(5)
    axis.set_major_locator(ticks)
    axis.set_major_formatter(FuncFormatter(lambda value, _: plain_number(value)))
    axis.set_minor_formatter(NullFormatter())
    axis.set_label_text(f"{axis.get_label_text()}, logarithmic")


def plain_number(value: float) -> str:
    """A number without a power of ten, and with a space after each three digits: 1 000."""
    return f"{value:,.10g}".replace(",", " ")
