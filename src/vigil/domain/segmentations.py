"""Predicted maps of classes as a file in COCO's results format, which pycocotools reads.

Source: https://cocodataset.org/#format-results. An entry is all pixels of one class in one picture.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vigil.domain.masks.class_map import ClassMap, compressed
from vigil.domain.masks.masked import MaskedPictures
from vigil.domain.pictures.run_lengths import decompress, mask_of
from vigil.plumbing.errors import InputError, shorten
from vigil.plumbing.records import read_json, write_json

NAME = "masks.json"
SCORE_DECIMALS = 4


class Segmented(NamedTuple):
    """The prediction for one picture.

    Attributes:
        image: the picture's id.
        classes: (H, W) the class of each pixel.
        scores: by class that occurs, the mean score of its pixels, in [0, 1].
    """

    image: str
    classes: ClassMap
    scores: dict[int, float]


def write_results(known: MaskedPictures, predicted: Iterable[Segmented], file: Path) -> None:
    """Writes predictions.

    Args:
        known: the whole set of pictures. Its COCO JSON numbers pictures and classes from 1 in the
            same order.
    """
    numbers = {str(name): number for number, name in enumerate(known.images.index, start=1)}
    entries = [
        {
            "image_id": numbers[one.image],
            "category_id": number + 1,
            "segmentation": {
                "size": list(one.classes.shape),
                "counts": compressed(one.classes == number),
            },
            "score": round(score, SCORE_DECIMALS),
        }
        for one in predicted
        for number, score in sorted(one.scores.items())
    ]
    write_json(entries, file, indent=None)


class PredictedMaps:
    """The maps of classes in a file of `write_results`."""

    def __init__(self, known: MaskedPictures, file: Path) -> None:
        """Raises InputError: no such file, or not in that format."""
        self._known, self._file = known, file
        names = dict(enumerate(known.images.index, start=1))
        self._entries: dict[str, list[dict[str, Any]]] = {}
        try:
            for entry in read_json(file):
                self._entries.setdefault(str(names[entry["image_id"]]), []).append(entry)
        except (KeyError, TypeError) as error:
            raise self._problem(str(error)) from None

    def __getitem__(self, image: str) -> ClassMap:
        """The map of a picture by its id.

        Raises:
            InputError: the file has no prediction for each pixel of the picture.
        """
        height, width = self._known.images.loc[image, ["height", "width"]]
        classes = np.full((int(height), int(width)), len(self._known.classes), np.int64)
        try:
            for entry in self._entries.get(image, []):
                runs = decompress(entry["segmentation"]["counts"])
                classes[mask_of(runs, (int(height), int(width)))] = entry["category_id"] - 1
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._problem(str(error)) from None
        if classes.min() < 0 or classes.max() >= len(self._known.classes):
            raise self._problem(f"no class for some pixels of {image}")
        return classes.astype(np.uint8)

    def _problem(self, found: str) -> InputError:
        return InputError(
            f"{self._file}: expected maps of classes of the imported pictures, got: "
            f"{shorten(found, 100)}"
        )
