"""Detections of trained networks, in px of the pictures they were made in."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from vigil.domain.measures.detector import DETECTION_COLUMNS
from vigil.domain.pictures.annotated import CORNERS
from vigil.learn.detector.network.data import Batch, DetectionDataset
from vigil.learn.detector.network.folding import fold_norms
from vigil.learn.detector.network.interface import Detector
from vigil.learn.detector.network.registry import load_detector
from vigil.learn.detector.network.suppression import Suppression
from vigil.learn.detector.network.tensors import Candidates
from vigil.learn.networks.machine import Precision, choose_precision
from vigil.learn.networks.weights import LARGEST_SIZE, read_card
from vigil.pixels.letterbox import letterbox
from vigil.pixels.video.picture import Picture
from vigil.plumbing.errors import InputError, listed, shorten

CPU = torch.device("cpu")
REDUCED = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
SCORE_DECIMALS = 6


class TrainedDetector:
    """A detector from its files, ready to be shown pictures of any size.

    Attributes:
        classes: what it tells apart.
        input_size_wh: of the canvas that pictures are fitted to.
    """

    def __init__(self, weights: Path, card_file: Path, device: torch.device = CPU) -> None:
        """Raises InputError where a file is missing, damaged, or the two do not fit."""
        card = read_card(card_file)
        self.model = load_detector(weights, card_file)
        _check_card(card, card_file)
        self.classes: tuple[str, ...] = tuple(card["classes"])
        self.input_size_wh: tuple[int, int] = tuple(card["input_size_wh"])
        self.precision: Precision = card["precision"]
        fold_norms(self.model)
        self.model.to(device).to(memory_format=torch.channels_last)
        if dtype := REDUCED.get(choose_precision(self.precision, device)):
            _store_weights(self.model, dtype)

    @torch.inference_mode()
    def __call__(self, picture: Picture, suppression: Suppression | None = None) -> pd.DataFrame:
        """Finds boxes in one (H, W, 3) RGB picture: `label, score, x1, y1, x2, y2`, best first."""
        canvas, scale = letterbox(picture, self.input_size_wh)
        height, width = picture.shape[:2]
        pictures = torch.from_numpy(np.ascontiguousarray(canvas)).permute(2, 0, 1)[None]
        found = detect(self.model, pictures, suppression or Suppression(), self.precision)
        table = DetectionTable([""], [(width, height)], [scale], self.classes)
        table.add(found)
        return table.frame().drop(columns="image")

    @torch.inference_mode()
    def detect_all(
        self, dataset: DetectionDataset, loader: DataLoader[Batch], suppression: Suppression
    ) -> pd.DataFrame:
        """Finds boxes in all pictures of a dataset: `DETECTION_COLUMNS`."""
        table = DetectionTable.of(dataset)
        for pictures, _ in tqdm(loader, desc="detect", unit="batch", disable=None, leave=False):
            table.add(detect(self.model, pictures, suppression, self.precision))
        return table.frame()


def detect(
    model: Detector, pictures: Tensor, suppression: Suppression, precision: Precision
) -> list[Candidates]:
    """Finds boxes in a batch (B, 3, H, W) uint8, on the CPU, in px of the batch."""
    device = next(model.parameters()).device
    with _autocast(device, precision):
        candidates = model.eval().candidates(pictures.to(device, non_blocking=True))
    return [_to_cpu(suppression(one)) for one in candidates]


class DetectionTable:
    """Collects detections batch by batch, in the order of the pictures."""

    def __init__(
        self,
        ids: Sequence[str],
        sizes_wh: Sequence[tuple[int, int]],
        scales: Sequence[float],
        classes: Sequence[str],
    ) -> None:
        self._ids, self._sizes_wh, self._scales = ids, sizes_wh, scales
        self._classes = np.array(classes, dtype=object)
        self._parts: list[pd.DataFrame] = []

    @classmethod
    def of(cls, dataset: DetectionDataset) -> "DetectionTable":
        """For the pictures of a dataset, in its order."""
        scales = [dataset.scale(position) for position in range(len(dataset))]
        return cls(dataset.ids, dataset.sizes_wh, scales, dataset.classes)

    def add(self, found: Iterable[Candidates]) -> None:
        """Adds what was found in the next pictures."""
        for one in found:
            position = len(self._parts)
            width, height = self._sizes_wh[position]
            corners = one.boxes.double().numpy() / self._scales[position]
            corners = np.clip(corners, 0, [width, height, width, height])
            part = pd.DataFrame(corners, columns=CORNERS)
            part.insert(0, "image", self._ids[position])
            part.insert(1, "label", self._classes[one.labels.numpy()])
            part.insert(2, "score", one.scores.double().numpy().round(SCORE_DECIMALS))
            self._parts.append(part)

    def frame(self) -> pd.DataFrame:
        """`DETECTION_COLUMNS`, picture by picture, best first."""
        parts = [part for part in self._parts if len(part)]
        if not parts:
            kinds = dict.fromkeys(DETECTION_COLUMNS, float) | {"image": str, "label": str}
            return pd.DataFrame(columns=DETECTION_COLUMNS).astype(kinds)
        return pd.concat(parts, ignore_index=True)


def _check_card(card: Mapping[str, Any], card_file: Path) -> None:
    """Refuses a card without what a detector needs beside its network."""
    classes, size_wh = card.get("classes"), card.get("input_size_wh")
    num_classes = card["config"]["num_classes"]
    if (
        not isinstance(classes, list)
        or len(classes) != num_classes
        or not all(isinstance(name, str) for name in classes)
    ):
        raise InputError(
            f"{card_file}: classes: expected {num_classes} names, got {shorten(classes)}"
        )
    if (
        not isinstance(size_wh, list)
        or len(size_wh) != 2
        or not all(isinstance(side, int) and 0 < side <= LARGEST_SIZE for side in size_wh)
    ):
        raise InputError(
            f"{card_file}: input_size_wh: expected a width and a height of at most "
            f"{LARGEST_SIZE} px, got {shorten(size_wh)}"
        )
    if card.get("precision") not in get_args(Precision):
        raise InputError(
            f"{card_file}: precision: expected one of {listed(get_args(Precision))}, "
            f"got {shorten(card.get('precision'))}"
        )


def _autocast(device: torch.device, precision: Precision) -> AbstractContextManager[None]:
    dtype = REDUCED.get(choose_precision(precision, device))
    return torch.autocast(device.type, dtype, enabled=dtype is not None)


def _store_weights(network: nn.Module, dtype: torch.dtype) -> None:
    """Keeps weights as autocast would turn them into in every call."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.to(dtype)


def _to_cpu(found: Candidates) -> Candidates:
    return Candidates(found.boxes.float().cpu(), found.scores.float().cpu(), found.labels.cpu())
