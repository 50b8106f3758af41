"""The order of a picture's channels."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vigil.pixels.pictures.picture import Picture, swap_red_and_blue

PICTURES = arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3)))


@given(PICTURES)
def test_red_and_blue_are_swapped_in_a_copy(picture: Picture) -> None:
    before = picture.copy()
    swapped = swap_red_and_blue(picture)
    assert (swapped == before[..., ::-1]).all()
    assert swapped.flags.c_contiguous
    assert swapped.dtype == np.uint8
    swapped[:] = 0
    assert (picture == before).all()


@given(PICTURES)
def test_views_that_cannot_be_written_are_read(picture: Picture) -> None:
    view = picture[::-1, ::2]
    view.flags.writeable = False
    assert (swap_red_and_blue(view) == view[..., ::-1]).all()
