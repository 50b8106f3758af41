"""Decoding and suppression with numpy against the networks' own, which use torch."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_detectors import SIZE_WH, config_of

from vigil.learn.detector.export.graph import graph_of
from vigil.learn.detector.network.registry import build_detector
from vigil.learn.detector.network.suppression import suppress as suppress_by_torch
from vigil.learn.detector.network.tensors import Candidates as TorchCandidates
from vigil.runtime.decoding import (
    MAX_CANDIDATES,
    Candidates,
    best_candidates,
    decode_outputs,
    places_of,
    read_maps,
)
from vigil.runtime.suppression import StoredRule, suppress
from vigil.settings.suppression import DEFAULT

NETWORKS = [
    ("grid", {}),
    ("grid", {"strides": [8, 16], "neck": "fpn"}),
    ("anchor", {}),
    ("anchor", {"strides": [8, 16], "neck": "fpn"}),
    ("yolox_nano", {}),
]


def rule(**changes: object) -> StoredRule:
    return StoredRule(**(DEFAULT.model_dump() | changes))


@pytest.mark.parametrize(("architecture", "features"), NETWORKS)
@pytest.mark.parametrize("size_wh", [SIZE_WH, (72, 50)])  # the second is no multiple of a stride
def test_outputs_are_decoded_as_by_the_network(
    architecture: str, features: dict, size_wh: tuple[int, int]
):
    """Boxes differ by rounding alone: at most 1e-3 px and 1e-6 in their scores."""
    torch.manual_seed(0)
    network = build_detector(architecture, config_of(architecture, 3, **features)).eval()
    for one in network.modules():  # places that differ, and boxes of many sizes
        if isinstance(one, torch.nn.Conv2d) and one.bias is not None:
            torch.nn.init.normal_(one.bias, std=0.5)
    pictures = torch.randint(0, 256, (3, 3, size_wh[1], size_wh[0]), dtype=torch.uint8)
    graph = graph_of(network, architecture)
    decoding = graph.decoding(pictures[:1])
    with torch.no_grad():
        expected = network.candidates(pictures)
        outputs = graph(pictures).numpy()
    places = places_of(read_maps(decoding))
    found = decode_outputs(outputs, decoding["kind"], places, size_wh, 0.0)
    for one, other in zip(found, expected, strict=True):
        assert len(one.boxes) == len(other.boxes) > 50
        np.testing.assert_allclose(one.scores, other.scores.numpy(), atol=1e-6, rtol=0)
        # Scores that differ in their last bit may come in the other order.
        mine = np.lexsort((*one.boxes.T.round(2), one.labels))
        theirs = np.lexsort((*other.boxes.numpy().T.round(2), other.labels.numpy()))
        np.testing.assert_allclose(
            np.sort(one.boxes[mine].sum(1)), np.sort(other.boxes.numpy()[theirs].sum(1)), atol=4e-3
        )


def test_an_exported_graph_of_a_network_that_decodes_itself_is_refused():
    network = build_detector(
        "ssdlite320_mobilenet_v3_large", config_of("ssdlite320_mobilenet_v3_large")
    )
    with pytest.raises(Exception, match="expected grid, anchor or a yolox network to export"):
        graph_of(network, "ssdlite320_mobilenet_v3_large")


@st.composite
def boxes_of_one_picture(draw: st.DrawFn) -> Candidates:
    """Whole corners and few scores, so that overlaps and scores are often equal."""
    num = draw(st.integers(0, 30))
    numbers = st.integers(0, 8)
    corners = [
        [x, y, x + draw(st.integers(1, 8)), y + draw(st.integers(1, 8))]
        for x, y in (draw(st.tuples(numbers, numbers)) for _ in range(num))
    ]
    scores = sorted((draw(st.integers(0, 10)) / 10 for _ in range(num)), reverse=True)
    labels = [draw(st.integers(0, 2)) for _ in range(num)]
    return Candidates(
        np.array(corners, np.float32).reshape(-1, 4),
        np.array(scores, np.float32),
        np.array(labels, np.int64),
    )


@settings(max_examples=150, deadline=None)
@given(
    candidates=boxes_of_one_picture(),
    method=st.sampled_from(["hard", "soft"]),
    iou=st.sampled_from([0.0, 0.25, 0.5, 0.7, 1.0]),
    min_score=st.sampled_from([0.0, 0.1, 0.5]),
    max_boxes=st.sampled_from([1, 5, 100]),
)
def test_suppression_keeps_what_torch_keeps(
    candidates: Candidates, method: str, iou: float, min_score: float, max_boxes: int
):
    chosen = rule(method=method, iou=iou, min_score=min_score, max_boxes=max_boxes)
    mine = suppress(candidates, chosen)
    theirs = suppress_by_torch(
        TorchCandidates(*(torch.from_numpy(part) for part in candidates)),
        DEFAULT.model_copy(update=chosen._asdict()),
    )
    if method == "hard":
        np.testing.assert_array_equal(mine.boxes, theirs.boxes.numpy())
        np.testing.assert_array_equal(mine.scores, theirs.scores.numpy())
        np.testing.assert_array_equal(mine.labels, theirs.labels.numpy())
    else:  # exp may differ in its last bit, and so may the order of equal scores
        np.testing.assert_allclose(mine.scores, theirs.scores.numpy(), atol=1e-6)


def test_of_equal_scores_the_earlier_place_comes_first_and_the_best_are_kept():
    num = MAX_CANDIDATES + 50
    boxes = np.tile(np.array([[1, 2, 30, 40]], np.float32), (num, 1))
    boxes[:, 0] += np.arange(num) / num
    scores = np.full((num, 2), 0.5, np.float32)
    scores[num - 1, 1] = 0.9
    found = best_candidates(boxes, scores, SIZE_WH, 0.1)
    assert len(found.boxes) == MAX_CANDIDATES
    assert found.labels[:4].tolist() == [1, 0, 1, 0]
    np.testing.assert_array_equal(found.boxes[0], boxes[num - 1])
    np.testing.assert_array_equal(found.boxes[1:4], boxes[[0, 0, 1]])


def test_boxes_outside_the_canvas_are_left_out_and_others_are_clipped():
    boxes = np.array([[-9, -9, -1, -1], [-5, 2, 6, 900], [200, 3, 210, 9]], np.float32)
    found = best_candidates(boxes, np.full((3, 1), 0.5, np.float32), SIZE_WH, 0.1)
    np.testing.assert_array_equal(found.boxes, [[0, 2, 6, SIZE_WH[1]]])


def test_logits_of_any_size_give_scores_within_bounds():
    outputs = np.full((1, 2, 6), 1e4, np.float32)
    outputs[0, 1] = -1e4
    places = np.array([[8, 8, 16], [24, 8, 16]], np.float32)
    with np.errstate(all="raise", under="ignore"):
        (found,) = decode_outputs(outputs, "grid", places, SIZE_WH, 0.0)
    assert found.scores.max() == 1
    assert found.scores.min() >= 0
