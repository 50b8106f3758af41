"""Polygons as pixels, against pycocotools."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco

from vigil.domain.mask_formats.polygons import of_polygons
from vigil.domain.pictures.run_lengths import compress


@given(
    hnp.arrays(np.float64, st.tuples(st.integers(3, 9), st.just(2)), elements=st.floats(-20, 60))
)
def test_polygons_have_the_pixels_that_pycocotools_gives_them(points: np.ndarray):
    expected = coco.merge(coco.frPyObjects([points.ravel().tolist()], 30, 40))
    assert compress(of_polygons([points], (30, 40))) == expected["counts"].decode()
