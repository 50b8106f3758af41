"""From pictures to what a network finds in them, in px of the pictures."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from vigil.domain.detections import SCORE_DECIMALS, Detections, as_table
from vigil.learn.detector.network.data import PictureDataset
from vigil.learn.detector.network.interface import Detector
from vigil.learn.detector.network.suppression import suppress
from vigil.learn.detector.network.tensors import Candidates
from vigil.learn.networks.machine import choose_precision
from vigil.settings.suppression import Suppression
from vigil.settings.training import Precision

REDUCED = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


def detect(
    model: Detector, pictures: Tensor, suppression: Suppression, precision: Precision
) -> list[Candidates]:
    """Finds boxes in a batch (B, 3, H, W) uint8, on the CPU, in px of the batch."""
    device = next(model.parameters()).device
    with _autocast(device, precision):
        candidates = model.eval().candidates(pictures.to(device, non_blocking=True))
    return [_to_cpu(suppress(one, suppression)) for one in candidates]


def place(
    found: Candidates, scale: float, size_wh: tuple[int, int], classes: Sequence[str]
) -> Detections:
    """What was found on a canvas, in px of the picture that was put on it.

    Args:
        scale: the factor by which coordinates grew from the picture to the canvas.
        size_wh: of the picture.
    """
    width, height = size_wh
    boxes = np.clip(found.boxes.double().numpy() / scale, 0, [width, height, width, height])
    scores = found.scores.double().numpy().round(SCORE_DECIMALS)
    return Detections(boxes, scores, np.array(classes, dtype=object)[found.labels.numpy()])


class DetectionTable:
    """Collects what is found in the pictures of a dataset, batch by batch, in its order."""

    def __init__(self, dataset: PictureDataset) -> None:
        self._dataset = dataset
        self._found: list[Detections] = []

    def add(self, found: Iterable[Candidates]) -> None:
        """Adds what was found in the next pictures."""
        for one in found:
            at = len(self._found)
            self._found.append(
                place(
                    one,
                    self._dataset.scale(at),
                    self._dataset.sizes_wh[at],
                    self._dataset.classes,
                )
            )

    def frame(self) -> pd.DataFrame:
        """`DETECTION_COLUMNS`, picture by picture, best first."""
        return as_table(self._dataset.ids[: len(self._found)], self._found)


def _autocast(device: torch.device, precision: Precision) -> AbstractContextManager[None]:
    dtype = REDUCED.get(choose_precision(precision, device))
    return torch.autocast(device.type, dtype, enabled=dtype is not None)


def _to_cpu(found: Candidates) -> Candidates:
    return Candidates(found.boxes.float().cpu(), found.scores.float().cpu(), found.labels.cpu())
