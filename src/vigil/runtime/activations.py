"""Logits to scores in [0, 1], with numpy alone."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


def sigmoid(logits: Floats) -> Floats:
    """The score of each logit on its own."""
    # exp of a negative number cannot overflow.
    decay = np.exp(-np.abs(logits))
    return np.where(logits >= 0, 1 / (1 + decay), decay / (1 + decay)).astype(np.float32)


def softmax(logits: Floats) -> Floats:
    """(..., C, H, W) logits to scores whose sum over the classes is 1."""
    powers = np.exp(logits - logits.max(axis=-3, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-3, keepdims=True), np.float32)
