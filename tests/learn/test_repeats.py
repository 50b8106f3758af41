"""Hard examples in an epoch: repeated, shuffled, and augmented anew each time."""

from collections import Counter

import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_detectors import build
from tiny_settings import shipped

from vigil.learn.classifier.training.module import ClassifierTraining
from vigil.learn.detector.network.tensors import Truth
from vigil.learn.networks.order import EpochSampler
from vigil.learn.pictures.epoch_keys import EpochKeys
from vigil.settings.train_classifier import TrainClassifier
from vigil.settings.train_detector import TrainDetector


@given(st.integers(1, 20), st.lists(st.integers(0, 5), max_size=8), st.integers(0, 3))
def test_an_epoch_has_each_position_once_and_the_repeats(
    number: int, repeats: list[int], epoch: int
) -> None:
    repeats = [position for position in repeats if position < number]
    sampler = EpochSampler(number, 3, repeats)
    sampler.set_epoch(epoch)
    order = list(sampler)
    assert Counter(order) == Counter([*range(number), *repeats])
    assert len(sampler) == len(order)
    keys = EpochKeys(number, 3, repeats)
    keys.set_epoch(epoch)
    found = list(keys)
    assert len(set(found)) == len(found) == len(keys), "no key twice: each is augmented anew"
    assert [position for _, position in found] == order
    first = {position for at, position in found if at == epoch}
    assert first == set(range(number)), "each position is augmented once as without repeats"


def test_trainings_without_hard_examples_have_the_parameters_that_they_had() -> None:
    for section in (TrainClassifier, TrainDetector):
        used = shipped(section).used()
        assert not {"hard_examples", "ohem_fraction"} & used.keys()
        used = shipped(section, **{"hard_examples.repeat": 2, "ohem_fraction": 0.5}).used()
        assert {"hard_examples", "ohem_fraction"} <= used.keys()


def test_half_of_the_classifiers_batch_counts() -> None:
    logits = torch.tensor([3.0, -3.0, 2.0, -2.0], requires_grad=True)
    targets = torch.tensor([1.0, 1.0, 0.0, 0.0])
    shapes = {"label_smoothing": 0.0, "ohem_fraction": 0.5}
    training = ClassifierTraining(torch.nn.Identity(), shipped(TrainClassifier, **shapes))
    training._augmentation = torch.nn.Identity()
    training.log_dict = lambda *_, **__: None
    loss = training.training_step((logits, targets), 0)
    loss.backward()
    assert (logits.grad != 0).tolist() == [False, True, True, False]
    expected = torch.nn.functional.softplus(torch.tensor([3.0, 2.0])).mean()
    torch.testing.assert_close(loss.detach(), expected)


def test_the_hardest_places_of_a_detector_count_in_training_alone() -> None:
    torch.manual_seed(0)
    detector = build("grid").train()
    pictures = torch.randint(0, 255, (2, 3, 64, 64), dtype=torch.uint8)
    boxes = torch.tensor([[[8.0, 8.0, 30.0, 50.0]], [[20.0, 10.0, 40.0, 60.0]]])
    objects = torch.ones(2, 1, dtype=torch.bool)
    truth = Truth(boxes, torch.zeros(2, 1, dtype=torch.int64), objects, ~objects)
    everything = detector.losses(pictures, truth)
    detector.ohem_fraction = 0.1
    hard = detector.losses(pictures, truth)
    assert 0 < hard["objectness"] < everything["objectness"]
    for name in ("box", "class"):
        torch.testing.assert_close(hard[name], everything[name])
    detector.eval()
    measured = detector.losses(pictures, truth)
    detector.ohem_fraction = 1.0
    torch.testing.assert_close(measured, detector.losses(pictures, truth))
