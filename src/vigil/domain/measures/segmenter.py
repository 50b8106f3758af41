"""Measures maps of classes against the truth.

The IoU of a class is TP / (TP + FP + FN) over the pixels of the whole set, as in the literature
(Pascal VOC, CamVid, Cityscapes). The mean of the IoUs of single pictures is another number, and
stands beside. Pixels to be ignored in the truth count nowhere. Boundaries: Cheng et al., "Boundary
IoU: Improving Object-Centric Image Segmentation Evaluation", 2021.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import ndimage

from vigil.domain.masks.class_map import IGNORED, ClassMap
from vigil.domain.pictures.run_lengths import Mask

DECIMALS = 4
BOUNDARY_FRACTION = 0.02
"""Of a picture's diagonal: how far from an edge a boundary reaches."""

Counts = npt.NDArray[np.int64]
"""(C, C) pixels, by the true class (rows) and the predicted class (columns)."""


def confusion_of(truth: ClassMap, predicted: ClassMap, num_classes: int) -> Counts:
    """(C, C): the pixels of a picture by true and by predicted class.

    Raises:
        ValueError: the sizes differ, or a value is no class.
    """
    if truth.shape != predicted.shape:
        raise ValueError(f"expected maps of one size, got {truth.shape} and {predicted.shape}")
    is_counted = truth != IGNORED
    true_classes, classes = truth[is_counted].astype(np.int64), predicted[is_counted]
    if max(true_classes.max(initial=0), classes.max(initial=0)) >= num_classes:
        raise ValueError(f"expected classes below {num_classes}")
    pairs = true_classes * num_classes + classes
    return np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)


def overlaps_of(confusion: Counts) -> tuple[Counts, Counts]:
    """(C,) intersections and (C,) unions of the true and the predicted pixels of each class."""
    inside = np.diagonal(confusion)
    return inside, confusion.sum(axis=0) + confusion.sum(axis=1) - inside


def mean_iou(confusion: Counts) -> float:
    """The mean IoU of all classes that occur in the truth or in the predictions; 0 without any."""
    inside, union = overlaps_of(confusion)
    occurs = union > 0
    return float((inside[occurs] / union[occurs]).mean()) if occurs.any() else 0.0


class SegmentationMeasure:
    """Sums up what single pictures show."""

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = list(classes)
        num = len(self._classes)
        self.confusion: Counts = np.zeros((num, num), np.int64)
        self._edges: Counts = np.zeros((2, num), np.int64)
        self._num_pictures = 0
        self._by_picture: list[dict[str, Any]] = []
        self._regions: list[pd.DataFrame] = []

    def add(self, image: str, truth: ClassMap, predicted: ClassMap) -> None:
        """Adds a picture.

        Args:
            truth, predicted: (H, W); no predicted pixel is to be ignored.
        """
        num = len(self._classes)
        confusion = confusion_of(truth, predicted, num)
        self.confusion += confusion
        inside, union = overlaps_of(confusion)
        self._num_pictures += 1
        if confusion.any():  # else all pixels are to be ignored, and there is nothing to measure
            self._by_picture.append({"image": image, "iou": mean_iou(confusion)})
        areas = confusion.sum(axis=1)
        shown = np.flatnonzero(areas)
        self._regions.append(
            pd.DataFrame({"area": areas[shown], "inside": inside[shown], "union": union[shown]})
        )
        for number in np.flatnonzero(union):
            # Pixels to be ignored are no part of either mask, so both have an edge beside them.
            edges = [
                boundary((classes == number) & (truth != IGNORED)) for classes in (truth, predicted)
            ]
            self._edges[0, number] += (edges[0] & edges[1]).sum()
            self._edges[1, number] += (edges[0] | edges[1]).sum()

    @property
    def by_picture(self) -> "pd.Series[float]":
        """The mean IoU of each picture with a pixel that counts, over the classes in it."""
        table = pd.DataFrame(self._by_picture, columns=["image", "iou"])
        return table.set_index("image")["iou"].astype(float)

    def numbers(self) -> dict[str, Any]:
        """The metrics of the whole set, rounded.

        Returns:
            `mean_iou`, `mean_dice`, `mean_boundary_iou` (of the classes that occur),
            `pixel_accuracy`, `mean_iou_by_picture`, `by_class`, and `absent_classes`, which occur
            neither in the truth nor in the predictions.
        """
        inside, union = overlaps_of(self.confusion)
        true, predicted = self.confusion.sum(axis=1), self.confusion.sum(axis=0)
        by_class = {
            name: {
                "iou": _share(inside[n], union[n]),
                "dice": _share(2 * inside[n], true[n] + predicted[n]),
                "boundary_iou": _share(*self._edges[:, n]),
                "precision": _share(inside[n], predicted[n]),
                "recall": _share(inside[n], true[n]),
                "num_pixels": int(true[n]),
            }
            for n, name in enumerate(self._classes)
            if union[n]
        }
        occurring = list(by_class.values())
        return {
            "mean_iou": round(mean_iou(self.confusion), DECIMALS),
            "mean_dice": _mean([one["dice"] for one in occurring]),
            "mean_boundary_iou": _mean([one["boundary_iou"] for one in occurring]),
            "pixel_accuracy": _share(inside.sum(), self.confusion.sum()),
            "mean_iou_by_picture": _mean(self.by_picture.tolist()),
            "by_class": by_class,
            "absent_classes": [name for name in self._classes if name not in by_class],
            "num_pictures": self._num_pictures,
            "num_pixels": int(self.confusion.sum()),
        }

    def by_class(self) -> pd.DataFrame:
        """`class` and its IoU, Dice coefficient, boundary IoU, precision, recall and pixels."""
        rows = [{"class": name, **values} for name, values in self.numbers()["by_class"].items()]
        return pd.DataFrame(rows)

    def by_area(self) -> pd.DataFrame:
        """`area_from_px`, `area_to_px`, `num_regions` and `iou`, for steps of four times the area.

        A region is all pixels of one class in one picture. The IoU is that of the pixels of all
        regions of a step.
        """
        columns = ["area_from_px", "area_to_px", "num_regions", "iou"]
        regions = pd.concat(self._regions) if self._regions else pd.DataFrame(columns=["area"])
        if regions.empty:
            return pd.DataFrame(columns=columns)
        # 0 for areas below 16 px, then a step for each factor of 4.
        steps = np.floor(np.log2(regions["area"].to_numpy(float).clip(min=8)) / 2 + 1e-9) - 1
        sums = regions.groupby(steps.clip(min=0).astype(int)).agg(
            num_regions=("area", "size"), inside=("inside", "sum"), union=("union", "sum")
        )
        starts = np.where(sums.index == 0, 0, 4 ** (sums.index + 1))
        return pd.DataFrame(
            {
                "area_from_px": starts,
                "area_to_px": 4 ** (sums.index + 2),
                "num_regions": sums["num_regions"].to_numpy(),
                "iou": (sums["inside"] / sums["union"]).round(DECIMALS).to_numpy(),
            }
        )

    def confusion_table(self) -> pd.DataFrame:
        """A row for each pair of a true and a predicted class, with pixels and shares by row."""
        sums = self.confusion.sum(axis=1, keepdims=True)
        shares = self.confusion / np.maximum(sums, 1)
        num = len(self._classes)
        return pd.DataFrame(
            {
                "actual": np.repeat(self._classes, num),
                "predicted": np.tile(self._classes, num),
                "pixels": self.confusion.ravel(),
                "share_of_actual": shares.ravel().round(DECIMALS),
            }
        )


def boundary(mask: Mask) -> Mask:
    """(H, W): the pixels of a mask near its edge, or near the picture's edge.

    Near are pixels from which a king's move of at most `BOUNDARY_FRACTION` of the diagonal, and at
    least one step, leads out of the mask.
    """
    height, width = mask.shape
    distance = max(1, round(BOUNDARY_FRACTION * float(np.hypot(height, width))))
    inner = ndimage.minimum_filter(mask, size=2 * distance + 1, mode="constant", cval=0)
    near: Mask = mask & ~inner
    return near


def _share(part: int, whole: int) -> float:
    return round(float(part / whole), DECIMALS) if whole else 0.0


def _mean(values: Sequence[float]) -> float:
    return round(float(np.mean(values)), DECIMALS) if len(values) else 0.0
