"""Sheets of detections: pictures of archives and of folders, whatever their names."""

import zipfile
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from tiny_detections import detection_set

from vigil.domain.pictures.annotated import CORNERS
from vigil.pixels.pictures.images import ImageSource
from vigil.pixels.sheets.detector import draw_comparisons


@pytest.mark.parametrize(
    "name", ["a.mp4.zip/000007.png", "set.zip/img_1.png", "set.zip/day 1/x.png"]
)
def test_a_picture_of_any_archive_is_drawn(tmp_path: Path, name: str) -> None:
    archive, _, entry = name.partition(".zip/")
    _, content = cv2.imencode(".png", np.full((60, 80, 3), 90, np.uint8))
    with zipfile.ZipFile(tmp_path / f"{archive}.zip", "w") as file:
        file.writestr(entry, content.tobytes())
    known = detection_set([{"file_name": name}], [(name, "dog")])
    outcome = pd.DataFrame(
        {"image": [name], "label": ["dog"], "score": [0.5], "object": [0], "outcome": ["right"]}
    ).assign(**dict(zip(CORNERS, (1.0, 1.0, 9.0, 9.0), strict=True)))
    f1 = pd.Series({name: 1.0})
    draw_comparisons(known, outcome, f1, ImageSource(tmp_path), tmp_path / "sheet.png", "Best")
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet is not None
    assert (sheet == (115, 158, 0)).all(axis=-1).any()  # the box of the right detection
