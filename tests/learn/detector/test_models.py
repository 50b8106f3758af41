"""Every detector: batches, pictures without objects, files, and that it can learn at all."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from vigil.domain.detections import CORNERS, DetectionSet
from vigil.domain.measures.detector import DETECTION_COLUMNS, measure_detections
from vigil.learn.detection import Objects, pad_objects
from vigil.learn.models.detector.interface import Detector
from vigil.learn.models.detector.registry import ARCHITECTURES, OWN, build_detector
from vigil.learn.models.detector.suppression import Suppression

SIZE_WH = (96, 64)
LOSSES = {
    "box_loss": "ciou",
    "objectness_loss": "focal",
    "class_loss": "bce",
    "box_weight": 2.0,
    "objectness_weight": 1.0,
    "class_weight": 0.5,
}


def config_of(architecture: str, num_classes: int = 2, **features: object) -> dict:
    if architecture not in OWN:
        return {
            "num_classes": num_classes,
            "num_frozen_blocks": 0,
            "input_size_wh": list(SIZE_WH),
        }
    common = {
        "features": {
            "trunk": "resnet18",
            "stride": 8,
            "deepest_stride": 16,
            "neck_width": 32,
            "num_frozen_blocks": 0,
        }
        | features,
        "num_classes": num_classes,
        "stride": features.get("stride", 8),
        **LOSSES,
    }
    if architecture == "grid":
        return common | {"reach_cells": 0.95}
    return common | {
        "anchor_sizes_px": [16.0, 24.0],
        "anchor_ratios": [0.5, 1.0, 2.0],
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


def build(architecture: str, seed: int = 0, **features: object) -> Detector:
    torch.manual_seed(seed)
    return build_detector(architecture, config_of(architecture, **features))


def average_precision(model: Detector, pictures: Tensor, objects: list[Objects]) -> float:
    """map_50 of a model's detections."""
    truth, found = [], []
    with torch.inference_mode():
        for number, candidates in enumerate(model.eval().candidates(pictures)):
            kept = Suppression()(candidates)
            for box, label in zip(objects[number].boxes, objects[number].labels, strict=True):
                truth.append([str(number), str(int(label)), *box.tolist(), False, False])
            for box, score, label in zip(kept.boxes, kept.scores, kept.labels, strict=True):
                found.append([str(number), str(int(label)), float(score), *box.tolist()])
    images = pd.DataFrame(
        {
            "file_name": [str(number) for number in range(len(pictures))],
            "width": SIZE_WH[0],
            "height": SIZE_WH[1],
            "video": "",
            "frame_index": -1,
            "sha256": "",
        }
    )
    boxes = pd.DataFrame(truth, columns=["image", "label", *CORNERS, "is_crowd", "is_difficult"])
    measured = measure_detections(
        DetectionSet.of(images, boxes, ("0", "1")), pd.DataFrame(found, columns=DETECTION_COLUMNS)
    )
    return measured["map_50"]


LEARNING_RATES = dict.fromkeys(ARCHITECTURES, 1e-3)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_it_overfits_eight_pictures(architecture: str):
    pictures, objects = draw(8)
    truth = pad_objects(objects)
    model = build(architecture)
    optimiser = torch.optim.AdamW(model.parameters(), LEARNING_RATES[architecture])
    reached = 0.0
    for step in range(1, 301):
        losses = model.train().losses(pictures, truth)
        optimiser.zero_grad()
        sum(losses.values()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimiser.step()
        if step % 20 == 0:
            reached = average_precision(model, pictures, objects)
            if reached >= 0.95:
                break
    assert reached >= 0.95
