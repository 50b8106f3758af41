"""What the sheets and figures of an evaluation show."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tiny_detections import detection_set
from tiny_settings import shipped

from vigil.domain.boxes import CORNERS
from vigil.evaluation import alarm, detector
from vigil.pixels.pictures.images import ImageSource
from vigil.settings.evaluate_alarm import EvaluateAlarm
from vigil.settings.evaluate_detector import EvaluateDetector


def test_a_sheet_of_the_detector_shows_a_moment_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A video in which ten neighbouring pictures are the worst ones."""
    names = [f"{frame:03d}.jpg" for frame in range(200)]
    pictures = [
        {"file_name": name, "video": "a.mp4", "frame_index": frame}
        for frame, name in enumerate(names)
    ]
    known = detection_set(pictures, [(name, "dog") for name in names])
    kept = known.boxes.drop(index=range(100, 110))
    found = kept[["image", "label", *CORNERS]].assign(score=0.9)
    shown: dict[str, list[str]] = {}

    def keep(_known: Any, _outcome: Any, f1: "pd.Series[float]", *others: Any) -> None:
        shown[others[1].stem] = f1.index.tolist()

    monkeypatch.setattr(detector, "draw_comparisons", keep)
    settings = shipped(EvaluateDetector, num_pictures=4, apart_frames=40)
    evaluation = detector.DetectorEvaluation(known, found, 0.5, settings)
    evaluation.draw_sheets(ImageSource(tmp_path), tmp_path)
    assert set(shown) == {"best", "worst", "random"}
    assert shown["worst"][0] in names[100:110]
    for chosen in shown.values():
        frames = sorted(names.index(name) for name in chosen)
        assert len(frames) == 4
        assert min(np.diff(frames)) >= 20, "half of the distance, if the whole one has no room"


def test_allowed_and_anomalous_clips_are_named_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[list[str]] = []
    monkeypatch.setattr(alarm, "draw_error_boxes", lambda errors, *_: drawn.append([*errors]))
    monkeypatch.setattr(alarm, "draw_alarm_sheet", lambda *_, **__: None)
    monkeypatch.setattr(alarm, "draw_clip_sheet", lambda *_, **__: None)
    clips = pd.DataFrame(
        [
            ("a", "walking", "train", False),
            ("b", "walking", "val", False),
            ("c", "walking", "test", False),
            ("d", "running", "test", True),
        ],
        columns=["clip", "class", "split", "is_anomalous"],
    ).assign(source="s", one=[0.1, 0.2, 0.3, 3.0])
    monkeypatch.setattr(alarm, "scorers_of", lambda _: ["one"])
    monkeypatch.setattr(alarm, "raising_of", lambda _: {"one": "one"})
    monkeypatch.setattr(alarm, "channel_ratios", lambda table, _: table[["one"]])
    evaluation = alarm.AlarmEvaluation(clips, {"one": 1.0}, shipped(EvaluateAlarm))
    empty = pd.DataFrame()
    evaluation.draw_sheets(tmp_path, empty, empty, empty, tmp_path, Fraction(25))
    assert drawn[0] == ["train, allowed", "val, allowed", "test, allowed", "test, anomalous"]
    assert drawn[1] == ["walking", "running (!)"]
