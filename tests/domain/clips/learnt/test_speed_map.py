"""The usual speed at each place: learnt where sources agree on it, flat where they do not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vigil.domain.clips.evidence.pieces import Pieces, no_evidence
from vigil.domain.clips.learnt.speed_map import NUM_PARTS, divide_by_map, fit_speed_map

SIZE_WH = (360.0, 240.0)


def pieces_at(x: np.ndarray, y: np.ndarray, speeds: np.ndarray, scale: float = 1.0) -> Pieces:
    """Evidence of one number each, with boxes of 10 px around places from 0 to 1."""
    size = np.array(SIZE_WH) * scale
    middles = np.stack([x, y], axis=1) * size
    boxes = np.concatenate([middles - 5, middles + 5], axis=1)
    spans = np.tile([0.0, 1.0], (len(x), 1))
    return Pieces(speeds[:, None].astype(np.float32), boxes, spans, np.tile(size, (len(x), 1)))


def walked(seed: int, *, slope: float, num: int = 2000) -> tuple[Pieces, np.ndarray]:
    """Walkers of eight sources, who are faster by `slope` at the lower edge of the picture."""
    rng = np.random.default_rng(seed)
    x, y = rng.random((2, num))
    speeds = 0.05 * (1 + slope * y) * rng.uniform(0.8, 1.2, num)
    return pieces_at(x, y, speeds), rng.integers(0, 8, num).astype(str).astype(object)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 20))
def test_a_slope_of_speed_is_learnt_and_divided_out(seed: int) -> None:
    pieces, sources = walked(seed, slope=3.0)
    found = fit_speed_map(pieces, sources)
    rows = found.mean(axis=1)
    assert rows[-3] > 2 * rows[2]
    assert np.all(np.diff(rows[1:-1:3]) > 0)
    even = divide_by_map(pieces, found)[:, 0]
    assert even.std() / even.mean() < 0.5 * pieces.vectors.std() / pieces.vectors.mean()


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 20))
def test_the_map_is_flat_without_a_slope_and_changes_nothing(seed: int) -> None:
    pieces, sources = walked(seed, slope=0.0)
    found = fit_speed_map(pieces, sources)
    assert np.array_equal(found, np.ones((NUM_PARTS, NUM_PARTS)))
    assert np.array_equal(divide_by_map(pieces, found), pieces.vectors)


def test_the_map_is_flat_if_sources_contradict_each_other() -> None:
    """Every source has a camera of its own, with another near side."""
    rng = np.random.default_rng(0)
    number = rng.integers(0, 8, 3000)
    x, y = rng.random((2, 3000))
    near = np.where(number % 2 == 0, y, 1 - y)
    pieces = pieces_at(x, y, 0.05 * (1 + 3 * near))
    assert (fit_speed_map(pieces, number.astype(str).astype(object)) == 1).all()


def test_the_map_is_of_the_picture_and_not_of_its_pixels() -> None:
    pieces, sources = walked(1, slope=3.0)
    small = pieces_at(*((pieces.boxes_xyxy[:, :2] + 5) / SIZE_WH).T, pieces.vectors[:, 0], 0.5)
    np.testing.assert_allclose(fit_speed_map(small, sources), fit_speed_map(pieces, sources))


@pytest.mark.parametrize("num", [0, 1, 2])
def test_too_little_evidence_gives_a_flat_map(num: int) -> None:
    pieces, _ = walked(0, slope=3.0)
    found = fit_speed_map(pieces[np.arange(num)], np.full(num, "one", object))
    assert (found == 1).all()
    still = fit_speed_map(no_evidence(3), np.empty(0, object))
    assert (still == 1).all()
