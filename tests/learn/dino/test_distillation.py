"""The loss by hand, the head, and the schedules of the teacher."""

import math

import pytest
import torch
from tiny_settings import shipped

from vigil.learn.dino.training.distillation import (
    Head,
    cross_entropy,
    teacher_momentum,
    teacher_temperature,
)
from vigil.settings.train_dino import Distillation, TrainDino


def settings_of(**changes: object) -> Distillation:
    named = {f"distillation.{key}": value for key, value in changes.items()}
    return shipped(TrainDino, **named).distillation


def test_the_loss_by_hand():
    """One picture, two prototypes; views 1 and 2 of the teacher, views 1 to 3 of the student."""
    teacher = torch.tensor([[[0.2, 0.0]], [[0.0, 0.1]]])
    student = torch.tensor([[[0.5, 0.1]], [[0.3, 0.3]], [[0.0, 0.4]]])
    centre = torch.tensor([0.1, 0.0])

    def distribution(scores: list[float], temperature: float) -> list[float]:
        powers = [math.exp(score / temperature) for score in scores]
        return [power / sum(powers) for power in powers]

    targets = [distribution([0.1, 0.0], 0.05), distribution([-0.1, 0.1], 0.05)]
    logs = [
        [math.log(one) for one in distribution(scores, 0.1)]
        for scores in ([0.5, 0.1], [0.3, 0.3], [0.0, 0.4])
    ]
    pairs = [(0, 1), (0, 2), (1, 0), (1, 2)]  # no view with itself
    expected = sum(
        -sum(p * q for p, q in zip(targets[t], logs[v], strict=True)) for t, v in pairs
    ) / len(pairs)
    loss = cross_entropy(student, teacher, centre, 0.1, 0.05)
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_the_loss_of_a_batch_is_the_mean_of_its_pictures():
    torch.manual_seed(0)
    teacher, student, centre = torch.randn(2, 5, 7), torch.randn(4, 5, 7), torch.randn(7)
    whole = cross_entropy(student, teacher, centre, 0.1, 0.04)
    single = [
        cross_entropy(student[:, at : at + 1], teacher[:, at : at + 1], centre, 0.1, 0.04)
        for at in range(5)
    ]
    assert whole.item() == pytest.approx(torch.stack(single).mean().item(), rel=1e-5)


def test_the_centre_takes_away_what_all_pictures_have():
    """Without it, one prototype that is large for all pictures would win everywhere."""
    torch.manual_seed(0)
    teacher, student = torch.randn(2, 5, 7) * 0.1, torch.randn(2, 5, 7)
    offset = torch.zeros(7)
    offset[3] = 9.0
    plain = cross_entropy(student, teacher, torch.zeros(7), 0.1, 0.04)
    moved = cross_entropy(student, teacher + offset, offset, 0.1, 0.04)
    assert moved.item() == pytest.approx(plain.item(), rel=1e-4)
    assert cross_entropy(student, teacher + offset, torch.zeros(7), 0.1, 0.04) != plain


def test_scores_are_cosines():
    torch.manual_seed(0)
    head = Head(6, settings_of(prototypes=5, hidden_width=8, bottleneck_width=4))
    tokens = torch.randn(3, 6)
    scores = head(tokens)
    assert scores.shape == (3, 5)
    vectors = head.layers(tokens)
    expected = torch.nn.functional.cosine_similarity(vectors[:, None], head.prototypes[None], dim=2)
    torch.testing.assert_close(scores, expected)
    head.prototypes.data.mul_(torch.rand(5, 1) + 0.5)
    torch.testing.assert_close(head(tokens), expected)


def test_the_teachers_temperature_rises_and_stays():
    settings = settings_of(first_temperature=0.02, teacher_temperature=0.06, warmup_fraction=0.5)
    told = [teacher_temperature(settings, progress) for progress in (0, 0.25, 0.5, 0.75, 1)]
    assert told == pytest.approx([0.02, 0.04, 0.06, 0.06, 0.06])
    at_once = settings_of(first_temperature=0.02, teacher_temperature=0.06, warmup_fraction=0.0)
    assert teacher_temperature(at_once, 0) == 0.06


def test_the_teacher_keeps_more_and_more_and_stands_still_at_the_end():
    settings = settings_of(momentum=0.9)
    told = [teacher_momentum(settings, progress) for progress in (0, 0.5, 1)]
    assert told == pytest.approx([0.9, 0.95, 1.0])
