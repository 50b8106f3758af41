"""Arrows of motion: where something moves, and to where it moves."""

import cv2
import numpy as np
import pytest

from vigil.pixels.sheets.arrows import draw_motion

SIZE_HW = (120, 160)


def scene(x: int, y: int = 40) -> np.ndarray:
    """A ground with a texture, and a body with another one."""
    rng = np.random.default_rng(0)
    ground = rng.integers(60, 90, (30, 40, 3), np.uint8).repeat(4, 0).repeat(4, 1)
    ground[y : y + 40, x : x + 20] = (
        rng.integers(120, 250, (10, 5, 3), np.uint8).repeat(4, 0).repeat(4, 1)
    )
    return ground


def changed(before: np.ndarray, after: np.ndarray, scale: float = 1.0) -> np.ndarray:
    size_wh = (round(SIZE_HW[1] * scale), round(SIZE_HW[0] * scale))
    shown = cv2.resize(after, size_wh)
    kept = shown.copy()
    drawn = draw_motion(shown, before, after, 0.1)
    assert (shown == kept).all(), "a copy is drawn on"
    return np.argwhere((drawn != shown).any(axis=2)) / scale


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_arrows_are_where_something_moves(scale: float) -> None:
    rows, columns = changed(scene(60), scene(66), scale).T
    assert len(rows) > 20
    assert 25 <= rows.min() <= rows.max() <= 95
    # From the body on to where it is after 0.15 s, at 60 px a second.
    assert 45 <= columns.min() <= columns.max() <= 100


def test_nothing_is_drawn_where_nothing_moves() -> None:
    assert len(changed(scene(60), scene(60))) == 0


def test_an_arrow_points_where_it_goes() -> None:
    """More is drawn to the right of a body that moves to the right than to its left."""
    right = changed(scene(60), scene(66))[:, 1]
    left = changed(scene(66), scene(60))[:, 1]
    assert right.max() > left.max()
    assert left.min() < right.min()
