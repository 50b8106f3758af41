"""Run lengths against pycocotools, on random, empty and full masks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco

from vigil.domain.pictures.run_lengths import (
    area,
    box_of,
    check_runs,
    compress,
    decompress,
    mask_of,
    masks_of,
    runs_of,
    runs_of_part,
)

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
"""pycocotools asks numpy in an old way."""
MASKS = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40))


def encoded(mask: np.ndarray) -> str:
    return coco.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()


@given(MASKS)
def test_the_text_is_that_of_pycocotools_and_comes_back(mask: np.ndarray):
    text = compress(runs_of(mask))
    assert text == encoded(mask)
    assert (mask_of(decompress(text), mask.shape) == mask).all()


@given(MASKS)
def test_area_and_bounds_are_those_of_the_pixels(mask: np.ndarray):
    runs = runs_of(mask)
    assert area(runs) == mask.sum()
    ys, xs = np.nonzero(mask)
    expected = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1) if len(xs) else (0, 0, 0, 0)
    assert box_of(runs, mask.shape[0]) == expected


@given(st.lists(st.integers(0, 10_000_000), min_size=1, max_size=30))
def test_runs_of_any_length_survive_the_text(runs: list[int]):
    assert decompress(compress(np.array(runs))).tolist() == runs


@given(st.data())
def test_the_runs_of_a_part_are_those_of_the_whole(data: st.DataObject):
    mask = data.draw(MASKS)
    top, below, left, right = (data.draw(st.integers(0, 5)) for _ in range(4))
    whole = np.pad(mask, ((top, below), (left, right)))
    runs = runs_of_part(mask, (left, top), whole.shape)
    assert runs.tolist() == runs_of(whole).tolist()
    nothing = runs_of_part(np.zeros((0, 0), bool), (left, top), whole.shape)
    assert nothing.tolist() == runs_of(np.zeros_like(whole)).tolist()


@given(MASKS)
def test_several_masks_come_back_as_one_array(mask: np.ndarray):
    texts = [compress(runs_of(one)) for one in (mask, ~mask)]
    assert (masks_of(texts, mask.shape) == np.stack([mask, ~mask])).all()
    assert masks_of([], mask.shape).shape == (0, *mask.shape)


@pytest.mark.parametrize("text", ["\x7f", "é", "P", "0" * 3 + "o", "oooooooo0"])
def test_a_text_that_is_no_mask_is_refused(text: str):
    with pytest.raises(ValueError, match=r"text that is not|run length"):
        decompress(text)


@pytest.mark.parametrize("runs", [[5], [3, -1, 2], [2**40]])
def test_runs_of_another_size_are_refused(runs: list[int]):
    with pytest.raises(ValueError, match="run"):
        check_runs(np.array(runs), (2, 2))
