"""Figures of clips: how many there are, and how far what was made of them lies from the usual."""

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vigil.pixels.drawing.figures import as_label, figure


def draw_clip_counts(
    counts: Mapping[str, Mapping[str, int]], anomalous_classes: Collection[str], path: Path
) -> None:
    """A bar for each class, one colour for each side; anomalous classes below and marked."""
    names = {name for by_class in counts.values() for name in by_class}
    ordered = sorted(names, key=lambda name: (name in anomalous_classes, name))
    marks = [" (!)" if name in anomalous_classes else "" for name in ordered]
    labels = [as_label(name) + mark for name, mark in zip(ordered, marks, strict=True)]
    height_inch = max(2.4, 1.2 + 0.3 * len(ordered))
    with figure(
        path,
        title="Clips by class and side (!: must raise the alarm)",
        x_label="clips",
        y_label="",
        size_inch=(6, height_inch),
    ) as axes:
        left = np.zeros(len(ordered))
        for side, by_class in counts.items():
            numbers = np.array([by_class.get(name, 0) for name in ordered])
            axes.barh(range(len(ordered)), numbers, left=left, tick_label=labels, label=side)
            left += numbers
        axes.invert_yaxis()
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1))


def draw_error_boxes(
    errors: Mapping[str, npt.NDArray[np.float64]], threshold: float, path: Path, title: str
) -> None:
    """A box and a dot for each error of each group, over the threshold as a line.

    Boxes are quartiles, whiskers reach to 1.5 times the box (Tukey).
    """
    every = np.concatenate(list(errors.values()))
    positive = every[every > 0]
    height_inch = max(2.6, 1.4 + 0.4 * len(errors))
    with figure(
        path, title=title, x_label="reconstruction error", y_label="", size_inch=(6, height_inch)
    ) as axes:
        values = list(errors.values())
        names = [as_label(name) for name in errors]
        axes.boxplot(values, orientation="horizontal", tick_labels=names, showfliers=False)
        for place, own in enumerate(values, start=1):
            spread = np.linspace(-0.15, 0.15, len(own)) if len(own) > 1 else np.zeros(1)
            axes.plot(own, place + spread, ".", alpha=0.5, markersize=4)
        axes.axvline(threshold, color="black", linestyle="--", label="threshold")
        if len(positive) and positive.max() > 20 * np.median(positive):
            axes.set_xscale("log")
        axes.invert_yaxis()
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
