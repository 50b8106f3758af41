import cmath
import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vigil.domain.boxes import clip, intersect, outside, rotated_to_xyxy, to_pixels

SIZE_WH = (40, 30)

coordinates = st.floats(-100, 100, allow_nan=False).map(lambda value: round(value, 3))
small_integers = st.integers(-6, 12)


def boxes(elements: st.SearchStrategy[float], max_size: int = 6) -> st.SearchStrategy[np.ndarray]:
    def in_order(values: np.ndarray) -> np.ndarray:
        return np.concatenate(
            [np.minimum(values[:, :2], values[:, 2:]), np.maximum(values[:, :2], values[:, 2:])], 1
        )

    shapes = st.integers(0, max_size).map(lambda num: (num, 4))
    return shapes.flatmap(lambda shape: arrays(np.float64, shape, elements=elements)).map(in_order)


def bounds_by_complex_numbers(
    x: float, y: float, width: float, height: float, degrees: float
) -> list[float]:
    # With y downwards, multiplying by e^(i angle) turns clockwise on the screen.
    turn = cmath.exp(1j * math.radians(degrees))
    corners = [
        complex(x, y) + turn * complex(across, down)
        for across in (0, width)
        for down in (0, height)
    ]
    return [
        min(c.real for c in corners),
        min(c.imag for c in corners),
        max(c.real for c in corners),
        max(c.imag for c in corners),
    ]


@given(
    st.lists(st.tuples(*[coordinates] * 4, st.floats(-720, 720)), min_size=0, max_size=5),
)
def test_rotated_bounds_are_those_of_the_four_corners(rows: list[tuple[float, ...]]) -> None:
    values = np.array(rows, dtype=float).reshape(-1, 5)
    found = rotated_to_xyxy(values[:, :4], values[:, 4])
    expected = np.array([bounds_by_complex_numbers(*row) for row in rows]).reshape(-1, 4)
    assert found.shape == (len(rows), 4)
    np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize("degrees", [0.0, 17.0, 90.0, 135.0, 180.0, 250.0, -30.0])
def test_rotated_bounds_agree_with_opencv(degrees: float) -> None:
    x, y, width, height = 12.0, 7.0, 9.0, 4.0
    # OpenCV turns clockwise too, but about the centre.
    centre = complex(x, y) + cmath.exp(1j * math.radians(degrees)) * complex(width, height) / 2
    corners = cv2.boxPoints(((centre.real, centre.imag), (width, height), degrees))
    expected = [*corners.min(axis=0), *corners.max(axis=0)]
    found = rotated_to_xyxy(np.array([[x, y, width, height]]), np.array([degrees]))
    np.testing.assert_allclose(found[0], expected, atol=1e-4)


def test_a_quarter_turn_clockwise_swings_a_box_to_the_left_of_its_corner() -> None:
    found = rotated_to_xyxy(np.array([[50.0, 10.0, 20.0, 5.0]]), np.array([90.0]))
    np.testing.assert_allclose(found, [[45, 10, 50, 30]], atol=1e-12)


def test_negative_sizes_lie_on_the_other_side_of_the_corner() -> None:
    found = rotated_to_xyxy(np.array([[50.0, 40.0, -20.0, -5.0]]), np.array([0.0]))
    np.testing.assert_allclose(found, [[30, 35, 50, 40]])


@given(boxes(coordinates))
def test_clip_is_the_intersection_with_the_picture(given_boxes: np.ndarray) -> None:
    found = clip(given_boxes, SIZE_WH)
    assert found.shape == given_boxes.shape
    for box, cut in zip(given_boxes.tolist(), found.tolist(), strict=True):
        expected = [
            min(max(value, 0.0), float(limit))
            for value, limit in zip(box, [*SIZE_WH, *SIZE_WH], strict=True)
        ]
        assert cut == expected


def whole_pixels(box: list[float]) -> set[tuple[int, int]]:
    x1, y1, x2, y2 = (int(value) for value in box)
    return {(x, y) for x in range(x1, x2) for y in range(y1, y2)}


@given(boxes(small_integers.map(float)))
def test_a_box_is_outside_where_none_of_its_pixels_is_in_the_picture(
    given_boxes: np.ndarray,
) -> None:
    picture = whole_pixels([0, 0, 7, 5])
    solid = given_boxes[(given_boxes[:, :2] < given_boxes[:, 2:]).all(axis=1)]
    expected = [not (whole_pixels(box) & picture) for box in solid.tolist()]
    assert outside(solid, (7, 5)).tolist() == expected


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ([3, 3, 3, 4], False),  # a line inside
        ([3, 3, 3, 3], False),  # a point inside
        ([8, 3, 8, 4], True),  # a line outside
        ([-2, -2, -2, -2], True),  # a point outside
        ([-4, 1, 0, 3], True),  # touches the left edge from outside
        ([7, 1, 9, 3], True),  # touches the right edge from outside
        ([-4, -4, 90, 90], False),  # around the whole picture
    ],
)
def test_flat_and_touching_boxes(box: list[float], expected: bool) -> None:
    assert outside(np.array([box], dtype=float), (7, 5)).tolist() == [expected]


@given(boxes(small_integers.map(float)), boxes(small_integers.map(float)))
def test_boxes_intersect_where_they_share_a_pixel(a: np.ndarray, b: np.ndarray) -> None:
    solid_a = a[(a[:, :2] < a[:, 2:]).all(axis=1)]
    solid_b = b[(b[:, :2] < b[:, 2:]).all(axis=1)]
    found = intersect(solid_a, solid_b)
    assert found.shape == (len(solid_a), len(solid_b))
    expected = [
        [bool(whole_pixels(one) & whole_pixels(other)) for other in solid_b.tolist()]
        for one in solid_a.tolist()
    ]
    assert found.tolist() == expected


@given(boxes(coordinates))
def test_whole_pixels_cover_what_is_in_the_picture_and_nothing_more(
    given_boxes: np.ndarray,
) -> None:
    found = to_pixels(given_boxes, SIZE_WH)
    assert found.dtype == np.int64
    inside = clip(given_boxes, SIZE_WH)
    assert (found[:, :2] <= inside[:, :2]).all()
    assert (found[:, 2:] >= inside[:, 2:]).all()
    assert (np.abs(found - inside) < 1).all()
    assert (found >= 0).all()
    assert (found <= [*SIZE_WH, *SIZE_WH]).all()


def test_no_boxes() -> None:
    none = np.empty((0, 4))
    assert rotated_to_xyxy(none, np.empty(0)).shape == (0, 4)
    assert clip(none, SIZE_WH).shape == (0, 4)
    assert outside(none, SIZE_WH).shape == (0,)
    assert intersect(none, np.zeros((3, 4))).shape == (0, 3)
    assert to_pixels(none, SIZE_WH).shape == (0, 4)
