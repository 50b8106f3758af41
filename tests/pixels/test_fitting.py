import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigil.pixels.fitting import (
    PADDING_RGB,
    FrameSize,
    centre_on_black,
    fit_within,
    letterbox,
    resize,
)

SIDES = st.integers(1, 300)
SIZES = st.tuples(SIDES, SIDES)


def plain(size_wh: tuple[int, int], value: int = 200) -> np.ndarray:
    return np.full((size_wh[1], size_wh[0], 3), value, np.uint8)


@pytest.mark.parametrize("size_wh", [(171, 128), (40, 90), (320, 240), (300, 41)])
@pytest.mark.parametrize("size", [FrameSize(32, 28), FrameSize(32, 32), FrameSize((32, 43), 28)])
def test_frames_are_cut_around_the_centre(size_wh: tuple[int, int], size: FrameSize) -> None:
    width, height = size_wh
    x = np.linspace(-1, 1, width)
    picture = np.tile(np.uint8(127 + 100 * x), (height, 1))[..., None].repeat(3, axis=2)
    fitted = size(picture)
    assert fitted.shape == (size.crop_px, size.crop_px, 3)
    middle = fitted[:, :, 0].astype(float).mean(axis=0)
    np.testing.assert_allclose(middle + middle[::-1], 254, atol=8)  # half a pixel of the smallest


@given(SIZES, SIZES)
def test_a_picture_fits_and_touches_two_sides(own_wh, size_wh) -> None:
    fitted, scale = fit_within(plain(own_wh), size_wh)
    height, width = fitted.shape[:2]
    assert width <= size_wh[0]
    assert height <= size_wh[1]
    assert width == size_wh[0] or height == size_wh[1]
    assert scale == min(size_wh[0] / own_wh[0], size_wh[1] / own_wh[1])
    assert abs(width - own_wh[0] * scale) <= 1
    assert abs(height - own_wh[1] * scale) <= 1
    assert (fitted == 200).all()
    assert fitted.dtype == np.uint8


@given(SIZES, SIZES)
def test_a_canvas_has_the_picture_in_its_corner_or_middle_and_nothing_of_it_beside(
    own_wh, size_wh
) -> None:
    fitted, scale = fit_within(plain(own_wh), size_wh)
    height, width = fitted.shape[:2]
    canvas, told = letterbox(plain(own_wh), size_wh)
    assert canvas.shape == (size_wh[1], size_wh[0], 3)
    assert told == scale
    expected = np.full_like(canvas, 0) + np.uint8(PADDING_RGB)
    expected[:height, :width] = 200
    assert np.array_equal(canvas, expected)
    middle = centre_on_black(plain(own_wh), size_wh)
    assert middle.shape == canvas.shape
    rows, columns = (np.flatnonzero((middle[..., 0] == 200).any(axis=axis)) for axis in (1, 0))
    assert (len(rows), len(columns)) == (height, width)
    assert (middle == 200).sum() == 3 * height * width
    assert middle.sum() == 200 * 3 * height * width
    assert abs(rows[0] - (size_wh[1] - 1 - rows[-1])) <= 1
    assert abs(columns[0] - (size_wh[0] - 1 - columns[-1])) <= 1


def test_a_point_is_where_its_coordinates_say() -> None:
    """A bright square keeps its place under the factor that `letterbox` tells."""
    picture = plain((200, 100), 0)
    picture[40:60, 120:160] = 255
    for size_wh in ((100, 100), (640, 480), (50, 25), (400, 90)):
        canvas, scale = letterbox(picture, size_wh)
        rows, columns = np.nonzero((canvas > 127).all(axis=2))
        box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        np.testing.assert_allclose(box, np.array([120, 40, 160, 60]) * scale, atol=1)


def test_what_fits_already_is_left_as_it_is() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    assert fit_within(picture, (60, 40))[0] is picture
    assert fit_within(picture, (60, 90))[0] is picture
    assert resize(picture, (60, 40)) is picture
    assert np.array_equal(letterbox(picture, (60, 40))[0], picture)
    assert np.array_equal(centre_on_black(picture, (60, 40)), picture)
    assert np.array_equal(FrameSize(40, 40)(picture), picture[:, 10:50])


def test_fine_patterns_do_not_alias_where_a_picture_shrinks() -> None:
    stripes = plain((120, 120), 0)
    stripes[:, ::2] = 254
    for small in (resize(stripes, (40, 40)), fit_within(stripes, (40, 99))[0]):
        assert np.ptp(small) <= 90  # an average of three stripes; nearest would be 0 or 254
    assert np.array_equal(
        resize(stripes, (30, 30)), cv2.resize(stripes, (30, 30), interpolation=cv2.INTER_AREA)
    )
    assert (resize(stripes, (30, 30)) == 127).all()
