"""Measures detections: average precision as COCO defines it, precision and recall at a score.

Definition: https://cocodataset.org/#detection-eval, computed by faster-coco-eval. A detection is
right if its IoU with an object of its class reaches the threshold, and no detection with a higher
score has matched that object. A detection on a crowd or a difficult object is ignored. The IoU is
that of boxes; only `measure_masks` takes that of masks.
"""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from faster_coco_eval import COCO, COCOeval_faster

from vigil.domain.boxes import CORNERS, pairwise_iou, pairwise_share
from vigil.domain.pictures.annotated import COUNTS, AnnotatedPictures

DECIMALS, CURVE_DECIMALS = 3, 4
MATCH_IOU = 0.5
SMALL_AREA_PX, MEDIUM_AREA_PX = 32**2, 96**2  # the bounds that COCO defines
ALL_AREAS = (0.0, 1e10)
MAX_DETECTIONS = 100
CURVE_ROWS = 200  # the most rows in the table of a curve
NEARLY_BEST = 0.98  # of the best F1: differences below this are chance


def measure_detections(
    truth: AnnotatedPictures, detections: pd.DataFrame, decimals: int | None = DECIMALS
) -> dict[str, Any]:
    """The COCO numbers, rounded.

    Args:
        truth: the evaluated pictures and the objects on them.
        detections: `DETECTION_COLUMNS`, boxes in px of the picture.

    Returns:
        `map` (mean over IoU 0.5 to 0.95), `map_50`, `map_75`, `map_small`, `map_medium`,
        `map_large`, `mar_100`, and `ap_by_class`. None where there is no object to detect.
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


def measure_masks(
    truth: AnnotatedPictures, detections: pd.DataFrame, decimals: int | None = DECIMALS
) -> dict[str, float | None]:
    """`segm_map` and `segm_map_50`: `map` and `map_50` with the IoU of masks, rounded.

    None where there is no object to detect. Empty if the objects or the detections have no masks.

    Args:
        detections: `DETECTION_COLUMNS` and `counts`.
    """
    if not truth.has_masks or COUNTS not in detections:
        return {}
    curves = _Curves(truth, detections, [ALL_AREAS], decimals, of_masks=True)
    return {
        "segm_map": curves.average_precision(),
        "segm_map_50": curves.average_precision(iou=0),
    }


def average_precision_by_height(
    truth: AnnotatedPictures, detections: pd.DataFrame, step_px: int
) -> pd.DataFrame:
    """`map`, `map_50` and `num_objects` for the objects in each range of heights.

    A detection that matches no object is counted as wrong in the range of its height.

    Args:
        step_px: the size of each range.
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
    """Precision, recall and F1 of all classes together at each score, highest score first.

    Returns:
        `score, precision, recall, f1`, for the detections with at least this score. Empty where
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
    """The curve of `precision_recall` for each class, with `label` in front, thinned for plots."""
    curves = []
    for label in truth.classes:
        truth_of_class = replace(truth, boxes=truth.boxes[truth.boxes["label"] == label])
        curve = precision_recall(truth_of_class, detections[detections["label"] == label])
        curves.append(thin(curve).assign(label=label))
    return pd.concat(curves, ignore_index=True)[["label", "score", "precision", "recall", "f1"]]


def select_in(pictures: AnnotatedPictures, detections: pd.DataFrame) -> pd.DataFrame:
    """The detections in these pictures, in the order of the pictures."""
    place = pd.Series(range(len(pictures.images)), pictures.images.index)
    rows = detections[detections["image"].isin(pictures.images.index)]
    return rows.iloc[np.argsort(rows["image"].map(place).to_numpy(), kind="stable")].reset_index(
        drop=True
    )


def best_score(curve: pd.DataFrame) -> float:
    """The least score to keep for the best F1; 0.5 where nothing was detected.

    F1 often hardly changes over a wide range of scores, and which of them is the best by a hair is
    chance. So this is the middle of the range around the best in which F1 is at least
    `NEARLY_BEST` of it. On PETS 2009, whose 22 validation pictures show 110 people, the very best
    score was 0.69 and gave an F1 of 0.75 on an unseen video; the middle was 0.58 and gave 0.84.
    """
    if curve.empty:
        return 0.5
    scores, f1 = curve["score"].to_numpy(), curve["f1"].to_numpy()
    best = int(f1.argmax())
    others = np.flatnonzero(f1 < NEARLY_BEST * f1[best])
    first = others[others < best].max(initial=-1) + 1
    last = others[others > best].min(initial=len(f1)) - 1
    return float((scores[first] + scores[last]) / 2)


def measure_at_score(
    truth: AnnotatedPictures, detections: pd.DataFrame, score: float
) -> dict[str, float]:
    """`precision`, `recall` and `f1` of the detections with at least this score, at IoU 0.5."""
    kept = detections[detections["score"] >= score]
    curve = precision_recall(truth, kept)
    last = {"precision": 0.0, "recall": 0.0, "f1": 0.0} if curve.empty else curve.iloc[-1]
    return {name: round(float(last[name]), DECIMALS) for name in ("precision", "recall", "f1")}


def match(truth: AnnotatedPictures, detections: pd.DataFrame) -> pd.DataFrame:
    """Matches detections with objects, at IoU 0.5, in descending order of score.

    Returns:
        The detections in the given order, with `outcome` (`right`, `wrong` or `ignored`) and
        `object`, the row in `truth.boxes` of the matched object (-1: none).
    """
    objects = truth.boxes.reset_index(drop=True)
    is_ignored = truth.is_ignored.to_numpy()
    true_corners = objects[CORNERS].to_numpy(float)
    corners = detections[CORNERS].to_numpy(float)
    scores = detections["score"].to_numpy(float)
    outcomes = np.full(len(detections), "wrong", dtype=object)
    matched_objects = np.full(len(detections), -1)
    keys = ["image", "label"]
    objects_by_key = objects.groupby(keys, sort=False).indices
    for key, rows in detections.reset_index(drop=True).groupby(keys, sort=False).indices.items():
        candidates = objects_by_key.get(key)
        if candidates is None:
            continue
        real, ignored = candidates[~is_ignored[candidates]], candidates[is_ignored[candidates]]
        # (rows, real) and (rows, ignored): detections of one class in one picture.
        overlap = pairwise_iou(corners[rows], true_corners[real])
        inside = pairwise_share(corners[rows], true_corners[ignored])
        free = np.ones(len(real), dtype=bool)
        for at in np.argsort(-scores[rows], kind="stable"):
            free_overlap = np.where(free, overlap[at], 0.0)
            best = int(free_overlap.argmax()) if len(real) else -1
            if best >= 0 and free_overlap[best] >= MATCH_IOU:
                free[best] = False
                outcomes[rows[at]], matched_objects[rows[at]] = "right", real[best]
            elif (inside[at] >= MATCH_IOU).any():
                outcomes[rows[at]] = "ignored"
    return detections.assign(outcome=outcomes, object=matched_objects)


def f1_by_picture(truth: AnnotatedPictures, outcome: pd.DataFrame) -> "pd.Series[float]":
    """F1 of each picture; NaN where there are no objects and no detections that count.

    Args:
        outcome: the table that `match` returns.
    """
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
    """At most `num_rows` rows of a curve, evenly spread over its recall, rounded."""
    if len(curve) > num_rows:
        at = np.searchsorted(curve["recall"], np.linspace(0, curve["recall"].iloc[-1], num_rows))
        curve = curve.iloc[np.unique(at.clip(max=len(curve) - 1))]
    return curve.round(CURVE_DECIMALS)


class _Curves:
    """The result of COCO's evaluation: precision (T, R, K, A) and recall (T, K, A, M).

    T are IoU thresholds, R recalls, K classes, A ranges of areas, M numbers of detections. -1 where
    there is no object.
    """

    def __init__(
        self,
        truth: AnnotatedPictures,
        detections: pd.DataFrame,
        ranges: Sequence[tuple[float, float]],
        decimals: int | None,
        by_height: bool = False,
        of_masks: bool = False,
    ) -> None:
        self._decimals = decimals
        if detections.empty:  # the library refuses an empty list
            has_objects = _counts(truth, ranges, by_height) > 0  # (K, A)
            nothing = np.where(has_objects, 0.0, -1.0)
            self.precision = nothing[None, None]
            self.recall = nothing[None, :, :, None]
            return
        evaluation = _evaluate(truth, detections, ranges, by_height, of_masks)
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
    of_masks: bool,
) -> dict[str, npt.NDArray[np.float64]]:
    with _collector_paused():
        predicted = COCO()
        predicted.dataset = _as_coco(truth, detections, by_height, of_masks)
        predicted.createIndex()
        annotated = COCO()
        annotated.dataset = _as_coco(truth, truth.boxes, by_height, of_masks)
        annotated.createIndex()
        kind = "segm" if of_masks else "bbox"
        run = COCOeval_faster(annotated, predicted, iouType=kind, print_function=lambda *_: None)
        run.params.areaRng = [list(one) for one in ranges]
        run.params.areaRngLbl = [str(number) for number in range(len(ranges))]
        run.params.maxDets = [MAX_DETECTIONS]
        run.evaluate()
        run.accumulate()
    return {name: np.asarray(run.eval[name]) for name in ("precision", "recall")}


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Every box becomes a dictionary that stays, and the collector would look through all again and
    again, for a fifth of the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _as_coco(
    truth: AnnotatedPictures, boxes: pd.DataFrame, by_height: bool, of_masks: bool
) -> dict[str, Any]:
    """A table of boxes in COCO's form. With `by_height`, heights take the place of areas."""
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
        }
        for number, (image, label, box, area, crowd) in enumerate(
            zip(
                boxes["image"].map(images).tolist(),
                boxes["label"].map(labels).tolist(),
                np.concatenate([corners[:, :2], size], axis=1).tolist(),
                measure.tolist(),
                ignored.tolist(),
                strict=True,
            ),
            start=1,
        )
    ]
    if not is_truth:
        for annotation, score in zip(annotations, boxes["score"].tolist(), strict=True):
            annotation["score"] = score
    if of_masks:
        sizes_hw = dict(
            zip(images, truth.images[["height", "width"]].to_numpy().tolist(), strict=True)
        )
        texts = zip(boxes["image"].tolist(), boxes[COUNTS].tolist(), strict=True)
        for annotation, (image, text) in zip(annotations, texts, strict=True):
            annotation["segmentation"] = {"size": sizes_hw[image], "counts": text}
    sizes_wh = truth.images[["width", "height"]].to_numpy().tolist()
    return {
        "images": [
            {"id": number, "width": width, "height": height}
            for number, (width, height) in zip(images.values(), sizes_wh, strict=True)
        ],
        "annotations": annotations,
        "categories": [{"id": number, "name": label} for label, number in labels.items()],
    }


def _counts(
    truth: AnnotatedPictures, ranges: Sequence[tuple[float, float]], by_height: bool
) -> npt.NDArray[np.int64]:
    """(K, A): the number of objects to detect, by class and range."""
    boxes = truth.boxes[~truth.is_ignored]
    size = boxes[["x2", "y2"]].to_numpy(float) - boxes[["x1", "y1"]].to_numpy(float)
    measure = size[:, 1] if by_height else size[:, 0] * size[:, 1]
    within = np.array([(measure >= low) & (measure <= high) for low, high in ranges])  # (A, N)
    # (K, N), so that the product counts the boxes of each class in each range.
    is_class = np.array([(boxes["label"] == label).to_numpy() for label in truth.classes])
    counts: npt.NDArray[np.int64] = is_class.astype(int) @ within.T.astype(int)
    return counts
