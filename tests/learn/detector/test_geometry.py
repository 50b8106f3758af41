"""Encoding, assignment and suppression, against slow and plain ways to do the same."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchvision.ops import box_iou, nms

from vigil.learn.detector.network import anchor, grid
from vigil.learn.detector.network.cells import cell_centres, is_covered
from vigil.learn.detector.network.interface import best_candidates
from vigil.learn.detector.network.matching import NEGATIVE, UNCOUNTED, match_anchors
from vigil.learn.detector.network.suppression import soften, suppress
from vigil.learn.detector.network.tensors import Candidates, Objects, Truth, pad_objects
from vigil.learn.detector.training.anchor_sizes import cluster_sizes
from vigil.plumbing.errors import InputError
from vigil.settings.suppression import DEFAULT, Suppression

seeds = st.integers(0, 2**31)


def random_boxes(num: int, seed: int, side: float = 100.0, least: float = 2.0) -> Tensor:
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, side - least, (num, 2))
    size = rng.uniform(least, side / 2, (num, 2))
    boxes = np.concatenate([corner, np.minimum(corner + size, side)], axis=1)
    return torch.tensor(boxes, dtype=torch.float32)


def truth_of(*pictures: Tensor, ignored: int = 0) -> Truth:
    """The first `ignored` boxes of each picture are to be ignored."""
    return pad_objects(
        [
            Objects(
                boxes,
                torch.zeros(len(boxes), dtype=torch.int64),
                torch.arange(len(boxes)) < ignored,
            )
            for boxes in pictures
        ]
    )


@given(seeds, st.sampled_from([8, 16, 32]))
def test_a_cell_decodes_what_it_encodes(seed: int, stride: int):
    boxes = random_boxes(50, seed)
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    offset = torch.empty(50, 2).uniform_(-0.95, 0.95)
    centres = middle + offset * stride
    decoded = grid.decode(grid.encode(boxes, centres, stride), centres, stride)
    assert (decoded - boxes).abs().max() < 1e-4


@given(seeds)
def test_an_anchor_decodes_what_it_encodes(seed: int):
    boxes, anchors = random_boxes(50, seed, side=480.0), random_boxes(50, seed + 1, side=480.0)
    decoded = anchor.decode(anchor.encode(boxes, anchors), anchors)
    assert (decoded - boxes).abs().max() < 1e-4


def test_the_decoding_is_the_published_one():
    centres = cell_centres((2, 3), 16, torch.device("cpu"))
    assert centres.tolist()[0] == [8, 8]
    assert centres.tolist()[5] == [40, 24]  # third column, second row
    encoded = torch.tensor([0.3, -0.2, 0.5, 1.0])
    x1, y1, x2, y2 = grid.decode(encoded, centres[5], 16).tolist()
    xc = 16 * (np.tanh(0.3) + 2 + 0.5)
    yc = 16 * (np.tanh(-0.2) + 1 + 0.5)
    w, h = 16 * np.exp(0.5), 16 * np.exp(1.0)
    assert np.allclose([x1, y1, x2, y2], [xc - w / 2, yc - h / 2, xc + w / 2, yc + h / 2])


def test_anchors_stand_around_cells_in_the_order_of_the_head():
    shapes = anchor.anchor_shapes([10, 20], [0.5, 2.0])
    assert torch.allclose(shapes.prod(1), torch.tensor([100.0, 100, 400, 400]))
    assert torch.allclose(shapes[:, 1] / shapes[:, 0], torch.tensor([0.5, 2, 0.5, 2]))
    placed = anchor.place_anchors(shapes, (2, 3), 8)
    middle = (placed[:, :2] + placed[:, 2:]) / 2
    assert placed.shape == (2 * 3 * 4, 4)
    assert middle[4].tolist() == [12, 4]
    assert torch.allclose(placed[4:8, 2:] - placed[4:8, :2], shapes)


def assign_slowly(anchors: Tensor, boxes: Tensor, positive: float, negative: float) -> Tensor:
    """One anchor after the other; then each object in turn claims its best anchor."""
    iou = box_iou(boxes, anchors)
    owner = torch.full((len(anchors),), NEGATIVE)
    for number in range(len(anchors)):
        best = float(iou[:, number].max())
        if best >= positive:
            owner[number] = int(iou[:, number].argmax())
        elif best >= negative:
            owner[number] = UNCOUNTED
    taken: set[int] = set()
    waiting = set(range(len(boxes)))
    while waiting:
        claims = []
        for own in waiting:
            free = [number for number in range(len(anchors)) if number not in taken]
            best = max(free, key=lambda number, own=own: float(iou[own, number]))
            claims.append((float(iou[own, best]), own, best))
        strongest: dict[int, tuple[float, int]] = {}
        for strength, own, number in claims:
            strongest[number] = max(strongest.get(number, (-1.0, -1)), (strength, own))
        for number, (_, own) in strongest.items():
            owner[number] = own
            taken.add(number)
            waiting.discard(own)
    return owner


@given(seeds, st.integers(1, 8))
@settings(max_examples=40, deadline=None)
def test_assignment_equals_the_slow_way(seed: int, num_boxes: int):
    anchors = anchor.place_anchors(anchor.anchor_shapes([12, 30], [0.5, 2]), (10, 10), 10)
    pictures = [random_boxes(num_boxes, seed), random_boxes(max(1, num_boxes - 3), seed + 1)]
    owners = match_anchors(anchors, truth_of(*pictures), 0.5, 0.4)
    for boxes, owner in zip(pictures, owners, strict=True):
        assert owner.tolist() == assign_slowly(anchors, boxes, 0.5, 0.4).tolist()


@given(seeds, st.integers(1, 12))
@settings(deadline=None)
def test_every_object_keeps_an_anchor(seed: int, num_boxes: int):
    """Also tiny ones between anchors, and several at the very same place."""
    anchors = anchor.place_anchors(anchor.anchor_shapes([4], [1]), (10, 10), 10)
    boxes = random_boxes(num_boxes, seed, least=0.1)
    boxes = torch.cat([boxes, boxes[:2], boxes[:1] + torch.tensor([0, 0, 1e-3, 1e-3])])
    owner = match_anchors(anchors, truth_of(boxes), 0.5, 0.4)[0]
    assert set(owner[owner >= 0].tolist()) == set(range(len(boxes)))


def test_no_object_makes_all_anchors_background():
    anchors = anchor.place_anchors(anchor.anchor_shapes([12], [1]), (4, 4), 10)
    assert (match_anchors(anchors, truth_of(torch.zeros(0, 4)), 0.5, 0.4) == NEGATIVE).all()
    with_one = match_anchors(anchors, truth_of(torch.zeros(0, 4), anchors[:1]), 0.5, 0.4)
    assert (with_one[0] == NEGATIVE).all()
    assert with_one[1, 0] == 0


def test_anchors_in_ignored_boxes_do_not_count():
    anchors = anchor.place_anchors(anchor.anchor_shapes([10], [1]), (4, 4), 10)
    owner = match_anchors(anchors, truth_of(torch.tensor([[0.0, 0, 20, 40]]), ignored=1), 0.5, 0.4)
    assert (owner.view(4, 4)[:, :2] == UNCOUNTED).all()
    assert (owner.view(4, 4)[:, 2:] == NEGATIVE).all()


def test_a_cell_owns_the_object_whose_centre_is_in_it():
    centres = cell_centres((4, 4), 10, torch.device("cpu"))
    truth = truth_of(torch.tensor([[2.0, 2, 8, 8], [20, 20, 39, 39]]))
    owner, ignored = grid.assign_cells(centres, 10, 0.5, truth), is_covered(centres, truth)
    expected = torch.full((4, 4), -1)
    expected[0, 0] = 0
    expected[2, 2] = 1  # its centre, 29.5, lies in the third cell
    assert (owner[0].view(4, 4) == expected).all()
    assert not ignored.any()


@given(seeds, st.integers(1, 6))
@settings(deadline=None)
def test_cells_further_away_never_take_an_objects_own_cell(seed: int, num_boxes: int):
    centres = cell_centres((10, 10), 10, torch.device("cpu"))
    boxes = random_boxes(num_boxes, seed)
    truth = truth_of(boxes)
    wide = grid.assign_cells(centres, 10, 0.95, truth)
    own = grid.assign_cells(centres, 10, 0.5, truth)
    assert (wide[own >= 0] == own[own >= 0]).all()
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    for cell in (wide[0] >= 0).nonzero().flatten():
        distance = (middle[wide[0, cell]] - centres[cell]).abs().max()
        assert distance <= 9.5 + 1e-3


def test_cells_in_ignored_boxes_do_not_count():
    centres = cell_centres((4, 4), 10, torch.device("cpu"))
    truth = truth_of(torch.tensor([[0.0, 0, 20, 40]]), ignored=1)
    owner, ignored = grid.assign_cells(centres, 10, 0.95, truth), is_covered(centres, truth)
    assert (owner == -1).all()
    assert ignored.view(4, 4)[:, :2].all()
    assert not ignored.view(4, 4)[:, 2:].any()


def test_cells_without_any_object():
    centres = cell_centres((4, 4), 10, torch.device("cpu"))
    nothing = truth_of(torch.zeros(0, 4))
    owner, ignored = grid.assign_cells(centres, 10, 0.95, nothing), is_covered(centres, nothing)
    assert (owner == -1).all()
    assert not ignored.any()


def told(**changes: object) -> Suppression:
    return Suppression(**{**DEFAULT.model_dump(), **changes})


def candidates(seed: int, num: int, num_classes: int) -> Candidates:
    rng = np.random.default_rng(seed)
    scores = torch.tensor(rng.permutation(num) / num, dtype=torch.float32)
    labels = torch.tensor(rng.integers(0, num_classes, num))
    return Candidates(random_boxes(num, seed), scores, labels)


@given(seeds, st.integers(0, 40), st.integers(1, 3))
@settings(deadline=None)
def test_hard_suppression_is_nms_in_each_class(seed: int, num: int, num_classes: int):
    found = candidates(seed, num, num_classes)
    kept = suppress(found, told(method="hard", iou=0.4, min_score=0.0, max_boxes=100))
    expected = set()
    for label in range(num_classes):
        own = (found.labels == label).nonzero().flatten()
        expected |= set(own[nms(found.boxes[own], found.scores[own], 0.4)].tolist())
    assert {found.scores.tolist().index(score) for score in kept.scores.tolist()} == expected
    assert kept.scores.tolist() == sorted(kept.scores.tolist(), reverse=True)


def soften_slowly(found: Candidates, sigma: float) -> list[float]:
    scores = found.scores.tolist()
    waiting = set(range(len(scores)))
    while waiting:
        best = max(waiting, key=lambda number: (scores[number], -number))
        waiting.discard(best)
        for other in waiting:
            if found.labels[other] == found.labels[best]:
                overlap = float(box_iou(found.boxes[best][None], found.boxes[other][None]))
                scores[other] *= float(np.exp(-(overlap**2) / sigma))
    return scores


@given(seeds, st.integers(1, 15))
@settings(max_examples=30, deadline=None)
def test_soft_suppression_equals_the_paper_written_out(seed: int, num: int):
    found = candidates(seed, num, 2)
    softened = soften(found.boxes, found.scores, found.labels, 0.5)
    assert np.allclose(softened.tolist(), soften_slowly(found, 0.5), atol=1e-5)


def test_suppression_keeps_scores_and_numbers_in_bounds():
    found = candidates(0, 40, 1)
    for method in ("hard", "soft"):
        kept = suppress(found, told(method=method, iou=1.0, min_score=0.3, max_boxes=5))
        assert len(kept.scores) == 5
        assert (kept.scores >= 0.3).all()


def test_candidates_are_the_best_pairs_of_box_and_class_within_the_picture():
    boxes = torch.tensor([[[-5.0, -5, 10, 10], [50, 50, 200, 60], [300, 0, 310, 5]]])
    scores = torch.tensor([[[0.1, 0.9], [0.8, 0.2], [0.7, 0.0]]])
    (found,) = best_candidates(boxes, scores, (100, 100))
    assert found.scores.tolist() == pytest.approx([0.9, 0.8, 0.2, 0.1])
    assert found.labels.tolist() == [1, 0, 1, 0]
    assert found.boxes[0].tolist() == [0, 0, 10, 10]
    assert found.boxes[1].tolist() == [50, 50, 100, 60]  # the third lies outside


def test_anchor_sizes_are_the_middles_of_the_groups_that_boxes_fall_into():
    groups = [(10, 40), (40, 160), (100, 100)]  # of the sizes 20, 80 and 100
    boxes = np.repeat(np.array(groups, float), [5, 9, 2], axis=0)
    assert cluster_sizes(boxes, 3, seed=0) == (20.0, 80.0, 100.0)
    assert cluster_sizes(boxes[::-1], 3, seed=1) == (20.0, 80.0, 100.0)
    (one,) = cluster_sizes(boxes[5:14], 1, seed=0)
    assert one == 80.0


def test_more_anchor_sizes_than_boxes_have_are_refused():
    boxes = np.array([(10, 40), (40, 10), (20, 20.0), (30, 30)])
    expected = r"^anchor\.num_sizes: expected training boxes of at least 3 different sizes, found 2"
    with pytest.raises(InputError, match=expected):
        cluster_sizes(boxes, 3, seed=0)
