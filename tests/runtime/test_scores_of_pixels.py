"""The numpy of exported segmenters against torch."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from vigil.runtime.activations import sigmoid, softmax
from vigil.runtime.segmenter import enlarge

sides = st.integers(1, 70)


@given(st.integers(1, 6), st.floats(0, 200), st.integers(0, 999))
def test_scores_of_logits_are_those_of_torch(num_classes: int, scale: float, seed: int):
    """Of huge logits, too."""
    noise = np.random.default_rng(seed).normal(size=(2, num_classes, 3, 4))
    logits = (noise * scale).astype(np.float32)
    given_to_torch = torch.from_numpy(logits)
    exclusive = softmax(logits)
    np.testing.assert_allclose(exclusive, given_to_torch.softmax(dim=1).numpy(), atol=1e-6)
    np.testing.assert_allclose(exclusive.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(softmax(logits[0]), exclusive[0], atol=0)
    np.testing.assert_allclose(sigmoid(logits), given_to_torch.sigmoid().numpy(), atol=1e-6)
    assert exclusive.dtype == sigmoid(logits).dtype == np.float32


@given(sides, sides, sides, sides, st.integers(1, 7))
def test_scores_are_enlarged_and_reduced_as_by_torch(
    height: int, width: int, new_height: int, new_width: int, num_classes: int
):
    """Without a filter, even where the map becomes smaller."""
    scores = np.random.default_rng(0).random((num_classes, height, width), np.float32)
    size_hw = (new_height, new_width)
    found = enlarge(scores, (new_width, new_height))
    expected = functional.interpolate(torch.from_numpy(scores)[None], size_hw, mode="bilinear")
    assert found.shape == (num_classes, *size_hw)
    np.testing.assert_allclose(found, expected[0].numpy(), atol=1e-4)
