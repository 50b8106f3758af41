"""Attention over pictures: patches keep their places, heads their colours."""

import cv2
import numpy as np
import pytest

from vigil.pixels.attention import (
    LEAST_OPACITY,
    OPACITY,
    SHADE,
    colour_of_head,
    draw_attention,
    enlarge,
    heat_legend,
    lay_heads,
    lay_heat,
    side_by_side,
)
from vigil.pixels.drawing.on_pictures import CAPTION_HEIGHT_PX, PALETTE_BGR

GREY = np.full((8, 12, 3), 100, np.uint8)


def test_patches_are_enlarged_to_squares():
    values = np.arange(6).reshape(2, 3)
    assert np.array_equal(enlarge(values, (8, 12)), np.kron(values, np.ones((4, 4), int)))
    assert enlarge(values, (7, 10)).shape == (7, 10)


def test_heat_is_brightest_where_attention_is_largest_and_stops_at_the_scale():
    maps = np.array([[0.0, 0.5, 1.0], [2.0, 0.0, 0.0]])
    drawn = lay_heat(GREY, maps, 1.0).astype(int)
    brightness = drawn.sum(axis=2)[::4, ::4]
    assert brightness[0, 0] < brightness[0, 1] < brightness[0, 2]
    assert brightness[1, 0] == brightness[0, 2], "above the scale"
    black = round((1 - LEAST_OPACITY) * 100)
    assert drawn[0, 0, 1] == black, "inferno begins with black; green has no part in it"
    assert np.array_equal(GREY, np.full((8, 12, 3), 100)), "the picture itself is not changed"


def test_the_legend_of_heat_becomes_brighter():
    colours = heat_legend()
    brightness = [sum(colour) for colour in colours.values()]
    assert brightness == sorted(set(brightness))
    grey = np.full((1, 1, 3), 128, np.uint8)
    laid = lay_heat(grey, np.array([[3.0]]), 3.0)
    assert tuple(laid[0, 0]) == list(colours.values())[-1]


def test_a_patch_has_the_mean_colour_of_the_heads_that_keep_it():
    kept = np.zeros((2, 2, 3), bool)
    kept[0, 0, 0] = kept[0, 0, 1] = kept[1, 0, 1] = True
    drawn = lay_heads(GREY, kept)
    first, second = (np.array(colour_of_head(head)) for head in range(2))
    for column, colour in ((0, first), (4, (first + second) / 2)):
        expected = GREY[0, 0] * (1 - OPACITY) + colour * OPACITY
        assert np.abs(drawn[0, column] - expected).max() <= 0.5
    assert (drawn[4:] == round(100 * SHADE)).all()


def test_heads_have_colours_that_can_be_told_apart():
    """Up to 24 heads; 2.3 in CIELAB is a difference that is just seen."""
    colours = np.array([colour_of_head(head) for head in range(24)], np.float32)[None] / 255
    lab = cv2.cvtColor(colours, cv2.COLOR_BGR2LAB)[0]
    distances = np.linalg.norm(lab[:, None] - lab[None], axis=2)
    assert distances[~np.eye(24, dtype=bool)].min() > 15
    assert [colour_of_head(head) for head in range(7)] == list(PALETTE_BGR), "for few heads"


@pytest.mark.parametrize("num_heads", [8, 24])
def test_the_legend_names_every_head(num_heads: int):
    maps = np.random.default_rng(1).random((num_heads, 2, 3)) + 0.1
    sheet = draw_attention(np.full((80, 120, 3), 100, np.uint8), maps, keep_fraction=0.6, title="a")
    num_rows = -(-(3 + min(num_heads, 16)) // 3)
    head = sheet[: -num_rows * (80 + CAPTION_HEIGHT_PX + 4)].reshape(-1, 3)
    for number in range(num_heads):
        assert (head == colour_of_head(number)).all(axis=1).sum() > 50, number


def test_a_frame_of_a_video_has_three_parts_and_a_fixed_scale():
    maps = np.random.default_rng(0).random((3, 2, 3))
    drawn = side_by_side(GREY, maps, keep_fraction=0.6, highest=2.0)
    assert drawn.shape == (8, 36, 3)
    assert np.array_equal(drawn[:, :12], GREY)
    assert np.array_equal(drawn[:, 12:24], lay_heat(GREY, maps.mean(0), 2.0))
    # The same attention has the same colours whatever else is in the picture.
    other = maps.copy()
    other[:, 1, 2] = 9
    again = side_by_side(GREY, other, keep_fraction=0.6, highest=2.0)
    assert np.array_equal(again[:4, 12:24], drawn[:4, 12:24])


@pytest.mark.parametrize("num_heads", [1, 6, 20])
def test_a_sheet_has_a_picture_for_each_head_up_to_the_limit(num_heads: int):
    picture = np.full((80, 120, 3), 100, np.uint8)
    maps = np.random.default_rng(1).random((num_heads, 2, 3)) + 0.1
    sheet = draw_attention(picture, maps, keep_fraction=0.6, title="a", max_heads=16)
    num_rows = -(-(3 + min(num_heads, 16)) // 3)
    assert sheet.shape[0] > num_rows * 80
    assert sheet.shape[0] < (num_rows + 1) * 100
