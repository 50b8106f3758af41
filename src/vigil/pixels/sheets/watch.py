"""Draws the scores of a watched video over time, with true events and alarms."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vigil.pixels.drawing.figures import PALETTE, as_label, figure, use_log_scale

Floats = npt.NDArray[np.float64]
LEAST_SHOWN = 0.05
"""Lower ratios are drawn at this height: a logarithmic axis has no zero."""
ROOM_FOR_NAMES = 0.15
"""The height that is left free for the names of events, over that of the curve."""


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
        path,
        title=f"Score over time, true events and alarms: {as_label(name)}",
        x_label="time (s)",
        y_label="score / threshold",
        size_inch=(9, 3.2),
    ) as axes:
        for number, (start_s, end_s) in enumerate(alarms):
            label = "alarm" if number == 0 else None
            axes.axvspan(start_s, end_s, ymin=0.5, color=PALETTE[3], alpha=0.35, lw=0, label=label)
        for number, (kind, start_s, end_s) in enumerate(true):
            label = "unusual event (truth)" if number == 0 else None
            axes.axvspan(start_s, end_s, ymax=0.5, color=PALETTE[2], alpha=0.35, lw=0, label=label)
            # The y coordinate is a fraction of the axes: the curve decides the range of scores.
            axes.text(
                start_s, 0.03, as_label(kind), fontsize=8, transform=axes.get_xaxis_transform()
            )
        axes.plot(times_s, np.maximum(ratios, LEAST_SHOWN), lw=1.2, label="score")
        axes.axhline(1.0, color="0.4", ls="--", lw=1, label="threshold")
        use_log_scale(axes, "y")
        lowest, highest = axes.get_ylim()
        axes.set_ylim(lowest / (highest / lowest) ** ROOM_FOR_NAMES, highest)
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=8, frameon=False)
