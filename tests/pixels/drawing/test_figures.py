"""Figures: the ticks of logarithmic axes are plain numbers that do not overlap."""

from itertools import pairwise
from pathlib import Path

import matplotlib
import pytest
from matplotlib.axes import Axes

from vigil.pixels.drawing.figures import figure, plain_number, use_log_scale


def texts_along(axes: Axes) -> list[str]:
    """The texts of the ticks within the axes of a figure that was drawn; none overlap."""
    low, high = axes.get_xlim()
    labels = [one for one in axes.get_xticklabels() if low <= one.get_position()[0] <= high]
    boxes = [one.get_window_extent() for one in labels]
    assert all(before.x1 + 5 < after.x0 for before, after in pairwise(boxes))
    return [one.get_text() for one in labels]


@pytest.mark.parametrize(
    ("lowest", "highest", "expected"),
    [
        (1, 1400, ["1", "10", "100", "1 000"]),
        (0.2, 9, ["0.2", "0.5", "1", "2", "5"]),
        (1e-6, 1e6, ["0.01", "1", "10 000"]),
        (900, 130_000, ["10 000", "50 000", "100 000"]),
        (4, 1.2e6, ["100", "1 000 000"]),
        (1, 8e6, ["1", "10 000"]),
        (1e5, 9e5, ["200 000", "500 000"]),
    ],
)
@pytest.mark.parametrize("parses_formulas", [True, False])
def test_ticks_of_a_logarithmic_axis_are_plain_numbers(
    tmp_path: Path, lowest: float, highest: float, expected: list[str], parses_formulas: bool
) -> None:
    with (
        matplotlib.rc_context({"text.parse_math": parses_formulas}),
        figure(tmp_path / "a.png", title="", x_label="area (px²)", y_label="") as axes,
    ):
        axes.plot([lowest, highest], [0, 1])
        use_log_scale(axes)
        axes.figure.canvas.draw()
        texts = texts_along(axes)
        assert set(expected) <= set(texts)
        assert axes.get_xlabel() == "area (px²), logarithmic"


def test_a_short_logarithmic_axis_has_ticks(tmp_path: Path) -> None:
    with figure(tmp_path / "a.png", title="", x_label="", y_label="") as axes:
        axes.plot([1210, 1290], [0, 1])
        use_log_scale(axes)
        axes.figure.canvas.draw()
        assert len(texts_along(axes)) >= 3


def test_numbers_have_no_power_of_ten() -> None:
    assert [plain_number(one) for one in (0.1 + 0.2, 5.0, 1e6)] == ["0.3", "5", "1 000 000"]
