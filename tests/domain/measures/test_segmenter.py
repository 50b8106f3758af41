"""Metrics of maps of classes against scikit-learn, by hand, and on sets at the edge."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco
from sklearn.metrics import confusion_matrix, jaccard_score

from vigil.domain.masks.class_map import IGNORED
from vigil.domain.measures.segmenter import (
    SegmentationMeasure,
    boundary,
    confusion_of,
    mean_iou,
)

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
"""pycocotools asks numpy in an old way."""
CLASSES = ("car", "person", "road", "sky")


def draw(seed: int, num_classes: int = 4, ignored: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, num_classes, (13, 17)).astype(np.uint8)
    predicted = rng.integers(0, num_classes, truth.shape).astype(np.uint8)
    truth[rng.random(truth.shape) < ignored] = IGNORED
    return truth, predicted


@given(st.integers(0, 10_000), st.integers(1, 4))
def test_the_confusion_and_the_iou_are_those_of_scikit_learn(seed: int, num_classes: int):
    truth, predicted = draw(seed, num_classes)
    counted = truth != IGNORED
    confusion = confusion_of(truth, predicted, 4)
    assert confusion.dtype == np.int64
    expected = confusion_matrix(truth[counted], predicted[counted], labels=range(4))
    assert (confusion == expected).all()
    occurring = np.unique([*truth[counted], *predicted[counted]])
    by_class = jaccard_score(
        truth[counted], predicted[counted], labels=occurring, average="macro", zero_division=0
    )
    assert mean_iou(confusion) == pytest.approx(by_class)


def test_the_iou_is_that_of_the_whole_set_and_not_the_mean_of_pictures():
    """A picture with one pixel found, and one with 99 pixels missed: 1/100, not 1/2."""
    measure = SegmentationMeasure(("nothing", "person"))
    one, many = np.zeros((10, 10), np.uint8), np.zeros((10, 10), np.uint8)
    one[0, 0] = 1
    many.flat[:99] = 1
    measure.add("one", one, one)
    measure.add("many", many, np.zeros_like(many))
    numbers = measure.numbers()
    assert numbers["by_class"]["person"]["iou"] == 0.01
    assert numbers["mean_iou_by_picture"] == pytest.approx((1 + 0.005) / 2, abs=1e-4)


def test_classes_that_do_not_occur_are_named_and_do_not_count():
    measure = SegmentationMeasure(CLASSES)
    truth = np.array([[0, 0, 2, 2]], np.uint8)
    measure.add("a", truth, np.array([[0, 2, 2, 2]], np.uint8))
    numbers = measure.numbers()
    assert numbers["absent_classes"] == ["person", "sky"]
    assert numbers["mean_iou"] == pytest.approx((1 / 2 + 2 / 3) / 2, abs=1e-4)
    assert numbers["mean_dice"] == pytest.approx((2 / 3 + 4 / 5) / 2, abs=1e-4)
    assert numbers["pixel_accuracy"] == 0.75


def test_without_a_pixel_that_counts_nothing_is_measured():
    measure = SegmentationMeasure(CLASSES)
    nothing = np.full((3, 4), IGNORED, np.uint8)
    measure.add("a", nothing, np.zeros_like(nothing))
    numbers = measure.numbers()
    assert numbers["mean_iou"] == numbers["pixel_accuracy"] == numbers["num_pixels"] == 0
    assert numbers["absent_classes"] == list(CLASSES)
    assert measure.by_area().empty


@pytest.mark.parametrize("size", [(7, 9), (60, 100)])
def test_boundaries_are_those_of_the_paper_s_erosion(size: tuple[int, int]):
    """faster-coco-eval's own, by repeated erosion with a 3x3 square."""
    from faster_coco_eval.core.mask import rleToBoundary

    rng = np.random.default_rng(0)
    mask = np.zeros(size, bool)
    mask[1 : size[0] // 2, 2:] = True
    mask[rng.integers(0, size[0], 4), rng.integers(0, size[1], 4)] ^= True
    encoded = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    expected = coco.decode(rleToBoundary(encoded, backend="opencv")).astype(bool)
    assert (boundary(mask) == expected).all()


@pytest.mark.parametrize("width", [1, 4, 20])
def test_a_perfect_prediction_beside_ignored_pixels_is_perfect(width: int):
    truth = np.ones((100, 100), np.uint8)
    truth[:, 50:] = 0
    predicted = truth.copy()
    truth[:, 50 - width // 2 : 50 + (width + 1) // 2] = IGNORED
    measure = SegmentationMeasure(CLASSES)
    measure.add("a", truth, predicted)
    numbers = measure.numbers()
    assert numbers["mean_boundary_iou"] == numbers["mean_iou"] == 1.0


def test_predictions_on_ignored_pixels_change_nothing():
    rng = np.random.default_rng(0)
    truth = np.kron(rng.integers(0, 2, (6, 6)), np.ones((10, 10))).astype(np.uint8)
    predicted = np.roll(truth, 2, axis=1)
    truth[20:40] = IGNORED
    other = np.where(truth == IGNORED, rng.integers(0, 2, truth.shape), predicted).astype(np.uint8)
    measured = []
    for one in (predicted, other):
        measure = SegmentationMeasure(CLASSES)
        measure.add("a", truth, one)
        measured.append(measure.numbers())
    assert measured[0] == measured[1]


def test_a_picture_to_be_ignored_has_no_iou():
    nothing, known = np.full((8, 8), IGNORED, np.uint8), np.ones((8, 8), np.uint8)
    measure = SegmentationMeasure(CLASSES)
    measure.add("void", nothing, known)
    measure.add("a", known, known)
    assert measure.by_picture.to_dict() == {"a": 1.0}
    numbers = measure.numbers()
    assert (numbers["mean_iou_by_picture"], numbers["num_pictures"]) == (1.0, 2)


@given(st.integers(0, 1000))
def test_iou_by_area_sums_to_all_regions(seed: int):
    measure = SegmentationMeasure(CLASSES)
    truth, predicted = draw(seed)
    measure.add("a", truth, predicted)
    table = measure.by_area()
    num_regions = len(np.unique(truth[truth != IGNORED]))
    assert table["num_regions"].sum() == num_regions
    assert (table["area_from_px"] < table["area_to_px"]).all()


def test_maps_of_other_sizes_or_classes_are_refused():
    with pytest.raises(ValueError, match="one size"):
        confusion_of(np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.uint8), 2)
    with pytest.raises(ValueError, match="below 2"):
        confusion_of(np.zeros((2, 3), np.uint8), np.full((2, 3), 2, np.uint8), 2)


@given(st.integers(0, 1000), st.sampled_from([(1, -1), (-1, 1), (-1, -1)]))
def test_mirror_images_have_the_same_numbers(seed: int, flip: tuple[int, int]):
    numbers = []
    for rows, columns in ((1, 1), flip):
        measure = SegmentationMeasure(CLASSES)
        truth, predicted = (one[::rows, ::columns] for one in draw(seed))
        measure.add("a", truth, predicted)
        numbers.append(measure.numbers())
    assert numbers[0] == numbers[1]
