"""The picture of a watched video: its curve leaves room for the names of events."""

from pathlib import Path

import numpy as np
import pytest
from tiny_figures import keep_figures

from vigil.pixels.sheets import watch


def test_the_curve_crosses_no_name_of_an_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = keep_figures(monkeypatch, watch)
    times_s, ratios = np.arange(9.0), np.array([0.2, 0.2, 3, 3, 0.21, 0.2, 2, 1, 0.2])
    true = [("running", 2.0, 4.0), ("falling", 4.5, 6.0)]
    watch.draw_scores("door.mp4", times_s, ratios, true, [(2.0, 4.0)], tmp_path / "a.png")
    (axes,) = drawn
    points = axes.transData.transform(np.stack([times_s, ratios], axis=1))
    for text in axes.texts:
        assert text.get_window_extent().y1 < points[:, 1].min()
    assert [text.get_text() for text in axes.texts] == ["running", "falling"]
    assert axes.get_ylabel() == "score / threshold, logarithmic"
    assert "door.mp4" in axes.get_title() != "door.mp4"
