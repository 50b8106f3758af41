"""Figures of pictures with masks: their scales can be read."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from tiny_figures import keep_figures

from vigil.domain.boxes import CORNERS
from vigil.domain.masks.masked import MaskedPictures
from vigil.domain.pictures.run_lengths import compress, runs_of
from vigil.pixels.pictures.images import ImageSource
from vigil.pixels.sheets import masks


def draw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Axes, Axes]:
    """The axes of the areas of masks and of the classes by picture, of one class in one picture."""
    drawn = keep_figures(monkeypatch, masks)
    image = {"file_name": "a.png", "width": 60, "height": 40, "video": "", "frame_index": -1}
    pixels = np.zeros((40, 60), bool)
    pixels[:, :50] = True
    one = {"image": "a.png", "label": "human", "counts": compress(runs_of(pixels))}
    one |= {**dict(zip(CORNERS, (0, 0, 50, 40), strict=True)), "is_crowd": False}
    objects = pd.DataFrame([{**one, "area": area, "is_difficult": False} for area in (1, 2000)])
    images = pd.DataFrame([{**image, "sha256": ""}], index=["a.png"])
    known = MaskedPictures(images, objects, ("background", "human"), "background")
    shares = pd.DataFrame({"human": [0.8]})
    masks.draw_masks(known, shares, ImageSource(tmp_path), tmp_path, num_pictures=0)
    areas, classes = drawn
    return areas, classes


def test_areas_are_square_px_on_plain_ticks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    areas, _ = draw(tmp_path, monkeypatch)
    assert areas.get_xlabel() == "area (px²), logarithmic"
    texts = [label.get_text() for label in areas.get_xticklabels()]
    assert {"1", "10", "100", "1 000"} <= set(texts)


def test_the_scale_of_shares_names_itself_and_its_texts_do_not_overlap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, classes = draw(tmp_path, monkeypatch)
    _, bar = classes.figure.axes
    assert "square root" in bar.get_ylabel().replace("\n", " ")
    boxes = [label.get_window_extent() for label in bar.get_yticklabels()]
    assert len(boxes) == 4
    assert all(below.y1 < above.y0 for below, above in pairwise(boxes))
