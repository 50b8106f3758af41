"""Draws figures. The same data give the same bytes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
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
LEAST_SPACE = 6
"""Pixels between the numbers at an axis: two numbers of three digits must not read as one."""
EVEN_TICKS: tuple[Callable[[], Locator], ...] = tuple(
    partial(MaxNLocator, most) for most in (5, 4, 3, 2)
)
LOG_TICKS: tuple[Callable[[], Locator], ...] = (
    partial(LogLocator, subs=(1, 2, 5)),
    partial(LogLocator, subs=(1, 3)),
    *(partial(LogLocator, numticks=most) for most in (8, 5, 4, 3)),
)
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

    There are as many ticks as there is room for their numbers. Call it after drawing: the range of
    the data decides this, too.
    """
    axes.set(**{f"{which}scale": "log"})
    axis = axes.xaxis if which == "x" else axes.yaxis
    axes.tick_params(axis=which, labelsize="small")
    axis.set_major_formatter(FuncFormatter(lambda value, _: plain_number(value)))
    axis.set_minor_formatter(NullFormatter())
    axis.set_label_text(f"{axis.get_label_text()}, logarithmic")
    lowest, highest = axis.get_view_interval()
    # Within less than a decade, there may be only one power of ten, or none.
    for ticks in EVEN_TICKS if highest < 10 * lowest else LOG_TICKS:
        axis.set_major_locator(ticks())
        if _have_room(axes, which):
            return


def _have_room(axes: Axes, which: Literal["x", "y"]) -> bool:
    """Whether there are numbers at an axis, apart from each other."""
    axis, along = (axes.xaxis, 0) if which == "x" else (axes.yaxis, 1)
    canvas = axes.get_figure(root=True)
    assert canvas is not None
    canvas.draw_without_rendering()  # places the numbers
    lowest, highest = axis.get_view_interval()
    extents = [
        label.get_window_extent()
        for place, label in zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=True)
        if lowest <= place <= highest
    ]
    edges = sorted((extent.min[along], extent.max[along]) for extent in extents)
    return len(edges) > 1 and all(
        after - before >= LEAST_SPACE for (_, before), (after, _) in pairwise(edges)
    )


def plain_number(value: float) -> str:
    """A number without a power of ten, and with a space after each three digits: 1 000."""
    return f"{value:,.10g}".replace(",", " ")
