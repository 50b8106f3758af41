"""Label Studio's run lengths against its own SDK."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from label_studio_sdk.converter.brush import decode_rle, mask2rle

from vigil.domain.mask_formats.brush import decode_brush

MASKS = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=20))


@given(MASKS)
def test_what_label_studio_s_sdk_writes_is_read(mask: np.ndarray):
    numbers = mask2rle((255 * mask).astype(np.uint8))
    height, width = mask.shape
    assert (decode_brush(numbers, (width, height)) == mask).all()
    theirs = decode_rle(numbers).reshape(height, width, 4)[..., 3] > 0
    assert (theirs == mask).all()


@given(st.lists(st.integers(0, 255), max_size=60))
def test_any_bytes_are_a_mask_or_refused(numbers: list[int]):
    try:
        mask = decode_brush(numbers, (2, 2))
    except ValueError:
        return
    assert mask.shape == (2, 2)


def test_a_stream_that_is_cut_off_or_of_another_size_is_refused():
    numbers = mask2rle((255 * np.eye(6)).astype(np.uint8))
    with pytest.raises(ValueError, match="fewer values"):
        decode_brush(numbers[:-4], (6, 6))
    with pytest.raises(ValueError, match="144 values for 5x6 px"):
        decode_brush(numbers, (5, 6))
