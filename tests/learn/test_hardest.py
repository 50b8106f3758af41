"""Only the largest losses count, of positives and negatives apart."""

import math

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional
from torchvision.ops import sigmoid_focal_loss

from vigil.learn.networks.order import hardest

LOGITS = st.lists(st.floats(-6, 6, width=32), max_size=30)


@given(LOGITS, st.randoms(), st.sampled_from([0.05, 0.3, 0.5, 0.9, 1.0]), st.booleans())
def test_what_counts_has_the_largest_losses(
    values: list[float], random: object, fraction: float, is_focal: bool
) -> None:
    logits = torch.tensor(values, dtype=torch.float64)
    targets = torch.tensor([random.random() < 0.4 for _ in values], dtype=torch.float64)
    loss = sigmoid_focal_loss if is_focal else functional.binary_cross_entropy_with_logits
    losses = loss(logits, targets, reduction="none")
    chosen = hardest(logits, targets > 0.5, fraction)
    for kind in (targets > 0.5, targets <= 0.5):
        number = math.ceil(fraction * int(kind.sum()) - 1e-9)
        assert int((chosen & kind).sum()) == number
        if number and number < int(kind.sum()):
            assert losses[chosen & kind].min() >= losses[~chosen & kind].max() - 1e-12


def test_of_equal_losses_the_first_count() -> None:
    logits = torch.tensor([1.0, 0.0, 0.0, 0.0, 0.0])
    is_positive = torch.tensor([False, True, True, False, False])
    assert hardest(logits, is_positive, 0.5).tolist() == [True, True, False, True, False]


def test_it_has_no_gradient_and_takes_nothing() -> None:
    logits = torch.zeros(0, requires_grad=True)
    assert hardest(logits, torch.zeros(0, dtype=torch.bool), 0.5).tolist() == []
