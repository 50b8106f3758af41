"""Detections in one picture, and detections in many pictures as a table and as a file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from vigil.domain.boxes import CORNERS, Boxes
from vigil.domain.pictures.annotated import COUNTS, AnnotatedPictures
from vigil.domain.pictures.run_lengths import check_runs, decompress
from vigil.plumbing.errors import InputError, shorten
from vigil.plumbing.records import read_json, write_json

DETECTION_COLUMNS = ["image", "label", "score", *CORNERS]
COORDINATE_DECIMALS, SCORE_DECIMALS = 3, 6
NAME = "detections.json"


@dataclass(frozen=True)
class Detections:
    """The detections in one picture, the highest score first.

    Attributes:
        boxes_xyxy: (N, 4) in px of the picture.
        scores: (N,) in [0, 1].
        labels: (N,) names of classes.
        track_ids: (N,) whole numbers, the same for an object in all frames; None without tracking.
        masks: (N,) compressed run lengths of masks of the picture's size, which
            `vigil.domain.pictures.run_lengths.masks_of` turns into pixels; None for a detector
            without masks.
    """

    boxes_xyxy: Boxes
    scores: npt.NDArray[np.float64]
    labels: npt.NDArray[np.object_]
    track_ids: npt.NDArray[np.int64] | None = None
    masks: npt.NDArray[np.object_] | None = None

    def __post_init__(self) -> None:
        """Raises ValueError if the parts differ in length."""
        parts = (self.scores, self.labels, self.track_ids, self.masks)
        if self.boxes_xyxy.shape != (len(self), 4) or any(
            part is not None and len(part) != len(self) for part in parts
        ):
            raise ValueError(f"expected parts of equal length, got {len(self)} boxes and others")

    def __len__(self) -> int:
        return len(self.boxes_xyxy)

    def select(self, chosen: npt.NDArray[Any]) -> "Detections":
        """The chosen detections.

        Args:
            chosen: (N,) bool, or positions in any order.
        """
        return Detections(
            self.boxes_xyxy[chosen],
            self.scores[chosen],
            self.labels[chosen],
            None if self.track_ids is None else self.track_ids[chosen],
            None if self.masks is None else self.masks[chosen],
        )


def as_table(images: Sequence[str], detections: Sequence[Detections]) -> pd.DataFrame:
    """A table of `DETECTION_COLUMNS` with the detections of several pictures, in their order.

    Detections with masks add the column `counts`.
    """
    counts = [len(one) for one in detections]
    corners = [one.boxes_xyxy for one in detections] or [np.empty((0, 4))]
    table = pd.DataFrame(np.concatenate(corners), columns=CORNERS)
    table.insert(0, "image", pd.Series(np.repeat(np.array(images, object), counts), dtype=str))
    labels = np.concatenate([one.labels for one in detections] or [np.empty(0, object)])
    table.insert(1, "label", pd.Series(labels, dtype=str))
    scores = np.concatenate([one.scores for one in detections] or [np.empty(0)])
    table.insert(2, "score", scores)
    masks = [one.masks for one in detections if one.masks is not None]
    if masks and len(masks) == len(detections):
        table[COUNTS] = pd.Series(np.concatenate(masks), dtype=str)
    return table


def write_results(known: AnnotatedPictures, table: pd.DataFrame, file: Path) -> None:
    """Writes detections in COCO's results format, which `pycocotools` reads with `loadRes`.

    A detection with a mask has both `bbox` and `segmentation`, which is compressed RLE.
    Source: https://cocodataset.org/#format-results.

    Args:
        known: the whole set of pictures. Its COCO JSON numbers pictures and classes from 1 in the
            same order.
        table: has `DETECTION_COLUMNS`, and `counts` if the detector finds masks.
    """
    images, labels = _numbers(known)
    corners = table[CORNERS].to_numpy(float)
    xywh = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    rows = zip(
        table["image"].map(images).tolist(),
        table["label"].map(labels).tolist(),
        xywh.round(COORDINATE_DECIMALS).tolist(),
        table["score"].round(SCORE_DECIMALS).tolist(),
        _segmentations(known, table),
        strict=True,
    )
    results = [
        {"image_id": image, "category_id": label, "bbox": box, "score": score, **mask}
        for image, label, box, score, mask in rows
    ]
    write_json(results, file, indent=None)


def read_results(known: AnnotatedPictures, file: Path, *, with_masks: bool = False) -> pd.DataFrame:
    """Reads a file of `write_results` as a table of `DETECTION_COLUMNS`, with `counts` for masks.

    Args:
        with_masks: whether a table without a row has `counts`, too: such a file cannot tell.

    Raises:
        InputError: no such file, not in that format, a picture or class that is not known, or a
            mask that only some detections have, or of another size than its picture.
    """
    entries = read_json(file)
    images, labels = ({number: name for name, number in ids.items()} for ids in _numbers(known))
    try:
        xywh = np.array([entry["bbox"] for entry in entries], np.float64).reshape(-1, 4)
        corners = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)
        scores = np.array([float(entry["score"]) for entry in entries], np.float64)
        table = pd.DataFrame(corners, columns=CORNERS)
        table.insert(0, "image", pd.Series([images[e["image_id"]] for e in entries], dtype=str))
        table.insert(1, "label", pd.Series([labels[e["category_id"]] for e in entries], dtype=str))
        table.insert(2, "score", scores)
        if any("segmentation" in entry for entry in entries) or (with_masks and not entries):
            table[COUNTS] = [str(entry["segmentation"]["counts"]) for entry in entries]
            _check_masks(known, table)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{file}: expected detections in the imported pictures, got: {shorten(str(error))}"
        ) from None
    if not (np.isfinite(corners).all() and np.isfinite(scores).all()):
        raise InputError(f"{file}: expected finite numbers, got others")
    return table


def _segmentations(known: AnnotatedPictures, table: pd.DataFrame) -> list[dict[str, Any]]:
    """What the mask of each detection adds to its entry; nothing without masks."""
    if COUNTS not in table:
        return [{}] * len(table)
    sizes = known.images.loc[table["image"], ["height", "width"]].to_numpy().tolist()
    return [
        {"segmentation": {"size": size, "counts": text}}
        for size, text in zip(sizes, table[COUNTS].tolist(), strict=True)
    ]


def _check_masks(known: AnnotatedPictures, table: pd.DataFrame) -> None:
    """Raises ValueError for a mask of another size than its picture."""
    sizes = known.images.loc[table["image"], ["height", "width"]].to_numpy().tolist()
    for (height, width), text in zip(sizes, table[COUNTS], strict=True):
        check_runs(decompress(text), (height, width))


def _numbers(known: AnnotatedPictures) -> tuple[dict[str, int], dict[str, int]]:
    """The ids of pictures and of classes in COCO files, by name."""
    images = {str(name): number for number, name in enumerate(known.images.index, start=1)}
    return images, {label: number for number, label in enumerate(known.classes, start=1)}
