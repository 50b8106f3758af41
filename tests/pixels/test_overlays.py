"""Maps of classes and masks over pictures."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from vigil.domain.pictures.run_lengths import compress, runs_of
from vigil.pixels.overlays import GREY, OPACITY, class_colours, overlay, shade_masks

HEIGHT, WIDTH = 9, 12
RED, BLUE = (0, 0, 255), (255, 0, 0)
masks = arrays.arrays(bool, (HEIGHT, WIDTH))


def flat(value: int = 100) -> npt.NDArray[np.uint8]:
    return np.full((HEIGHT, WIDTH, 3), value, np.uint8)


def text_of(mask: npt.NDArray[np.bool_]) -> str:
    return compress(runs_of(mask))


@given(masks, masks)
@settings(max_examples=50)
def test_masks_are_drawn_as_whole_maps_the_first_in_front(
    front: npt.NDArray[np.bool_], behind: npt.NDArray[np.bool_]
) -> None:
    shaded = shade_masks(flat(), [text_of(front), text_of(behind)], [RED, BLUE], (HEIGHT, WIDTH))
    expected = overlay(flat(), behind.astype(np.uint8), [None, BLUE])
    expected = overlay(expected, front.astype(np.uint8), [None, RED])
    np.testing.assert_array_equal(shaded, expected)
    untouched = ~(front | behind)
    assert (shaded[untouched] == 100).all()


def test_a_mask_has_its_edges_in_full_colour_and_its_inside_mixed() -> None:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[2:7, 3:9] = True
    shaded = shade_masks(flat(), [text_of(mask)], [RED], (HEIGHT, WIDTH))
    assert tuple(shaded[2, 3]) == tuple(shaded[6, 8]) == RED
    mixed = round(100 * (1 - OPACITY) + 255 * OPACITY)
    assert tuple(shaded[4, 5]) == (round(100 * (1 - OPACITY)), round(100 * (1 - OPACITY)), mixed)


def test_a_mask_of_a_smaller_map_covers_the_same_part_of_the_picture() -> None:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[:, : WIDTH // 2] = True
    picture = np.zeros((2 * HEIGHT, 2 * WIDTH, 3), np.uint8)
    shaded = shade_masks(picture, [text_of(mask)], [RED], (HEIGHT, WIDTH))
    assert (shaded[:, :WIDTH, 2] > 0).all()
    assert not shaded[:, WIDTH:].any()


def test_without_masks_the_picture_stays_and_is_not_the_same_array() -> None:
    picture = flat()
    shaded = shade_masks(picture, [], [RED], (HEIGHT, WIDTH))
    np.testing.assert_array_equal(shaded, picture)
    shaded[:] = 0
    assert (picture == 100).all()


def test_each_mask_needs_its_colour() -> None:
    text = text_of(np.ones((HEIGHT, WIDTH), bool))
    with pytest.raises(ValueError, match="shorter"):
        shade_masks(flat(), [text, text], [RED], (HEIGHT, WIDTH))


def test_ignored_pixels_are_grey_and_classes_without_colour_are_not_drawn() -> None:
    classes = np.zeros((HEIGHT, WIDTH), np.uint8)
    classes[:, 6:] = 255
    shaded = overlay(flat(0), classes, [None], outlines=False)
    assert not shaded[:, :6].any()
    assert tuple(shaded[0, 8]) == tuple(round(OPACITY * value) for value in GREY)


@given(st.integers(1, 40))
def test_every_class_but_the_background_has_its_own_colour(num: int) -> None:
    names = [f"class {number}" for number in range(num)]
    colours = class_colours(["nothing", *names], "nothing")
    assert list(colours) == names
    assert all(0 <= value <= 255 for colour in colours.values() for value in colour)
    assert len(set(colours.values())) == num
