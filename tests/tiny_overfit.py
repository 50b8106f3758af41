"""Trains a small detector on a few pictures until it knows them."""

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from vigil.domain.boxes import CORNERS
from vigil.domain.detections import DETECTION_COLUMNS
from vigil.domain.measures.detector import measure_detections
from vigil.domain.pictures.annotated import AnnotatedPictures
from vigil.learn.detector.network.interface import Detector
from vigil.learn.detector.network.suppression import suppress
from vigil.learn.detector.network.tensors import Objects, pad_objects
from vigil.settings.suppression import DEFAULT


def overfit(
    model: Detector,
    pictures: Tensor,
    objects: list[Objects],
    *,
    rate: float,
    batch_size: int,
    num_steps: int,
) -> float:
    """Trains until the pictures are known, or for so many steps; returns map_50 of the same."""
    model.to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(model.parameters(), rate)
    warmup = torch.optim.lr_scheduler.LinearLR(optimiser, 0.05, total_iters=20)
    fall = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.02, total_iters=num_steps)
    rng = np.random.default_rng(0)
    reached = 0.0
    for step in range(1, num_steps + 1):
        chosen = rng.choice(len(pictures), batch_size, replace=False)
        with torch.autocast("cpu", torch.bfloat16, enabled=batch_size < len(pictures)):
            losses = model.train().losses(
                pictures[chosen], pad_objects([objects[at] for at in chosen])
            )
        optimiser.zero_grad()
        torch.stack([loss.float() for loss in losses.values()]).sum().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimiser.step()
        warmup.step()
        fall.step()
        if step % 20 == 0:
            reached = average_precision(model, pictures, objects)
            if reached >= 0.95:
                break
    return reached


def average_precision(model: Detector, pictures: Tensor, objects: list[Objects]) -> float:
    """map_50 of a model's detections."""
    truth, found = [], []
    with torch.inference_mode():
        for number, candidates in enumerate(model.eval().candidates(pictures)):
            kept = suppress(candidates, DEFAULT)
            for box, label in zip(objects[number].boxes, objects[number].labels, strict=True):
                truth.append([str(number), str(int(label)), *box.tolist(), False, False])
            for box, score, label in zip(kept.boxes, kept.scores, kept.labels, strict=True):
                found.append([str(number), str(int(label)), float(score), *box.tolist()])
    images = pd.DataFrame(
        {
            "file_name": [str(number) for number in range(len(pictures))],
            "width": pictures.shape[3],
            "height": pictures.shape[2],
            "video": "",
            "frame_index": -1,
            "sha256": "",
        }
    )
    boxes = pd.DataFrame(truth, columns=["image", "label", *CORNERS, "is_crowd", "is_difficult"])
    measured = measure_detections(
        AnnotatedPictures.of(images, boxes, ("0", "1")),
        pd.DataFrame(found, columns=DETECTION_COLUMNS),
    )
    return measured["map_50"]
