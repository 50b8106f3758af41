"""Draws the scores of a watched video over time, with true events and alarms."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vigil.pixels.drawing.figures import PALETTE, as_label, figure

Floats = npt.NDArray[np.float64]


def draw_scores(
    name: str,
    times_s: Floats,
    ratios: Floats,
    true: Sequence[tuple[str, float, float]],
    alarms: Sequence[tuple[float, float]],
    path: Path,
) -> None:
    """Draws the curve of scores, true events in the lower half and alarms in the upper half.

    Args:
        times_s: (N,) the middle of each window.
        ratios: (N,) score over threshold.
        true: kind, start and end of true events.
        alarms: start and end of alarms.
    """
    with figure(
        path, title=as_label(name), x_label="s", y_label="score / threshold", size_inch=(9, 3)
    ) as axes:
        for start_s, end_s in alarms:
            axes.axvspan(start_s, end_s, ymin=0.5, color=PALETTE[3], alpha=0.35, lw=0)
        for kind, start_s, end_s in true:
            axes.axvspan(start_s, end_s, ymax=0.5, color=PALETTE[2], alpha=0.35, lw=0)
            axes.text(start_s, 0.12, as_label(kind), fontsize=8)
        axes.plot(times_s, np.maximum(ratios, 0.05), lw=1.2)
        axes.axhline(1.0, color="0.4", ls="--", lw=1)
        axes.set_yscale("log")
