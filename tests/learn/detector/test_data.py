"""Pictures and their boxes on their way to a network: they stay together."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_detectors import NO_CHANGE
from tiny_settings import shipped
from torch import Tensor

from vigil.domain.pictures.annotated import AnnotatedPictures
from vigil.learn.detector.network.data import PictureDataset, batches
from vigil.learn.detector.network.tensors import Example, Objects, pad_objects
from vigil.learn.detector.training.augmentation import BoxAugmentation, mix, mosaic
from vigil.learn.pictures.epoch_keys import EpochKeys
from vigil.pixels.fitting import letterbox
from vigil.settings.train_detector import TrainDetector


def changed(**values: float) -> BoxAugmentation:
    settings = shipped(TrainDetector, augmentation=NO_CHANGE | values)
    return BoxAugmentation(settings.augmentation, num_epochs=10)


def change(augmentation: BoxAugmentation, example: Example) -> Example:
    return augmentation(lambda _: example, 0, 1, 0)


def marked(box: tuple[int, int, int, int], size_wh: tuple[int, int] = (80, 60)) -> np.ndarray:
    """A dark RGB picture with a white rectangle."""
    picture = np.full((size_wh[1], size_wh[0], 3), 20, np.uint8)
    x1, y1, x2, y2 = box
    picture[y1:y2, x1:x2] = 255
    return picture


def objects_of(*boxes: tuple[float, ...]) -> Objects:
    return Objects(
        torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        torch.arange(len(boxes)),
        torch.zeros(len(boxes), dtype=torch.bool),
    )


def as_tensor(picture: np.ndarray) -> Tensor:
    return torch.from_numpy(picture.transpose(2, 0, 1).copy())


def white_box(picture: Tensor) -> list[float]:
    rows, columns = (picture.float().mean(0) > 137).nonzero(as_tuple=True)
    return [
        float(columns.min()),
        float(rows.min()),
        float(columns.max()) + 1,
        float(rows.max()) + 1,
    ]


def test_flipping_the_picture_flips_the_boxes():
    example = as_tensor(marked((10, 5, 30, 50))), objects_of((10, 5, 30, 50))
    picture, objects = change(changed(flip_probability=1.0), example)
    assert objects.boxes.tolist() == [[50, 5, 70, 50]]
    assert white_box(picture) == [50, 5, 70, 50]
    assert example[1].boxes.tolist() == [[10, 5, 30, 50]]
    assert white_box(example[0]) == [10, 5, 30, 50]


@given(st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_boxes_follow_the_picture_through_any_change(seed: int):
    box = (30, 20, 52, 44)
    torch.manual_seed(seed)
    augmentation = changed(flip_probability=0.5, max_scale=1.5, max_shift=0.3, min_visible=0.0)
    picture, objects = change(augmentation, (as_tensor(marked(box)), objects_of(box)))
    assert picture.shape == (3, 60, 80)
    assert picture.dtype == torch.uint8
    if len(objects.boxes) and (objects.boxes[0, 2:] - objects.boxes[0, :2]).min() > 3:
        assert white_box(picture) == pytest.approx(objects.boxes[0].tolist(), abs=1.6)


@given(st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_what_hardly_shows_is_ignored_and_what_is_gone_is_dropped(seed: int):
    torch.manual_seed(seed)
    boxes = [(0, 0, 20, 20), (30, 20, 50, 40), (60, 40, 80, 60)]
    _, objects = change(
        changed(max_scale=2.0, max_shift=0.4), (as_tensor(marked(boxes[1])), objects_of(*boxes))
    )
    area = (objects.boxes[:, 2:] - objects.boxes[:, :2]).prod(1)
    assert (area > 0).all()
    assert (objects.boxes >= 0).all()
    assert (objects.boxes <= torch.tensor([80, 60, 80, 60])).all()
    whole = area[~objects.is_ignored].max() if (~objects.is_ignored).any() else 0
    assert (area[objects.is_ignored] <= max(0.31 * 4 * 400, float(whole))).all()


def test_less_than_a_share_of_an_object_is_to_be_ignored():
    """Even without any move: boxes that reach out of the picture, which is 80 by 60."""
    boxes = [(70, 0, 90, 10), (75, 0, 95, 10), (79, 0, 99, 10), (85, 0, 95, 10), (5, 50, 9, 90)]
    _, objects = change(changed(), (as_tensor(marked((0, 0, 1, 1))), objects_of(*boxes)))
    assert objects.boxes.tolist() == [
        [70, 0, 80, 10],
        [75, 0, 80, 10],
        [79, 0, 80, 10],
        [5, 50, 9, 60],
    ]
    assert objects.labels.tolist() == [0, 1, 2, 4]  # the fourth is gone
    assert objects.is_ignored.tolist() == [False, True, True, True]


def test_colours_change_and_boxes_stay():
    torch.manual_seed(0)
    example = as_tensor(marked((10, 5, 30, 50))), objects_of((10, 5, 30, 50))
    augmentation = changed(brightness=0.5, contrast=0.5, saturation=0.5, hue=0.2)
    picture, objects = change(augmentation, example)
    assert not torch.equal(picture, example[0])
    assert torch.equal(objects.boxes, example[1].boxes)


def test_a_mosaic_shows_four_pictures_and_their_boxes():
    boxes = [(10, 6, 30, 50), (0, 0, 20, 20), (60, 40, 80, 60), (40, 10, 60, 30)]
    examples = [(as_tensor(marked(box)), objects_of(box)) for box in boxes]
    picture, objects = mosaic(examples)
    assert picture.shape == (3, 60, 80)
    assert objects.boxes.tolist() == [
        [5, 3, 15, 25],
        [40, 0, 50, 10],
        [30, 50, 40, 60],
        [60, 35, 70, 45],
    ]
    for box in objects.boxes.int().tolist():
        x1, y1, x2, y2 = box
        assert picture[:, y1:y2, x1:x2].float().mean() > 240
    assert (picture.float().mean(0) > 137).sum() == sum(
        (x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in objects.boxes.int().tolist()
    )


@given(st.integers(0, 2**31))
@settings(max_examples=30)
def test_the_boxes_of_any_mosaic_lie_where_their_pictures_are(seed: int):
    torch.manual_seed(seed)
    box = (10, 6, 30, 50)
    augmentation = changed(mosaic_probability=1.0, mosaic_min_scale=0.7, min_visible=0.0)
    picture, objects = change(augmentation, (as_tensor(marked(box)), objects_of(box)))
    assert picture.shape == (3, 60, 80)
    assert (objects.boxes >= 0).all()
    assert (objects.boxes[:, 2:] <= torch.tensor([80, 60])).all()
    inner = torch.cat([objects.boxes[:, :2].ceil() + 1, objects.boxes[:, 2:].floor() - 1], 1).int()
    for x1, y1, x2, y2 in inner.tolist():
        if x2 > x1 and y2 > y1:
            assert picture[:, y1:y2, x1:x2].float().mean() > 220
    is_white = picture.float().mean(0) > 240
    for x1, y1, x2, y2 in objects.boxes.tolist():
        is_white[int(y1) : int(y2) + 1, int(x1) : int(x2) + 1] = False
    assert not is_white.any()


def test_what_a_mosaic_cuts_is_marked():
    box = (0, 0, 80, 60)
    examples = [(as_tensor(marked(box)), objects_of(box))] * 4
    _, objects = mosaic(examples, (0.75, 0.5), (1.0,) * 4, ((0.0, 0.0),) * 4, min_visible=0.3)
    assert objects.boxes.tolist() == [
        [0, 0, 60, 30],
        [60, 0, 80, 30],
        [0, 30, 60, 60],
        [60, 30, 80, 60],
    ]
    assert objects.is_ignored.tolist() == [False, True, False, True]


def test_pictures_mixed_are_their_mean_with_the_objects_of_both():
    one = as_tensor(marked((10, 5, 30, 50))), objects_of((10, 5, 30, 50))
    other = torch.full_like(one[0], 101), objects_of((0, 0, 9, 9))
    picture, objects = mix(one, other)
    assert picture.dtype == torch.uint8
    assert set(picture.unique().tolist()) == {61, 178}
    assert objects.boxes.tolist() == [[10, 5, 30, 50], [0, 0, 9, 9]]


def test_the_last_epochs_show_pictures_alone():
    example = as_tensor(marked((10, 5, 30, 50))), objects_of((10, 5, 30, 50))
    augmentation = changed(mosaic_probability=1.0, mixup_probability=1.0, alone_epochs=2)
    assert len(augmentation(lambda _: example, 0, 1, 7)[1].boxes) == 5
    for epoch in (8, 9):
        picture, objects = augmentation(lambda _: example, 0, 1, epoch)
        assert torch.equal(picture, example[0])
        assert torch.equal(objects.boxes, example[1].boxes)


def test_a_box_grows_to_what_it_holds_once_turned():
    torch.manual_seed(1)
    example = as_tensor(marked((30, 20, 50, 40))), objects_of((30, 20, 50, 40))
    picture, objects = change(changed(max_rotation_deg=45.0, max_shear_deg=10.0), example)
    x1, y1, x2, y2 = white_box(picture)
    box = objects.boxes[0].tolist()
    assert box == pytest.approx([x1, y1, x2, y2], abs=2.0)
    assert (x2 - x1) * (y2 - y1) > 400


@pytest.mark.parametrize("size_wh", [(80, 60), (160, 120), (40, 30), (100, 20), (20, 100)])
def test_a_letterbox_keeps_proportions(size_wh: tuple[int, int]):
    width, height = size_wh
    box = (width // 4, height // 4, width // 2, height // 2)
    canvas, scale = letterbox(marked(box, size_wh), (80, 60))
    assert canvas.shape == (60, 80, 3)
    assert scale == min(80 / width, 60 / height)
    inside = canvas[: round(height * scale), : round(width * scale)]
    found = white_box(as_tensor(inside))
    assert found == pytest.approx([edge * scale for edge in box], abs=1.01)
    outside = canvas[round(height * scale) :]
    assert (outside == (124, 116, 104)).all()


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for number in range(6):
        picture = marked((10 + number, 5, 30, 50))
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture)
    return tmp_path


def detections() -> AnnotatedPictures:
    names = [f"{number}.png" for number in range(6)]
    table = pd.DataFrame(
        {
            "file_name": names,
            "width": 80,
            "height": 60,
            "video": "",
            "frame_index": -1,
            "sha256": "",
        }
    )
    boxes = pd.DataFrame(
        {
            "image": names[:5],
            "label": ["b", "a", "a", "b", "a"],
            "x1": [10.0 + number for number in range(5)],
            "y1": 5.0,
            "x2": 30.0,
            "y2": 50.0,
            "is_crowd": [False, True, False, False, False],
            "is_difficult": [False, False, True, False, False],
        }
    )
    return AnnotatedPictures.of(table, boxes, ("a", "b"))


def dataset(images: Path, **values: object) -> PictureDataset:
    return PictureDataset(images, detections(), input_size_wh=(40, 30), **values)


def test_pictures_come_with_their_boxes_on_the_canvas(images: Path):
    data = dataset(images)
    assert len(data) == 6
    picture, objects = data[0, 3]
    assert picture.shape == (3, 30, 40)
    assert objects.boxes.tolist() == [[6.5, 2.5, 15, 25]]
    assert objects.labels.tolist() == [1]
    assert white_box(picture) == pytest.approx([6.5, 2.5, 15, 25], abs=1)
    assert data[0, 1][1].is_ignored.tolist() == [True]
    assert data[0, 2][1].is_ignored.tolist() == [True]
    assert data[0, 5][1].boxes.shape == (0, 4)
    assert data.boxes_on_canvas().tolist() == [
        [5, 2.5, 15, 25],
        [6.5, 2.5, 15, 25],
        [7, 2.5, 15, 25],
    ]
    assert data.scale(0) == 0.5


def test_a_batch_is_padded_and_tells_objects_from_padding(images: Path):
    (pictures, truth), *rest = batches(dataset(images), 4, shuffle_seed=None)
    assert pictures.shape == (4, 3, 30, 40)
    assert truth.boxes.shape == (4, 1, 4)
    assert truth.is_object.tolist() == [[True], [False], [False], [True]]
    assert truth.is_ignored.tolist() == [[False], [True], [True], [False]]
    assert truth.labels.tolist()[3] == [1]
    assert len(rest) == 1
    (_, last) = rest[0]
    assert last.is_object.tolist() == [[True], [False]]


def test_pictures_are_changed_on_one_thread_as_in_a_process_of_a_loader(images: Path):
    """The mean that contrast is changed about has another last bit on two, one picture in hundreds
    another pixel for it, and a network other weights."""
    seen = []

    def augmentation(load, position, num, epoch):
        seen.append(torch.get_num_threads())
        return load(position)

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        data = dataset(images, augmentation=augmentation)
        data[0, 0]
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert seen == [1]


def test_objects_of_a_batch_without_any():
    truth = pad_objects([objects_of(), objects_of()])
    assert truth.boxes.shape == (2, 0, 4)


def test_changes_depend_on_seed_epoch_and_picture_alone(
    images: Path, monkeypatch: pytest.MonkeyPatch
):
    augmentation = changed(max_scale=1.5, max_shift=0.3, brightness=0.5, mosaic_probability=0.5)

    def epoch(number: int, seed: int = 0, workers: str = "0") -> list[Tensor]:
        monkeypatch.setenv("VIGIL_WORKERS", workers)
        data = dataset(images, augmentation=augmentation, seed=seed)
        loader = batches(data, 2, shuffle_seed=7)
        loader.sampler.set_epoch(number)
        torch.manual_seed(np.random.default_rng().integers(2**31))  # any history
        return [pictures for pictures, _ in loader]

    first = torch.cat(epoch(0))
    assert torch.equal(first, torch.cat(epoch(0)))
    assert torch.equal(first, torch.cat(epoch(0, workers="2")))
    assert not torch.equal(first, torch.cat(epoch(0, seed=1)))
    assert not torch.equal(first, torch.cat(epoch(1)))


def test_drawing_changes_leaves_the_global_random_numbers_alone(images: Path):
    data = dataset(images, augmentation=changed(max_scale=1.5, brightness=0.5))
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    data[0, 0]
    assert torch.equal(torch.rand(4), expected)


def test_every_picture_comes_once_an_epoch():
    keys = EpochKeys(10, shuffle_seed=1)
    keys.set_epoch(3)
    found = list(keys)
    assert {epoch for epoch, _ in found} == {3}
    assert sorted(position for _, position in found) == list(range(10))
    assert [position for _, position in found] != list(range(10))
    assert list(EpochKeys(3, None)) == [(0, 0), (0, 1), (0, 2)]
