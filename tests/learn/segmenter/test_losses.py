"""Losses of pixels against cases computed by hand."""

import math

import pytest
import torch
from torch.nn import functional

from vigil.learn.segmenter.network.interface import IGNORED
from vigil.learn.segmenter.training.losses import binary_cross_entropy, cross_entropy, dice


def sure(truth: torch.Tensor, num_classes: int, height: float = 40.0) -> torch.Tensor:
    """Logits that name the true class almost surely."""
    classes = truth.where(truth != IGNORED, 0)
    return height * (2 * functional.one_hot(classes, num_classes).permute(0, 3, 1, 2).float() - 1)


TRUTH = torch.tensor([[[0, 0, 1], [1, 2, IGNORED]]])


@pytest.mark.parametrize("loss", [cross_entropy, binary_cross_entropy])
def test_right_and_sure_costs_nothing(loss):
    assert float(loss(sure(TRUTH, 3), TRUTH)) == pytest.approx(0, abs=1e-6)
    assert float(dice(sure(TRUTH, 3), TRUTH)) == pytest.approx(0, abs=1e-6)


def test_equal_scores_cost_what_they_should():
    logits = torch.zeros(1, 3, 2, 3)
    assert float(cross_entropy(logits, TRUTH)) == pytest.approx(math.log(3))
    assert float(binary_cross_entropy(logits, TRUTH)) == pytest.approx(3 * math.log(2))
    # class 0: 2 pixels of 5, each with a score of 1/3: 2 * 2/3 + 1 over 5/3 + 2 + 1
    by_class = [1 - (2 * n / 3 + 1) / (5 / 3 + n + 1) for n in (2, 2, 1)]
    assert float(dice(logits, TRUTH)) == pytest.approx(sum(by_class) / 3)


def test_a_class_that_the_picture_lacks_takes_no_part_in_dice():
    truth = torch.tensor([[[0, 0], [1, 1]], [[0, 0], [0, 0]]])
    logits = torch.randn(2, 3, 2, 2, generator=torch.Generator().manual_seed(4))
    scores = logits.softmax(dim=1)

    def cost(picture: int, number: int) -> float:
        score, mask = scores[picture, number], truth[picture] == number
        shared = float((score * mask).sum())
        return 1 - (2 * shared + 1) / float(score.sum() + mask.sum() + 1)

    first, second = (cost(0, 0) + cost(0, 1)) / 2, cost(1, 0)
    assert float(dice(logits, truth)) == pytest.approx((first + second) / 2)
    weights = torch.tensor([1.0, 3.0, 7.0])
    first = (cost(0, 0) + 3 * cost(0, 1)) / 4
    assert float(dice(logits, truth, weights)) == pytest.approx((first + second) / 2)


def test_two_empty_masks_agree():
    """A class that neither the truth nor the scores have costs nothing."""
    truth = torch.zeros(1, 4, 4, dtype=torch.int64)
    independent = torch.stack([torch.full((1, 4, 4), 90.0), torch.full((1, 4, 4), -90.0)], dim=1)
    assert float(dice(independent, truth, are_independent=True)) == pytest.approx(0, abs=1e-6)


def test_dice_is_that_of_each_picture_whatever_the_batch():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 2, 5, 4, generator=generator)
    truth = torch.randint(2, (3, 5, 4), generator=generator)
    one_by_one = [float(dice(logits[n : n + 1], truth[n : n + 1])) for n in range(3)]
    assert float(dice(logits, truth)) == pytest.approx(sum(one_by_one) / 3)


@pytest.mark.parametrize("loss", [cross_entropy, binary_cross_entropy, dice])
def test_ignored_pixels_change_nothing(loss):
    logits = torch.randn(1, 3, 2, 3, generator=torch.Generator().manual_seed(1))
    other = logits.clone()
    other[0, :, 1, 2] = 77.0
    assert float(loss(logits, TRUTH)) == pytest.approx(float(loss(other, TRUTH)), abs=1e-6)
    nothing = torch.full_like(TRUTH, IGNORED)
    logits.requires_grad_()
    if loss is not dice:
        assert float(loss(logits, nothing).detach()) == 0
    loss(logits, nothing).backward()
    assert torch.isfinite(logits.grad).all()


def test_weights_count_by_the_true_class_as_in_torch():
    logits = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(2))
    truth = torch.randint(3, (2, 4, 4), generator=torch.Generator().manual_seed(3))
    weights = torch.tensor([1.0, 5.0, 0.5])
    expected = functional.cross_entropy(logits, truth, weights)
    assert float(cross_entropy(logits, truth, weights)) == pytest.approx(float(expected))


def test_the_hardest_pixels_alone_count():
    logits = torch.zeros(1, 2, 1, 4)
    logits[0, 1, 0] = torch.tensor([-3.0, -1.0, 0.5, 2.0])
    truth = torch.tensor([[[0, 0, 0, IGNORED]]])
    losses = functional.softplus(torch.tensor([-3.0, -1.0, 0.5]))
    assert float(cross_entropy(logits, truth, fraction=0.34)) == pytest.approx(
        float(losses[1:].mean())
    )
    assert float(cross_entropy(logits, truth, fraction=0.1)) == pytest.approx(float(losses[2]))
    assert float(cross_entropy(logits, truth)) == pytest.approx(float(losses.mean()))


@pytest.mark.parametrize("loss", [cross_entropy, binary_cross_entropy, dice])
def test_half_precision_is_computed_in_full(loss):
    logits = 20 * torch.randn(1, 3, 2, 3, generator=torch.Generator().manual_seed(4))
    reduced = loss(logits.bfloat16(), TRUTH)
    assert reduced.dtype == torch.float32
    assert float(reduced) == float(loss(logits.bfloat16().float(), TRUTH))
