"""SimOTA against a plain loop over pictures, objects and places."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.ops import box_iou

from vigil.learn.detector.network.cells import cells_of, is_of_level
from vigil.learn.detector.network.overlaps import matched_iou, pairwise_iou
from vigil.learn.detector.network.simota import FAR_COST, NUM_BEST, assign_simota
from vigil.learn.detector.network.tensors import Objects, Truth, pad_objects


def drawn(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, Truth]:
    rng = np.random.default_rng(seed)
    num_places = int(rng.integers(3, 40))

    def boxes(num: int) -> torch.Tensor:
        corner = rng.uniform(0, 60, (num, 2))
        return torch.tensor(np.hstack([corner, corner + rng.uniform(5, 40, (num, 2))])).float()

    pictures = [
        Objects(
            boxes(num), torch.tensor(rng.integers(0, 3, num)), torch.tensor(rng.random(num) < 0.2)
        )
        for num in rng.integers(0, 6, 3).tolist()
    ]
    truth = pad_objects(pictures)
    most = truth.boxes.shape[1]
    said = torch.stack([boxes(num_places) for _ in range(3)])
    scores = torch.tensor(rng.uniform(0.01, 0.99, (3, num_places, 3))).float()
    is_candidate = torch.tensor(rng.random((3, most, num_places)) < 0.6)
    is_preferred = torch.tensor(rng.random((3, most, num_places)) < 0.5)
    return said, scores, is_candidate, is_preferred, truth


def looped(said, scores, is_candidate, is_preferred, truth) -> list[list[int]]:
    owners = []
    for b in range(len(said)):
        wants: dict[int, list[tuple[float, int]]] = {}
        for m in range(truth.boxes.shape[1]):
            if not truth.is_object[b, m]:
                continue
            places = is_candidate[b, m].nonzero()[:, 0].tolist()
            costs, overlaps = {}, []
            for a in places:
                iou = float(box_iou(truth.boxes[b, m][None], said[b, a][None]))
                target = torch.nn.functional.one_hot(truth.labels[b, m], scores.shape[2]).float()
                entropy = torch.nn.functional.binary_cross_entropy(
                    scores[b, a], target, reduction="sum"
                )
                far = 0.0 if is_preferred[b, m, a] else FAR_COST
                costs[a] = float(entropy) - 3 * float(np.log(iou + 1e-8)) + far
                overlaps.append(iou)
            k = max(1, int(sum(sorted(overlaps, reverse=True)[:NUM_BEST])))
            for a in sorted(costs, key=costs.get)[:k]:
                wants.setdefault(a, []).append((costs[a], m))
        owners.append([min(wants[a])[1] if a in wants else -1 for a in range(said.shape[1])])
    return owners


@given(st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_places_go_to_objects_as_by_a_loop(seed: int):
    given_ = drawn(seed)
    owner, quality = assign_simota(*given_)
    assert owner.tolist() == looped(*given_)
    said, truth = given_[0], given_[4]
    for b, a in (owner >= 0).nonzero().tolist():
        own = truth.boxes[b, owner[b, a]]
        assert float(quality[b, a]) == pytest.approx(
            float(box_iou(own[None], said[b, a][None])), abs=1e-5
        )
    assert (quality[owner < 0] == 0).all()


def test_overlaps_are_torchvisions():
    said, *_, truth = drawn(5)
    for one, other, found in zip(truth.boxes, said, pairwise_iou(truth.boxes, said), strict=True):
        assert torch.allclose(box_iou(one, other), found, atol=1e-6)
    same = matched_iou(said[0], said[1])
    assert torch.allclose(same, box_iou(said[0], said[1]).diagonal(), atol=1e-6)


def test_an_object_is_of_the_finest_map_that_is_coarse_enough():
    sides = [10.0, 64.0, 65.0, 128.0, 129.0, 5000.0]
    boxes = torch.tensor([[0.0, 0.0, 4.0, side] for side in sides])
    truth = pad_objects(
        [Objects(boxes, torch.zeros(6, dtype=torch.int64), torch.zeros(6, dtype=torch.bool))]
    )
    places = cells_of([(2, 1), (1, 1), (1, 1)], (8, 16, 32), torch.device("cpu"))
    levels = is_of_level(places[:, 2], truth)[0]
    assert [row.nonzero()[:, 0].tolist() for row in levels] == [[0, 1], [0, 1], [2], [2], [3], [3]]
