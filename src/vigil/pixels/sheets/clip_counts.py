"""Draws the number of clips of each class."""

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from vigil.pixels.drawing.figures import as_label, figure


def draw_clip_counts(
    counts: Mapping[str, Mapping[str, int]], anomalous_classes: Collection[str], path: Path
) -> None:
    """Draws a bar for each class, with one colour each for training, validation and test.

    Anomalous classes are marked and stand below the others.

    Args:
        counts: the number of clips by set, then by class.
    """
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
