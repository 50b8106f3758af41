"""Text on pictures: it fits, it covers no other text, and it is the same bytes each time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigil.pixels.drawing.text import (
    Label,
    font,
    measure_text,
    shorten_text,
    write_labels,
    write_text,
)

GROUND = 128
RED, GREEN = (0, 0, 255), (0, 255, 0)


def blank(height: int = 80, width: int = 200) -> np.ndarray:
    return np.full((height, width, 3), GROUND, np.uint8)


def bounds(drawn: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero((drawn != GROUND).any(axis=2))
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def test_a_text_lies_where_it_is_put_and_leaves_the_picture_alone() -> None:
    picture = blank()
    drawn = write_text(picture, "human 3", (20, 30), RED)
    assert np.array_equal(picture, blank())
    width, height = measure_text("human 3")
    x1, y1, x2, y2 = bounds(drawn)
    assert 20 <= x1 < x2 <= 20 + width + 1
    assert 30 <= y1 < y2 <= 30 + height
    assert (drawn.reshape(-1, 3) == RED).all(axis=1).any()


def test_letters_beyond_ascii_have_shapes_of_their_own() -> None:
    """Unlike a font without them, which draws one box or question mark for all."""
    drawn = [write_text(blank(), text, (5, 5)) for text in ("é", "ß", "д", "ж", "λ")]
    assert len({picture.tobytes() for picture in drawn}) == len(drawn)


def test_labels_at_one_place_do_not_cover_each_other() -> None:
    labels = [Label(f"human {n}", (255, 255, 255), [(40, 20)]) for n in range(4)]
    together = write_labels(blank(), labels)
    height = measure_text("human 0")[1]
    (rows,) = (together[:, 41] != GROUND).any(axis=1).nonzero()
    assert len(rows) >= 4 * height - 4


def test_the_first_free_corner_is_taken() -> None:
    one = Label("a", RED, [(10, 10)])
    two = Label("b", GREEN, [(10, 10), (100, 50)])
    drawn = write_labels(blank(), [one, two], has_plate=False)
    assert (drawn[50:70, 100:120] != GROUND).any()


@pytest.mark.parametrize("corner", [(-50, -50), (500, 500), (190, 75)])
def test_a_text_is_moved_into_the_picture(corner: tuple[int, int]) -> None:
    whole = bounds(write_labels(blank(), [Label("human 3", RED, [(20, 20)])]))
    moved = bounds(write_labels(blank(), [Label("human 3", RED, [corner])]))
    assert (moved[2] - moved[0], moved[3] - moved[1]) == (
        whole[2] - whole[0],
        whole[3] - whole[1],
    )


@pytest.mark.parametrize("text", ["", "a" * 500])
def test_no_text_and_one_longer_than_the_picture(text: str) -> None:
    assert write_labels(blank(), [Label(text, RED, [(0, 0)])]).shape == (80, 200, 3)
    assert np.array_equal(write_labels(blank(), []), blank())


@given(st.text(max_size=60), st.integers(20, 300))
def test_a_shortened_text_fits_and_one_that_fits_is_kept(text: str, width_px: int) -> None:
    short = shorten_text(text, width_px)
    assert measure_text(short)[0] <= max(width_px, measure_text("…")[0])
    assert short.isprintable()
    if text.isprintable() and measure_text(text)[0] <= width_px:
        assert short == text


def test_the_ends_of_a_long_name_are_kept() -> None:
    short = shorten_text("plaza_1.mp4.zip/a/very/long/way/down/000012.jpg", 150)
    assert short.startswith("plaza")
    assert short.endswith("012.jpg")


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("2.27 s: meeting/meeting_s25_c2.webm", "2.27 s: …/meeting_s25_c2.webm"),
        ("plaza_1.zip/a/way/down/meeting_12.jpg", "plaza_1.zip/a/…/meeting_12.jpg"),
        ("a_very_long_folder/meeting_s25_c2.webm", "a_very_lo…/meeting_s25_c2.webm"),
    ],
)
def test_the_name_of_a_file_stays_whole_where_it_fits(text: str, short: str) -> None:
    assert shorten_text(text, measure_text(short)[0]) == short


def test_no_text_touches_the_edge_of_its_picture() -> None:
    for corner in ((0, 0), (200, 80)):
        drawn = write_labels(blank(), [Label("5.49", RED, [corner])])
        x1, y1, x2, y2 = bounds(drawn)
        assert x1 > 0 < y1
        assert x2 < 200
        assert y2 < 80


def test_the_same_text_is_the_same_bytes() -> None:
    font.cache_clear()
    one = write_text(blank(), "mAP 0.29", (1, 1))
    font.cache_clear()
    assert np.array_equal(one, write_text(blank(), "mAP 0.29", (1, 1)))
