"""Finds hard examples in the predictions for training data: false alarms and misses."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from vigil.domain.boxes import CORNERS, pairwise_iou
from vigil.domain.hard_examples import FALSE_ALARM, MISS, TYPES
from vigil.domain.measures.detector import match
from vigil.domain.pictures.annotated import AnnotatedPictures
from vigil.domain.samples.index import BACKGROUND, PERSON

LOOSE_IOU = 0.3
"""A box that overlaps an object by more is a loose box, and no false alarm."""
BOX_COLUMNS = [*TYPES, "label", *CORNERS]


def worst_first(examples: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    """Hard examples in descending order of error, ties in the order of the names.

    Args:
        examples: at least the columns of `TYPES`.
        names: all names that may occur, in their order.
    """
    error = np.where(examples["kind"] == MISS, 1 - examples["score"], examples["score"])
    place = {name: number for number, name in enumerate(names)}
    order = np.lexsort((examples["name"].map(place).to_numpy(np.int64), -error))
    return examples.iloc[order].reset_index(drop=True)


def hard_samples(predictions: pd.DataFrame, least_probability: float) -> pd.DataFrame:
    """Samples of crops that the classifier gets wrong.

    Args:
        predictions: `label` and `probability` by the id of a sample, of training samples alone.
        least_probability: a sample with a lower probability of a person is refused.

    Returns:
        The columns of `TYPES`, the worst error first, ties in the order of the samples.
    """
    probability = predictions["probability"]
    is_miss = (predictions["label"] == PERSON) & (probability < least_probability)
    is_false = (predictions["label"] == BACKGROUND) & (probability >= least_probability)
    wrong = predictions[is_miss | is_false]
    table = pd.DataFrame(
        {
            "name": wrong.index.astype(str),
            "kind": np.where(wrong["label"] == PERSON, MISS, FALSE_ALARM),
            "score": wrong["probability"].to_numpy(),
        }
    )
    return worst_first(table, predictions.index)


def hard_pictures(
    truth: AnnotatedPictures, detections: pd.DataFrame, least_score: float
) -> pd.DataFrame:
    """Boxes of background with a high score, and objects without a box, in training pictures.

    A picture without objects is hard if it has a box with a high score.

    Args:
        truth: the training pictures alone.
        detections: `DETECTION_COLUMNS` in these pictures, at all scores.
        least_score: boxes with a lower score do not count.

    Returns:
        `BOX_COLUMNS`: for a false alarm, its box and score; for a miss, the object, and the best
        score of any box on it. The worst error first, ties in order of the pictures.
    """
    strong = detections[detections["score"] >= least_score].reset_index(drop=True)
    outcome = match(truth, strong)
    wrong = outcome[outcome["outcome"] == "wrong"]
    is_loose = [
        bool((_overlaps(row, truth.boxes) > LOOSE_IOU).any()) for _, row in wrong.iterrows()
    ]
    alarms = wrong[~np.array(is_loose, bool)].assign(kind=FALSE_ALARM)
    objects = truth.boxes.reset_index(drop=True)
    is_found = np.isin(np.arange(len(objects)), outcome["object"])
    missed = objects[~is_found & ~truth.is_ignored.to_numpy()]
    best = [_best_score(row, detections) for _, row in missed.iterrows()]
    misses = missed.assign(kind=MISS, score=np.array(best, np.float64))
    table = pd.concat([alarms, misses]).rename(columns={"image": "name"})[BOX_COLUMNS]
    return worst_first(table, truth.images.index)


def _overlaps(box: pd.Series, others: pd.DataFrame) -> np.ndarray:
    """(N,): the IoU with each box in the same picture."""
    same = others[others["image"] == box["image"]]
    corners = box[CORNERS].to_numpy(np.float64)[None]
    overlaps: np.ndarray = pairwise_iou(corners, same[CORNERS].to_numpy(np.float64))[0]
    return overlaps


def _best_score(box: pd.Series, detections: pd.DataFrame) -> float:
    """The best score of a detection that overlaps an object; 0: none does."""
    same = detections[detections["image"] == box["image"]]
    scores = same["score"].to_numpy(np.float64)[_overlaps(box, detections) > LOOSE_IOU]
    return float(scores.max(initial=0.0))
