"""How good detections are: average precision as COCO defines it, precision and recall at a score.

Definition: https://cocodataset.org/#detection-eval, computed by faster-coco-eval. A detection is
right if its IoU with an object of its class, which no better-scored one has taken, reaches the
threshold. What overlaps a crowd or a difficult object counts neither way.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from faster_coco_eval import COCO, COCOeval_faster

from vigil.domain.boxes import pairwise_iou, pairwise_share
from vigil.domain.pictures.annotated import CORNERS, AnnotatedPictures

DECIMALS, CURVE_DECIMALS = 3, 4
MATCH_IOU = 0.5
SMALL_AREA_PX, MEDIUM_AREA_PX = 32**2, 96**2  # COCO's bounds
ALL_AREAS = (0.0, 1e10)
MAX_DETECTIONS = 100
CURVE_ROWS = 200  # of a table of a curve


def measure_detections(
    truth: AnnotatedPictures, detections: pd.DataFrame, decimals: int | None = DECIMALS
) -> dict[str, Any]:
    """The COCO numbers, rounded.

    Args:
        truth: the pictures measured on, and what is in them.
        detections: `DETECTION_COLUMNS`, boxes in px of the picture.

    Returns:
        `map` (mean over IoU 0.5 to 0.95), `map_50`, `map_75`, `map_small`, `map_medium`,
        `map_large`, `mar_100`, and `ap_by_class`. None where there is no object to find.
    """
    areas = [ALL_AREAS, (0, SMALL_AREA_PX), (SMALL_AREA_PX, MEDIUM_AREA_PX), (MEDIUM_AREA_PX, 1e10)]
    curves = _Curves(truth, detections, areas, decimals)
    return {
        "map": curves.average_precision(),
        "map_50": curves.average_precision(iou=0),
        "map_75": curves.average_precision(iou=5),
        "map_small": curves.average_precision(area=1),
        "map_medium": curves.average_precision(area=2),
        "map_large": curves.average_precision(area=3),
        "mar_100": curves.average_recall(),
        "ap_by_class": {
            label: curves.average_precision(label=number)
            for number, label in enumerate(truth.classes)
        },
    }


def average_precision_by_height(
    truth: AnnotatedPictures, detections: pd.DataFrame, step_px: int
) -> pd.DataFrame:
    """`map`, `map_50` and `num_objects` of the objects of each band of heights.

    Detections that match no object count against the band of their own height.
    """
    heights = (truth.boxes["y2"] - truth.boxes["y1"]).to_numpy()
    is_object = ~truth.is_ignored.to_numpy()
    lower = (heights[is_object] // step_px * step_px).astype(int)
    bands, counts = np.unique(lower, return_counts=True)
    columns = ["height_from_px", "map", "map_50", "num_objects"]
    if not len(bands):
        return pd.DataFrame(columns=columns)
    ranges = [ALL_AREAS, *((float(band), float(band + step_px) - 1e-6) for band in bands)]
    curves = _Curves(truth, detections, ranges, DECIMALS, by_height=True)
    rows = [
        (
            int(band),
            curves.average_precision(area=number),
            curves.average_precision(area=number, iou=0),
            int(count),
        )
        for number, (band, count) in enumerate(zip(bands, counts, strict=True), start=1)
    ]
    return pd.DataFrame(rows, columns=columns)


def precision_recall(truth: AnnotatedPictures, detections: pd.DataFrame) -> pd.DataFrame:
    """Precision, recall and F1 of all classes together at each score, best score first.

    Returns:
        `score, precision, recall, f1`: keeping the detections of at least this score. Empty where
        nothing was detected.
    """
    outcome = match(truth, detections)
    counted = outcome[outcome["outcome"] != "ignored"].sort_values(
        "score", ascending=False, kind="stable"
    )
    num_right = (counted["outcome"] == "right").cumsum().to_numpy()
    num_objects = int((~truth.is_ignored).sum())
    precision = num_right / np.arange(1, len(counted) + 1)
    recall = num_right / max(num_objects, 1)
    total = np.maximum(precision + recall, 1e-12)
    table = pd.DataFrame(
        {
            "score": counted["score"].to_numpy(),
            "precision": precision,
            "recall": recall,
            "f1": 2 * precision * recall / total,
        }
    )
    # Detections of equal score are kept or dropped together.
    return table.drop_duplicates("score", keep="last").reset_index(drop=True)


def precision_recall_by_class(truth: AnnotatedPictures, detections: pd.DataFrame) -> pd.DataFrame:
    """The curves of `precision_recall` of each class, `label` in front, thinned for people."""
    curves = []
    for label in truth.classes:
        own = replace(truth, boxes=truth.boxes[truth.boxes["label"] == label])
        curve = precision_recall(own, detections[detections["label"] == label])
        curves.append(thin(curve).assign(label=label))
    return pd.concat(curves, ignore_index=True)[["label", "score", "precision", "recall", "f1"]]


def best_score(curve: pd.DataFrame) -> float:
    """The score from which on F1 is best; 0.5 where nothing was detected."""
    if curve.empty:
        return 0.5
    return float(curve["score"].iloc[int(curve["f1"].to_numpy().argmax())])


def measure_at_score(
    truth: AnnotatedPictures, detections: pd.DataFrame, score: float
) -> dict[str, float]:
    """`precision`, `recall` and `f1` of the detections of at least a score, at IoU 0.5."""
    kept = detections[detections["score"] >= score]
    curve = precision_recall(truth, kept)
    last = {"precision": 0.0, "recall": 0.0, "f1": 0.0} if curve.empty else curve.iloc[-1]
    return {name: round(float(last[name]), DECIMALS) for name in ("precision", "recall", "f1")}


def match(truth: AnnotatedPictures, detections: pd.DataFrame) -> pd.DataFrame:
    """Tells for each detection whether it is right, at IoU 0.5, best scores choosing first.

    Returns:
        The detections with `outcome` (`right`, `wrong` or `ignored`) and `object`, the row of
        `truth.boxes` that was found (-1: none), in the order given.
    """
    objects = truth.boxes.reset_index(drop=True)
    is_ignored = truth.is_ignored.to_numpy()
    true_corners = objects[CORNERS].to_numpy(float)
    corners = detections[CORNERS].to_numpy(float)
    scores = detections["score"].to_numpy(float)
    outcomes = np.full(len(detections), "wrong", dtype=object)
    found = np.full(len(detections), -1)
    keys = ["image", "label"]
    own_objects = objects.groupby(keys, sort=False).indices
    for key, rows in detections.reset_index(drop=True).groupby(keys, sort=False).indices.items():
        candidates = own_objects.get(key)
        if candidates is None:
            continue
        real, ignored = candidates[~is_ignored[candidates]], candidates[is_ignored[candidates]]
        overlap = pairwise_iou(corners[rows], true_corners[real])
        inside = pairwise_share(corners[rows], true_corners[ignored])
        free = np.ones(len(real), dtype=bool)
        for at in np.argsort(-scores[rows], kind="stable"):
            open_overlap = np.where(free, overlap[at], 0.0)
            best = int(open_overlap.argmax()) if len(real) else -1
            if best >= 0 and open_overlap[best] >= MATCH_IOU:
                free[best] = False
                outcomes[rows[at]], found[rows[at]] = "right", real[best]
            elif (inside[at] >= MATCH_IOU).any():
                outcomes[rows[at]] = "ignored"
    return detections.assign(outcome=outcomes, object=found)


def f1_by_picture(truth: AnnotatedPictures, outcome: pd.DataFrame) -> "pd.Series[float]":
    """F1 of each picture after `match`; NaN where nothing is to be found and nothing was."""
    pictures = truth.images.index
    objects = truth.boxes.loc[~truth.is_ignored, "image"].value_counts().reindex(pictures).fillna(0)
    counts = [
        outcome.loc[outcome["outcome"] == name, "image"].value_counts().reindex(pictures).fillna(0)
        for name in ("right", "wrong")
    ]
    right, wrong = counts
    total = objects + right + wrong
    return 2 * right / total.where(total > 0)


def thin(curve: pd.DataFrame, num_rows: int = CURVE_ROWS) -> pd.DataFrame:
    """At most so many rows of a curve, evenly spread over its recalls, rounded."""
    if len(curve) > num_rows:
        at = np.searchsorted(curve["recall"], np.linspace(0, curve["recall"].iloc[-1], num_rows))
        curve = curve.iloc[np.unique(at.clip(max=len(curve) - 1))]
    return curve.round(CURVE_DECIMALS)


class _Curves:
    """What COCO's evaluation leaves, -1 for none: precision (T, R, K, A), recall (T, K, A, M)."""

    def __init__(
        self,
        truth: AnnotatedPictures,
        detections: pd.DataFrame,
        ranges: Sequence[tuple[float, float]],
        decimals: int | None,
        by_height: bool = False,
    ) -> None:
        self._decimals = decimals
        if detections.empty:  # the library refuses an empty list
            some = _counts(truth, ranges, by_height) > 0  # (K, A)
            nothing = np.where(some, 0.0, -1.0)
            self.precision = nothing[None, None]
            self.recall = nothing[None, :, :, None]
            return
        evaluation = _evaluate(truth, detections, ranges, by_height)
        self.precision = evaluation["precision"][..., -1]
        self.recall = evaluation["recall"]

    def average_precision(
        self, iou: int | None = None, area: int = 0, label: int | None = None
    ) -> float | None:
        ious = slice(None) if iou is None or len(self.precision) == 1 else slice(iou, iou + 1)
        labels = slice(None) if label is None else slice(label, label + 1)
        return self._mean(self.precision[ious, :, labels, area])

    def average_recall(self) -> float | None:
        return self._mean(self.recall[:, :, 0, -1])

    def _mean(self, values: npt.NDArray[np.float64]) -> float | None:
        known = values[values > -1]
        if not known.size:
            return None
        mean = float(known.mean())
        return mean if self._decimals is None else round(mean, self._decimals)


def _evaluate(
    truth: AnnotatedPictures,
    detections: pd.DataFrame,
    ranges: Sequence[tuple[float, float]],
    by_height: bool,
) -> dict[str, npt.NDArray[np.float64]]:
    found = COCO()
    found.dataset = _as_coco(truth, detections, by_height)
    found.createIndex()
    real = COCO()
    real.dataset = _as_coco(truth, truth.boxes, by_height)
    real.createIndex()
    run = COCOeval_faster(real, found, iouType="bbox", print_function=lambda *_: None)
    run.params.areaRng = [list(one) for one in ranges]
    run.params.areaRngLbl = [str(number) for number in range(len(ranges))]
    run.params.maxDets = [1, 10, MAX_DETECTIONS]
    run.evaluate()
    run.accumulate()
    return {name: np.asarray(run.eval[name]) for name in ("precision", "recall")}


def _as_coco(truth: AnnotatedPictures, boxes: pd.DataFrame, by_height: bool) -> dict[str, Any]:
    """A table of boxes as COCO has it; the area, by which objects are told apart, or the height."""
    images = {name: number for number, name in enumerate(truth.images.index, start=1)}
    labels = {label: number for number, label in enumerate(truth.classes, start=1)}
    corners = boxes[CORNERS].to_numpy(float)
    size = corners[:, 2:] - corners[:, :2]
    measure = size[:, 1] if by_height else size[:, 0] * size[:, 1]
    is_truth = "score" not in boxes
    ignored = truth.is_ignored.astype(int) if is_truth else pd.Series(0, index=boxes.index)
    annotations = [
        {
            "id": number,
            "image_id": image,
            "category_id": label,
            "bbox": box,
            "area": area,
            "iscrowd": crowd,
            **({} if is_truth else {"score": score}),
        }
        for number, (image, label, box, area, crowd, score) in enumerate(
            zip(
                boxes["image"].map(images).tolist(),
                boxes["label"].map(labels).tolist(),
                np.concatenate([corners[:, :2], size], axis=1).tolist(),
                measure.tolist(),
                ignored.tolist(),
                [0.0] * len(boxes) if is_truth else boxes["score"].tolist(),
                strict=True,
            ),
            start=1,
        )
    ]
    return {
        "images": [{"id": number} for number in images.values()],
        "annotations": annotations,
        "categories": [{"id": number, "name": label} for label, number in labels.items()],
    }


def _counts(
    truth: AnnotatedPictures, ranges: Sequence[tuple[float, float]], by_height: bool
) -> npt.NDArray[np.int64]:
    """(K, A): objects to be found, by class and range."""
    boxes = truth.boxes[~truth.is_ignored]
    size = boxes[["x2", "y2"]].to_numpy(float) - boxes[["x1", "y1"]].to_numpy(float)
    measure = size[:, 1] if by_height else size[:, 0] * size[:, 1]
    within = np.array([(measure >= low) & (measure <= high) for low, high in ranges])  # (A, N)
    is_class = np.array([(boxes["label"] == label).to_numpy() for label in truth.classes])
    counts: npt.NDArray[np.int64] = is_class.astype(int) @ within.T.astype(int)
    return counts
