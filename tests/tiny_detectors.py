"""Small detectors, and pictures that they can learn from."""

from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import pandas as pd
import torch
from torch import Tensor

from vigil.domain.pictures.annotated import AnnotatedPictures
from vigil.learn.detector.network.interface import Detector
from vigil.learn.detector.network.registry import ON_TRUNKS, VIGIL_DETECTORS, build_detector
from vigil.learn.detector.network.tensors import Objects
from vigil.settings.train_detector import TorchvisionArchitecture, TransformerArchitecture

SIZE_WH = (96, 64)
TORCHVISION = get_args(TorchvisionArchitecture)
ARCHITECTURES = (*VIGIL_DETECTORS, *TORCHVISION)
LOSSES = {
    "box": "ciou",
    "objectness": "focal",
    "classes": "bce",
    "box_weight": 2.0,
    "objectness_weight": 1.0,
    "classes_weight": 0.5,
}
NO_CHANGE: dict[str, float] = {
    "flip_probability": 0.0,
    "still_probability": 0.0,
    "max_scale": 1.0,
    "max_shift": 0.0,
    "brightness": 0.0,
    "contrast": 0.0,
    "saturation": 0.0,
    "hue": 0.0,
    "max_rotation_deg": 0.0,
    "max_shear_deg": 0.0,
    "mosaic_probability": 0.0,
    "mosaic_min_scale": 0.5,
    "mixup_probability": 0.0,
    "alone_epochs": 0,
    "min_visible": 0.3,
}
"""Settings of an augmentation that changes nothing."""


def config_of(
    architecture: str, num_classes: int = 2, assignment: str = "fixed", **features: object
) -> dict:
    """Args: features: those of `features` that are to differ, `strides` among them."""
    if architecture in get_args(TransformerArchitecture):
        return {"num_classes": num_classes, **features}
    if architecture not in VIGIL_DETECTORS:
        return {
            "num_classes": num_classes,
            "input_size_wh": list(SIZE_WH),
        } | features
    if architecture not in ON_TRUNKS:
        return {"loss": LOSSES, "num_classes": num_classes}
    maps = {"trunk": "resnet18", "deepest_stride": 16, "neck": "concat", "neck_width": 32}
    strides = features.pop("strides", [8])
    common = {
        "features": maps | features,
        "num_classes": num_classes,
        "strides": strides,
        "loss": LOSSES,
        "assignment": assignment,
    }
    if architecture == "grid":
        return common | {"reach_cells": 0.95}
    sizes = {1: [16.0, 24.0], 2: [12.0, 16.0, 20.0, 24.0]}
    return common | {
        "sizes_px": sizes[len(strides)],
        "ratios": [0.5, 1.0, 2.0],
        "head_width": 32,
        "positive_iou": 0.5,
        "negative_iou": 0.4,
    }


def draw(num_pictures: int, seed: int = 0) -> tuple[Tensor, list[Objects]]:
    """Noisy pictures with one or two bright rectangles; the class is their colour."""
    rng = np.random.default_rng(seed)
    pictures = rng.integers(90, 110, (num_pictures, 3, SIZE_WH[1], SIZE_WH[0])).astype(np.uint8)
    objects = []
    for picture in pictures:
        boxes, labels = [], []
        for half in range(1 + int(rng.integers(2))):
            x = int(rng.integers(2, 20)) + 48 * half
            y = int(rng.integers(2, 36))
            width, height = (int(side) for side in rng.integers(14, 26, 2))
            label = int(rng.integers(2))
            picture[:, y : y + height, x : x + width] = 30
            picture[2 * label, y : y + height, x : x + width] = 230
            boxes.append([x, y, x + width, y + height])
            labels.append(label)
        count = len(boxes)
        objects.append(
            Objects(
                torch.tensor(boxes, dtype=torch.float32),
                torch.tensor(labels),
                torch.zeros(count, dtype=torch.bool),
            )
        )
    return torch.from_numpy(pictures), objects


def write_scene(folder: Path, num_pictures: int = 6) -> AnnotatedPictures:
    """Writes pictures that `draw` gives, and tells what is on them."""
    names = [f"{number}.png" for number in range(num_pictures)]
    rows = []
    for name, picture, own in zip(names, *draw(num_pictures), strict=True):
        rgb = np.ascontiguousarray(picture.numpy().transpose(1, 2, 0))
        assert cv2.imwrite(str(folder / name), rgb[..., ::-1])
        rows += [
            (name, str(int(label)), *box.tolist(), False, False)
            for box, label in zip(own.boxes, own.labels, strict=True)
        ]
    images = pd.DataFrame(
        {
            "file_name": names,
            "width": SIZE_WH[0],
            "height": SIZE_WH[1],
            "video": "",
            "frame_index": -1,
            "sha256": "",
        }
    )
    columns = ["image", "label", "x1", "y1", "x2", "y2", "is_crowd", "is_difficult"]
    return AnnotatedPictures.of(images, pd.DataFrame(rows, columns=columns), ("0", "1"))


def build(
    architecture: str,
    seed: int = 0,
    num_frozen_blocks: int = 0,
    assignment: str = "fixed",
    **features: object,
) -> Detector:
    torch.manual_seed(seed)
    config = config_of(architecture, assignment=assignment, **features)
    return build_detector(architecture, config, num_frozen_blocks=num_frozen_blocks)
