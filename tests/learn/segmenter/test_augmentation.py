"""Pictures and their classes are changed together."""

import numpy as np
import pytest
import torch

from vigil.domain.masks.class_map import IGNORED
from vigil.learn.segmenter.network.data import Masked, fit_to_canvas
from vigil.learn.segmenter.training.augmentation import MaskAugmenter
from vigil.settings.train_segmenter import MaskAugmentation

NOTHING = {
    "flip_probability": 0.0, "min_scale": 1.0, "max_scale": 1.0, "max_rotation_deg": 0.0,
    "brightness": 0.0, "contrast": 0.0, "saturation": 0.0,
}  # fmt: skip
COLOURS = np.array([[10, 200, 30], [200, 10, 90]], np.uint8)


def example(height: int = 40, width: int = 60) -> Masked:
    classes = np.zeros((height, width), np.uint8)
    classes[8:24, 12:30] = 1
    return Masked(COLOURS[classes], classes)


def change(size_wh: tuple[int, int] = (60, 40), seed: int = 0, **values: float) -> Masked:
    torch.manual_seed(seed)
    return MaskAugmenter(MaskAugmentation(**{**NOTHING, **values}))(example(), size_wh)


def test_without_limits_nothing_changes():
    changed = change()
    assert (changed.picture == example().picture).all()
    assert (changed.classes == example().classes).all()


def test_a_mirror_image_mirrors_both():
    changed = change(flip_probability=1.0)
    assert (changed.picture == example().picture[:, ::-1]).all()
    assert (changed.classes == example().classes[:, ::-1]).all()


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("size_wh", [(60, 40), (32, 32), (90, 70)])
def test_classes_stay_on_the_pixels_that_they_name(seed: int, size_wh: tuple[int, int]):
    """Away from edges, where colours are mixed, each colour has its class."""
    changed = change(size_wh, seed, min_scale=0.6, max_scale=1.8, max_rotation_deg=20.0)
    assert changed.classes.shape == size_wh[::-1] == changed.picture.shape[:2]
    for number, colour in enumerate(COLOURS):
        is_colour = (np.abs(changed.picture.astype(int) - colour) <= 2).all(axis=2)
        assert (changed.classes[is_colour] == number).mean() > 0.9
    assert set(np.unique(changed.classes)) <= {0, 1, IGNORED}


def test_a_small_picture_stays_whole_and_a_large_one_fills_the_part():
    small = change((90, 70), seed=3)
    assert (small.classes == 1).sum() == (example().classes == 1).sum()
    assert (small.classes == IGNORED).sum() == 90 * 70 - 60 * 40
    assert (change((32, 32), seed=3).classes != IGNORED).all()


def test_the_canvas_keeps_proportions_and_ignores_its_rest():
    fitted = fit_to_canvas(example(), (30, 30))
    assert (fitted.classes[20:] == IGNORED).all()
    assert (fitted.classes[:20] != IGNORED).all()
    assert (fitted.classes[:20] == 1).sum() == 9 * 8
