"""The sheet of alarms: every alarm has a row, with or without evidence."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from tiny_clips import write_clip
from tiny_figures import keep_figures

from vigil.domain.clips.nearest import NEAREST_DTYPES
from vigil.pixels.drawing import on_pictures
from vigil.pixels.sheets import alarm
from vigil.plumbing.errors import InputError

BOX = {"x1": 10.0, "y1": 10.0, "x2": 40.0, "y2": 50.0}


def draw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: list[str]) -> list[str]:
    """Draws two alarms, one without evidence; returns the captions."""
    for seed, name in enumerate(("a.mp4", "b.mp4", "allowed.mp4")):
        write_clip(tmp_path / name, "stroll", seed)
    windows = pd.DataFrame(
        {"clip": ["a", "b"], "video": ["a.mp4", "b.mp4"], "start_s": 0.0, "stop_s": np.inf}
    )
    alarms = pd.DataFrame(
        {
            "clip": named,
            "ratio": [2.0, 1.5],
            "channel": "local_speed",
            "is_anomalous": [True, False],
        }
    )
    evidence = pd.DataFrame(
        [{"video": "a.mp4", "channel": "local_speed", "from_s": 0.0, "time_s": 0.3, **BOX,
          "ratio": 2.0, "feature": ""}]
    )  # fmt: skip
    nearest = pd.DataFrame(
        [["a", "local_speed", 1, "allowed.mp4", 0.2, *BOX.values(), 0.1]],
        columns=list(NEAREST_DTYPES),
    )
    found: list[str] = []
    real = on_pictures.tile

    def tile(pictures, captions, **options):
        found.extend(captions)
        return real(pictures, captions, **options)

    monkeypatch.setattr(alarm, "tile", tile)
    alarm.draw_alarm_sheet(
        alarms, evidence, nearest, tmp_path, windows, tmp_path / "s.png", picture_fps=Fraction(25)
    )
    return found


def test_an_alarm_without_evidence_has_a_row_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    captions = draw(tmp_path, monkeypatch, ["a", "b"])
    width = len(alarm.AROUND_S) + alarm.NUM_NEAREST
    assert len(captions) == 2 * width
    assert captions[0] == "2.00 by local_speed at 0.30 s: a"
    assert captions[width - 2 : width] == ["0.20 s: allowed.mp4", "no other allowed clip"]
    assert (
        captions[width] == "FALSE: 1.50 by local_speed without listed evidence, from its start: b"
    )
    sheet = cv2.imread(str(tmp_path / "s.png"))
    assert sheet is not None
    assert sheet.shape[1] >= width * alarm.LARGE_WH[0]


def test_the_legend_has_the_colours_of_the_boxes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw(tmp_path, monkeypatch, ["a", "b"])
    sheet = cv2.imread(str(tmp_path / "s.png"))
    num_rows, cell_height = 2, alarm.LARGE_WH[1] + on_pictures.CAPTION_HEIGHT_PX + 4
    head, body = np.split(sheet, [len(sheet) - num_rows * cell_height])
    for colour in alarm.LEGEND.values():
        assert (head == colour).all(axis=2).any()
    for colour in (alarm.STRONGEST, alarm.ALLOWED):
        assert (body == colour).all(axis=2).any()
    assert not (body == alarm.SECOND).all(axis=2).any(), "there is no second piece of evidence"
    assert len(alarm.HEADS) == len(alarm.AROUND_S) + alarm.NUM_NEAREST


def test_an_alarm_of_an_unknown_clip_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="found none of c"):
        draw(tmp_path, monkeypatch, ["a", "c"])


@pytest.mark.parametrize("largest", [2.0, 5000.0])
def test_scores_of_all_groups_are_dots_of_one_colour(
    largest: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a logarithmic axis that says so, if the scores are far apart."""
    drawn = keep_figures(monkeypatch, alarm)
    errors = {"test, allowed": np.array([0.1, 0.5]), "test, anomalous": np.array([2.0, largest])}
    alarm.draw_error_boxes(errors, 1.0, tmp_path / "a.png", "Evidence")
    (axes,) = drawn
    dots = [line for line in axes.get_lines() if line.get_marker() == "."]
    assert len(dots) == 2
    assert len({line.get_color() for line in dots}) == 1
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["a clip", "threshold"]
    is_far = largest > 100
    assert axes.get_xlabel() == "largest score divided by its threshold" + (
        ", logarithmic" if is_far else ""
    )
    assert ("1 000" in [text.get_text() for text in axes.get_xticklabels()]) == is_far
