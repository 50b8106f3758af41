import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigil.learn.alarm.network.embedding.sampling import check_length, sample_uniformly
from vigil.plumbing.errors import FieldError


@given(num=st.integers(1, 300), samples=st.integers(1, 40))
def test_samples_lie_in_order_within_their_window(num: int, samples: int) -> None:
    found = sample_uniformly(num, samples, "repeat_last")
    assert found.shape == (samples,)
    assert found.dtype == np.int64
    assert found.min() >= 0
    assert found.max() <= num - 1
    assert (np.diff(found) >= 0).all()
    if num >= samples:
        assert len(np.unique(found)) == found.size
        assert np.array_equal(found, sample_uniformly(num, samples, "error"))
        if samples > 1:
            assert (found[0], found[-1]) == (0, num - 1)
            assert np.ptp(np.diff(found)) <= 1  # evenly


@pytest.mark.parametrize("num", [8, 16, 31, 32, 33, 64, 300])
def test_samples_are_those_of_pytorchvideo(num: int) -> None:
    """`torch.linspace(0, num - 1, samples)` cut to whole numbers, here by exact fractions."""
    for samples in (2, 4, 8):
        expected = [step * (num - 1) // (samples - 1) for step in range(samples)]
        assert sample_uniformly(num, samples, "error").tolist() == expected


def test_the_figure_in_the_docstring() -> None:
    assert sample_uniformly(7, 4, "error").tolist() == [0, 2, 4, 6]


def test_a_short_window_repeats_its_last_frame_or_is_refused() -> None:
    assert sample_uniformly(3, 5, "repeat_last").tolist() == [0, 1, 2, 2, 2]
    assert sample_uniformly(1, 3, "repeat_last").tolist() == [0, 0, 0]
    told = (
        r"^short_clips: expected windows of at least 5 frames, got one of 3; repeat_last takes it$"
    )
    with pytest.raises(FieldError, match=told):
        sample_uniformly(3, 5, "error")


@pytest.mark.parametrize(("num", "needed", "refused"), [(0, 1, True), (4, 5, True), (5, 5, False)])
def test_only_what_is_short_is_refused(num: int, needed: int, refused: bool) -> None:
    check_length(num, needed, "repeat_last")
    if refused:
        with pytest.raises(FieldError) as error:
            check_length(num, needed, "error")
        assert error.value.field == "short_clips"
    else:
        check_length(num, needed, "error")
