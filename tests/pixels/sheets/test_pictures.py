"""Figures of sets that are one picture, one box, many classes or odd names."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from tiny_detections import detection_set, write_pictures

from vigil.domain.boxes import CORNERS
from vigil.domain.pictures.annotated import AnnotatedPictures
from vigil.pixels.pictures.images import ImageSource
from vigil.pixels.sheets.alarm import draw_error_boxes
from vigil.pixels.sheets.clip_counts import draw_clip_counts
from vigil.pixels.sheets.pictures import (
    CELL_WH,
    draw_by_class,
    draw_class_counts,
    draw_pictures,
    fit_cell,
)

FIGURES = {
    *("area.png", "aspect_ratio.png", "channels.png", "class_counts.png", "height.png"),
    *("objects_per_picture.png", "width.png"),
}


def draw(detections: AnnotatedPictures, tmp_path: Path, folder: str = "out", num: int = 5) -> Path:
    write_pictures(tmp_path / "in", list(detections.images.index), (100, 100))
    (tmp_path / folder).mkdir()
    means = np.linspace(0, 255, 3 * len(detections.images)).reshape(-1, 3)
    source = ImageSource(tmp_path / "in")
    draw_pictures(detections, means, source, tmp_path / folder, num_pictures=num)
    return tmp_path / folder


def many(num_classes: int) -> AnnotatedPictures:
    names = [f"{number}.png" for number in range(8)]
    boxes = [(names[n % 7], f"c{n % num_classes}") for n in range(60)]
    found = detection_set([{"file_name": name} for name in names], boxes)
    rng = np.random.default_rng(0)
    found.boxes[["x2", "y2"]] += rng.integers(0, 40, (60, 2))
    return found


@pytest.mark.parametrize("num_classes", [1, 3, 6, 7, 60])
def test_any_number_of_classes(num_classes: int, tmp_path: Path) -> None:
    folder = draw(many(num_classes), tmp_path)
    assert {path.name for path in folder.iterdir()} == {*FIGURES, "sheet.jpg"}
    for path in folder.iterdir():
        assert cv2.imread(str(path)) is not None


def test_one_box_and_no_sheet(tmp_path: Path) -> None:
    detections = detection_set([{"file_name": "a.png"}], [("a.png", "dog")], "dog", "cat")
    folder = draw(detections, tmp_path, num=0)
    assert {path.name for path in folder.iterdir()} == FIGURES | {"sheet.jpg"}  # which says so


def test_names_that_mean_something_to_the_drawing_library(tmp_path: Path) -> None:
    names = ["$x$", r"$\frac{", "_hidden", "東京", "a\nb", "%d {x}"]
    detections = detection_set(
        [{"file_name": "$1 {}.png"}], [("$1 {}.png", name) for name in names]
    )
    draw(detections, tmp_path)
    few = AnnotatedPictures(detections.images, detections.boxes[:2], detections.classes)
    draw(few, tmp_path, "few")


def test_the_same_set_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = (draw(many(4), tmp_path, folder) for folder in ("one", "two"))
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes()


def test_what_is_to_be_ignored_is_drawn_and_not_measured(tmp_path: Path) -> None:
    plain, with_crowd = many(2), many(2)
    crowd = with_crowd.boxes.iloc[[0]].assign(is_crowd=True)
    crowd[CORNERS] = [0.0, 0.0, 100.0, 100.0]
    boxes = [*with_crowd.boxes.to_dict("records"), *crowd.to_dict("records")]
    with_crowd = AnnotatedPictures.of(with_crowd.images, pd.DataFrame(boxes), with_crowd.classes)
    first = draw(plain, tmp_path, "one")
    second = draw(with_crowd, tmp_path, "two")
    for name in FIGURES | {"sheet.jpg"}:
        same = (first / name).read_bytes() == (second / name).read_bytes()
        assert same == (name not in {"class_counts.png", "sheet.jpg"}), name


@pytest.mark.parametrize("size_wh", [(1, 1), (640, 480), (3000, 10), (10, 3000), (321, 240)])
def test_a_picture_fits_its_cell_with_its_boxes(size_wh: tuple[int, int]) -> None:
    width, height = size_wh
    picture = np.zeros((height, width, 3), np.uint8)
    picture[..., 0] = 200
    cell = fit_cell(picture, np.array([[0.0, 0.0, width, height]]), [""])
    assert cell.shape == (CELL_WH[1], CELL_WH[0], 3)
    red = (cell == (0, 0, 200)).all(axis=2)
    white = (cell == 255).all(axis=2)
    scale = min(CELL_WH[0] / width, CELL_WH[1] / height)
    expected = max(round(width * scale), 1) * max(round(height * scale), 1)
    assert (~white).sum() == expected
    if min(width, height) > 10:
        assert red.any()


NAMES = [
    "$\\frac{$",
    "$a$",
    "\\$",
    "x" * 5000,
    "x" * 5000 + "y",
    "two\nlines",
    "\x1b[2J",
    "_",
    "%s{}",
]


@pytest.mark.parametrize("num", [2, len(NAMES)])
def test_names_from_anywhere_are_drawn_as_texts(tmp_path: Path, num: int) -> None:
    names = NAMES[:num]
    pictures = [{"file_name": f"{name[:9]}{number}.jpg"} for number, name in enumerate(names)]
    boxes = [(picture["file_name"], name) for picture, name in zip(pictures, names, strict=True)]
    draw_class_counts(detection_set(pictures, boxes), tmp_path / "counts.png")
    labels, values = pd.Series(names), pd.Series(np.arange(1.0, 1 + num))
    draw_by_class(labels, values, tmp_path, "width", "Box width", "width (px)")
    counts = {"train": dict.fromkeys(names, 3), "test": dict.fromkeys(names, 1)}
    draw_clip_counts(counts, names[:1], tmp_path / "clips.png")
    errors = {name: np.arange(3.0) for name in names}
    draw_error_boxes(errors, 1.0, tmp_path / "errors.png", "Error")
    assert len(list(tmp_path.iterdir())) == 4
