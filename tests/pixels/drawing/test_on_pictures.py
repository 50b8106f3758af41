from pathlib import Path

import cv2
import numpy as np
import pytest

from vigil.pixels.drawing.figures import figure
from vigil.pixels.drawing.on_pictures import (
    CAPTION_HEIGHT_PX,
    PALETTE_BGR,
    draw_boxes,
    tile,
    write_picture,
)


def blank(height: int = 80, width: int = 100) -> np.ndarray:
    return np.full((height, width, 3), 128, np.uint8)


def test_a_box_is_outlined_within_its_bounds() -> None:
    picture = blank()
    drawn = draw_boxes(picture, np.array([[20.2, 30.0, 60.0, 70.4]]), [""])
    assert np.array_equal(picture, blank())
    rows, columns = np.nonzero((drawn != 128).any(axis=2))
    assert (columns.min(), rows.min(), columns.max(), rows.max()) == (20, 30, 59, 69)
    assert (drawn[35:65, 25:55] == 128).all()
    assert tuple(drawn[50, 20]) == PALETTE_BGR[0]


def test_equal_captions_share_a_colour_and_others_do_not() -> None:
    boxes = np.array([[2, 40, 20, 60], [30, 40, 50, 60], [60, 40, 80, 60]], dtype=float)
    drawn = draw_boxes(blank(), boxes, ["b", "a", "b"])
    first, second, third = (tuple(drawn[50, x]) for x in (2, 30, 60))
    assert first == third != second


def test_no_boxes() -> None:
    assert np.array_equal(draw_boxes(blank(), np.empty((0, 4)), []), blank())


def test_boxes_at_and_beyond_the_edges_and_many_captions() -> None:
    boxes = np.array([[0, 0, 100, 80], [-9, -9, 5, 5], [100, 80, 100, 80]], dtype=float)
    assert draw_boxes(blank(), boxes, ["a", "b", "c"]).shape == (80, 100, 3)
    many = np.tile([1.0, 1.0, 9.0, 9.0], (20, 1))
    draw_boxes(blank(), many, [f"person {n}" for n in range(20)])


@pytest.mark.parametrize(
    ("num", "columns", "grid"), [(1, 5, (1, 1)), (5, 2, (3, 2)), (4, 2, (2, 2))]
)
def test_tiles_lie_in_rows(num: int, columns: int, grid: tuple[int, int]) -> None:
    pictures = [np.full((10, 12), 20 * (n + 1), np.uint8) for n in range(num)]
    sheet = tile(pictures, [""] * num, num_columns=columns, gap_px=4)
    cell = (10 + CAPTION_HEIGHT_PX + 4, 12 + 4)
    assert sheet.shape == (grid[0] * cell[0], grid[1] * cell[1], 3)
    for n in range(num):
        row, column = divmod(n, grid[1])
        y, x = row * cell[0], column * cell[1]
        assert (sheet[y : y + 10, x : x + 12] == 20 * (n + 1)).all()


def test_captions_lie_below_their_tile() -> None:
    sheet = tile([np.zeros((10, 60), np.uint8)], ["123"], num_columns=1)
    assert (sheet[:10, :60] == 0).all()
    assert (sheet[10:] < 255).any()


def test_a_title_and_a_legend_stand_above_and_change_nothing_below() -> None:
    pictures = [np.zeros((10, 60), np.uint8)]
    plain = tile(pictures, ["123"])
    headed = tile(pictures, ["123"], title="Worst", legend={"missed": (0, 159, 230)})
    head = headed[: len(headed) - len(plain)]
    assert np.array_equal(headed[len(head) :, : plain.shape[1]], plain)
    assert (head.reshape(-1, 3) == (0, 159, 230)).all(axis=1).sum() > 50
    assert (head[:15] < 100).any()


def test_a_long_legend_goes_on_in_further_lines() -> None:
    colours = {f"meaning {number}": (number, 0, 200) for number in range(9)}
    sheet = tile([np.zeros((10, 200), np.uint8)], [""], legend=colours)
    assert sheet.shape[1] == 204
    for colour in colours.values():
        assert (sheet.reshape(-1, 3) == colour).all(axis=1).sum() > 100


def test_each_part_of_a_sheet_has_its_head_above_it() -> None:
    pictures = [np.full((10, 60), 255, np.uint8)] * 2
    plain = tile(pictures, ["", ""], num_columns=2)
    for heads, columns in ((["truth", ""], slice(0, 64)), (["", "truth"], slice(64, 128))):
        headed = tile(pictures, ["", ""], num_columns=2, heads=heads)
        above = headed[: len(headed) - len(plain)] < 100
        assert above[:, columns].any()
        above[:, columns] = False
        assert not above.any()


def test_a_note_stands_above_and_makes_room_for_itself() -> None:
    pictures = [np.zeros((10, 60), np.uint8)]
    noted = tile(pictures, [""], note="the mean over the classes that occur")
    plain = tile(pictures, [""])
    assert noted.shape[1] > plain.shape[1]
    assert np.array_equal(noted[len(noted) - len(plain) :, :64], plain)
    assert (noted[: len(noted) - len(plain), 64:] < 100).any()


def test_a_long_caption_does_not_reach_the_next_one() -> None:
    pictures = [np.full((10, 60), 255, np.uint8)] * 2
    alone = tile(pictures, ["", "b"], num_columns=2)
    beside = tile(pictures, ["x" * 99, "b"], num_columns=2)
    assert np.array_equal(alone[:, 64:], beside[:, 64:])
    over = tile(pictures, ["x" * 99, ""], num_columns=2)
    assert (over[10:, 64:] < 255).any()


def test_colour_and_grey_may_mix() -> None:
    pictures = [np.zeros((4, 4), np.uint8), np.full((4, 4, 3), (1, 2, 3), np.uint8)]
    sheet = tile(pictures, ["", ""], num_columns=2, gap_px=0)
    assert tuple(sheet[0, 4]) == (1, 2, 3)


def test_a_picture_is_written_in_the_format_of_its_ending(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    write_picture(picture, tmp_path / "a.png")
    assert np.array_equal(cv2.imread(str(tmp_path / "a.png")), picture)
    write_picture(picture, tmp_path / "a.jpg")
    assert (tmp_path / "a.jpg").read_bytes()[:2] == b"\xff\xd8"


def test_a_figure_is_the_same_bytes_for_the_same_data(tmp_path: Path) -> None:
    for name in ("one.png", "two.png"):
        with figure(tmp_path / name, title="t", x_label="x", y_label="y") as axes:
            axes.plot([1, 2, 3], [3, 1, 2])
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_a_figure_that_failed_leaves_nothing(tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError),
        figure(tmp_path / "a.png", title="t", x_label="x", y_label="y"),
    ):
        raise RuntimeError
    assert not (tmp_path / "a.png").exists()
