"""Runs a network on pictures and converts its detections to px of the pictures."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from vigil.domain.boxes import areas
from vigil.domain.detections import SCORE_DECIMALS, Detections, as_table
from vigil.learn.detector.network.data import PictureDataset
from vigil.learn.detector.network.interface import Detector
from vigil.learn.detector.network.pasting import paste
from vigil.learn.detector.network.suppression import suppress
from vigil.learn.detector.network.tensors import Candidates, Truth
from vigil.learn.networks.machine import choose_precision
from vigil.settings.suppression import Suppression
from vigil.settings.training import Precision

REDUCED = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


def detect(
    model: Detector, pictures: Tensor, suppression: Suppression, precision: Precision
) -> list[Candidates]:
    """Finds boxes in a batch (B, 3, H, W) uint8, and their masks if the network has them.

    The results are on the CPU, in px of the batch.
    """
    device = next(model.parameters()).device
    with _autocast(device, precision):
        pictures = pictures.to(device, non_blocking=True)
        if model.has_masks:
            found = model.eval().masked(pictures, lambda one: suppress(one, suppression))
            return [_to_cpu(one) for one in found]
        candidates = model.eval().candidates(pictures)
    return _suppressed(candidates, suppression)


def detect_with_losses(
    model: Detector,
    pictures: Tensor,
    truth: Truth,
    suppression: Suppression,
    precision: Precision,
) -> tuple[list[Candidates], dict[str, Tensor]]:
    """As `detect`, and the parts of the loss; all tensors must be on the device of the model."""
    with _autocast(pictures.device, precision):
        candidates, losses = model.eval().candidates_and_losses(pictures, truth)
    return _suppressed(candidates, suppression), losses


def place(
    candidates: Candidates, scale: float, size_wh: tuple[int, int], classes: Sequence[str]
) -> Detections:
    """Converts candidates on a canvas to detections in px of the picture on the canvas.

    Args:
        scale: the factor that turned coordinates in the picture into coordinates on the canvas.
        size_wh: the size of the picture.
        classes: the names of the classes.
    """
    width, height = size_wh
    boxes = np.clip(candidates.boxes.double().numpy() / scale, 0, [width, height, width, height])
    scores = candidates.scores.double().numpy().round(SCORE_DECIMALS)
    labels = np.array(classes, dtype=object)[candidates.labels.numpy()]
    masks = None if candidates.masks is None else paste(candidates.masks, scale, size_wh)
    return Detections(boxes, scores, labels, masks=masks)


def with_area(found: Detections) -> Detections:
    """Without boxes that clipping to the picture left no area of, as in the padding of a canvas."""
    has_area = areas(found.boxes_xyxy) > 0
    return found if has_area.all() else found.select(has_area)


class DetectionTable:
    """Collects the detections in the pictures of a dataset, batch by batch, in its order."""

    def __init__(self, dataset: PictureDataset) -> None:
        self._dataset = dataset
        self._detections: list[Detections] = []

    def add(self, candidates: Iterable[Candidates]) -> None:
        """Adds the candidates of the next pictures."""
        for one in candidates:
            position = len(self._detections)
            self._detections.append(
                place(
                    one,
                    self._dataset.scale(position),
                    self._dataset.sizes_wh[position],
                    self._dataset.classes,
                )
            )

    def frame(self) -> pd.DataFrame:
        """A table of `DETECTION_COLUMNS`, picture by picture, the highest score first."""
        return as_table(self._dataset.ids[: len(self._detections)], self._detections)


def _autocast(device: torch.device, precision: Precision) -> AbstractContextManager[None]:
    dtype = REDUCED.get(choose_precision(precision, device))
    return torch.autocast(device.type, dtype, enabled=dtype is not None)


def _suppressed(candidates: list[Candidates], suppression: Suppression) -> list[Candidates]:
    return [_to_cpu(suppress(one, suppression)) for one in candidates]


def _to_cpu(candidates: Candidates) -> Candidates:
    return Candidates(
        candidates.boxes.float().cpu(),
        candidates.scores.float().cpu(),
        candidates.labels.cpu(),
        None if candidates.masks is None else candidates.masks.cpu(),
    )
