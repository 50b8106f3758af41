"""Arrows of motion: where something moves, and to where it moves."""

import cv2
import numpy as np
import pytest

from vigil.pixels.sheets.arrows import draw_motion, measure_motions

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
    none, motion = measure_motions([before, after], [0.0, 0.1])
    assert none is None
    assert motion is not None
    drawn = draw_motion(shown, motion)
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


def test_a_camera_that_trembles_does_not_move_what_it_sees() -> None:
    rng = np.random.default_rng(1)
    wide = rng.integers(60, 200, (40, 50, 3), np.uint8).repeat(4, 0).repeat(4, 1)
    shifts = rng.integers(0, 5, (20, 2)).tolist()
    frames = [wide[y : y + SIZE_HW[0], x : x + SIZE_HW[1]] for y, x in shifts]
    *_, motion = measure_motions(frames, [at / 10 for at in range(20)])
    assert motion is not None
    num_changed = (draw_motion(frames[-1], motion) != frames[-1]).any(axis=2).sum()
    # Only the mean of the last second is left, which is less than a pixel between two frames.
    steps = np.hypot(*np.diff(shifts[-2:], axis=0)[0])
    assert steps > 1
    assert num_changed < 0.02 * SIZE_HW[0] * SIZE_HW[1]
