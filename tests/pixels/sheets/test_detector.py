"""Sheets of detections: pictures of archives and of folders, whatever their names."""

import zipfile
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from tiny_detections import detection_set

from vigil.domain.boxes import CORNERS
from vigil.domain.pictures.run_lengths import compress, runs_of
from vigil.pixels.pictures.images import ImageSource
from vigil.pixels.sheets import detector
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


@pytest.mark.parametrize("num", [0, 1, 2, 3])
def test_every_half_has_its_head(num: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"{number}.png" for number in range(3)]
    for name in names:
        assert cv2.imwrite(str(tmp_path / name), np.full((60, 80, 3), 90, np.uint8))
    known = detection_set([{"file_name": name} for name in names], [(names[0], "dog")])
    columns = ["image", "label", "score", "object", "outcome", *CORNERS]
    heads: list[str] = []

    def tile(pictures, captions, **options):
        heads.extend(options["heads"])
        return pictures[0]

    monkeypatch.setattr(detector, "tile", tile)
    draw_comparisons(
        known,
        pd.DataFrame(columns=columns),
        pd.Series(0.5, index=names[:num]),
        ImageSource(tmp_path),
        tmp_path / "sheet.png",
        "Best",
    )
    assert heads == [*detector.HEADS] * min(num, 2)


def test_masks_are_shaded_in_the_colours_of_their_boxes(tmp_path: Path) -> None:
    """Truth on the left, where the object was found; a wrong detection on the right."""
    picture = np.full((60, 80, 3), 90, np.uint8)
    assert cv2.imwrite(str(tmp_path / "a.png"), picture)
    true, found = np.zeros((60, 80), bool), np.zeros((60, 80), bool)
    true[10:30, 10:40], found[40:55, 50:70] = True, True
    known = detection_set([{"file_name": "a.png", "width": 80, "height": 60}], [("a.png", "dog")])
    known.boxes["counts"] = compress(runs_of(true))
    outcome = pd.DataFrame(
        {"image": ["a.png"], "label": ["dog"], "score": [0.5], "object": [-1]}
    ).assign(outcome="wrong", counts=compress(runs_of(found)))
    outcome = outcome.assign(**dict(zip(CORNERS, (0.0, 0.0, 5.0, 5.0), strict=True)))
    arguments = (pd.Series({"a.png": 0.0}), ImageSource(tmp_path))
    draw_comparisons(known, outcome, *arguments, tmp_path / "with.png", "Best")
    del known.boxes["counts"]
    draw_comparisons(known, outcome.drop(columns="counts"), *arguments, tmp_path / "no.png", "Best")
    shaded, plain = (cv2.imread(str(tmp_path / name)) for name in ("with.png", "no.png"))
    ys, xs = np.nonzero((shaded != plain).any(axis=-1))
    is_left = xs < 320
    # The picture is four times as large on the sheet.
    for side, mask, left in ((is_left, true, 0), (~is_left, found, 322)):
        rows, columns = np.nonzero(mask)
        assert (xs[side].min() - left, xs[side].max() - left) == pytest.approx(
            (4 * columns.min(), 4 * columns.max() + 3), abs=1
        )
        assert np.ptp(ys[side]) == pytest.approx(4 * (np.ptp(rows) + 1) - 1, abs=2)
