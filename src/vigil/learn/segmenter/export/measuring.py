"""Measures an exported segmenter on pictures, beside torch."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm.auto import tqdm

from vigil.domain.masks.class_map import ClassMaps
from vigil.domain.masks.masked import MaskedPictures
from vigil.domain.measures.segmenter import DECIMALS as IOU_DECIMALS
from vigil.domain.measures.segmenter import Counts, confusion_of, mean_iou
from vigil.learn.exporting.exportable import open_format
from vigil.learn.exporting.writing import spread
from vigil.learn.segmenter.network.data import MaskDataset
from vigil.learn.segmenter.trained import TrainedSegmenter
from vigil.pixels.pictures.images import ImageSource
from vigil.runtime.card import read_card_text
from vigil.runtime.segmenter import ExportedSegmenter
from vigil.runtime.segmenting import CanvasSegmenter, Segmentation

DECIMALS = 6


def open_exported(file: Path) -> ExportedSegmenter:
    """Opens a written segmenter in any format.

    Raises:
        InputError: see `ExportedSegmenter.from_file`.
    """
    network = open_format(file)
    return ExportedSegmenter(network.run, read_card_text(network.card, file, "segmenter"), file)


class Difference:
    """How the predictions of a file differ from torch's."""

    def __init__(self) -> None:
        self._num_pixels = self._num_other = 0
        self._largest = 0.0

    def add(self, expected: Segmentation, found: Segmentation) -> None:
        """Adds a picture."""
        self._num_pixels += expected.classes.size
        self._num_other += int((expected.classes != found.classes).sum())
        difference = float(np.abs(expected.scores - found.scores).max())
        self._largest = max(self._largest, difference)

    def numbers(self) -> dict[str, Any]:
        """`share_of_other_classes`: of pixels; and the `largest_score_difference`."""
        return {
            "share_of_other_classes": round(self._num_other / max(self._num_pixels, 1), DECIMALS),
            "largest_score_difference": round(self._largest, DECIMALS),
        }


def measure_exported(
    files: Mapping[str, Path], trained: TrainedSegmenter, images: Path, test: MaskedPictures
) -> dict[str, Any]:
    """The mean IoU of torch in 32 bits and of each file on test pictures, and how pixels differ.

    Args:
        files: by the name of the format.
        trained: in 32 bits.
    """
    segmenters: dict[str, CanvasSegmenter] = {
        "torch": trained, **{name: open_exported(file) for name, file in files.items()}
    }  # fmt: skip
    num_classes = len(trained.classes)
    confusions: dict[str, Counts] = {
        name: np.zeros((num_classes, num_classes), np.int64) for name in segmenters
    }
    differences = {name: Difference() for name in files}
    source, maps = ImageSource(images), ClassMaps(test)
    names = test.images.index.tolist()
    for image in tqdm(names, desc="exported", unit="picture", disable=None, leave=False):
        picture, truth = source.rgb(image), maps[image]
        found = {name: segmenter(picture) for name, segmenter in segmenters.items()}
        for name, one in found.items():
            confusions[name] += confusion_of(truth, one.classes, num_classes)
        for name, difference in differences.items():
            difference.add(found["torch"], found[name])
    numbers: dict[str, Any] = {
        name: {"mean_iou": round(mean_iou(confusion), IOU_DECIMALS)}
        for name, confusion in confusions.items()
    }
    for name, difference in differences.items():
        numbers[name] |= difference.numbers()
    return numbers


def canvases(
    num: int, trained: TrainedSegmenter, images: Path, pictures: MaskedPictures
) -> Iterator[npt.NDArray[np.uint8]]:
    """Some pictures or tiles as the network takes them, evenly spread, one by one.

    Args:
        num: how many.
    """
    dataset = MaskDataset(images, pictures, canvas_wh=trained.canvas_wh, view=trained.how.view)
    for position in spread(range(len(dataset)), num):
        picture, _ = dataset[0, position]
        yield picture[None].numpy()
