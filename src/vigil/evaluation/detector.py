"""Evaluates the detector on the test pictures: metrics, curves and sheets."""

from pathlib import Path
from typing import Any

import pandas as pd

from vigil.domain.measures.detector import (
    CURVE_DECIMALS,
    average_precision_by_height,
    best_score,
    f1_by_picture,
    match,
    measure_at_score,
    measure_detections,
    measure_masks,
    precision_recall,
    precision_recall_by_class,
    select_in,
    thin,
)
from vigil.domain.pictures.annotated import AnnotatedPictures
from vigil.evaluation.spacing import choose_shown
from vigil.pixels.pictures.images import ImageSource
from vigil.pixels.sheets.detector import draw_comparisons
from vigil.plumbing.errors import InputError, shorten
from vigil.plumbing.records import read_json, write_csv
from vigil.settings.evaluate_detector import EvaluateDetector


def finds_masks(card: Path) -> bool:
    """Whether the detector with this card was trained to find masks.

    Raises:
        InputError: no such file, or it is not a card of `train_detector`.
    """
    content = read_json(card)
    try:
        return bool(content["training"]["params"].get("masks", False))
    except (KeyError, TypeError, AttributeError):
        raise InputError(
            f"{card}: expected the card of a trained detector, got {shorten(content)}"
        ) from None


def pick_score(
    settings: EvaluateDetector, val: AnnotatedPictures, detections: pd.DataFrame
) -> float:
    """The least score of a detection that counts: from the settings, or picked on `val`.

    Args:
        detections: detections in the pictures of `val`; those in other pictures are ignored.
    """
    if settings.score_threshold != "auto":
        return settings.score_threshold
    return best_score(precision_recall(val, select_in(val, detections)))


class DetectorEvaluation:
    """Computes metrics, curves and sheets from detections in the test pictures."""

    def __init__(
        self,
        test: AnnotatedPictures,
        detections: pd.DataFrame,
        score_threshold: float,
        settings: EvaluateDetector,
    ) -> None:
        """Args: detections: in the test pictures; those in other pictures are ignored."""
        self._test, self._settings = test, settings
        self._detections = select_in(test, detections)
        self._score_threshold = score_threshold

    def numbers(self) -> dict[str, Any]:
        """The metrics of COCO, and precision and recall at the score threshold.

        Where objects and detections have masks, mAP by their IoU is among them.
        """
        return {
            **measure_detections(self._test, self._detections),
            **measure_masks(self._test, self._detections),
            **measure_at_score(self._test, self._detections, self._score_threshold),
            "score_threshold": round(self._score_threshold, CURVE_DECIMALS),
            "num_pictures": len(self._test.images),
            "num_objects": int((~self._test.is_ignored).sum()),
        }

    def write_curves(self, folder: Path) -> None:
        """Writes the tables behind the plots: precision and recall, mAP by height."""
        curve = precision_recall(self._test, self._detections)
        write_csv(thin(curve), folder / "precision_recall.csv")
        by_class = precision_recall_by_class(self._test, self._detections)
        write_csv(by_class, folder / "precision_recall_by_class.csv")
        step_px = self._settings.height_step_px
        by_height = average_precision_by_height(self._test, self._detections, step_px)
        write_csv(by_height, folder / "map_by_height.csv")

    def draw_sheets(self, source: ImageSource, folder: Path) -> None:
        """Draws the best, the worst and random pictures, truth and detections side by side."""
        kept = self._detections[self._detections["score"] >= self._score_threshold]
        outcome = match(self._test, kept)
        f1 = f1_by_picture(self._test, outcome)
        chosen = choose_shown(f1.dropna(), self._test.images, self._settings)
        for name, pictures in chosen.items():
            draw_comparisons(
                self._test,
                outcome,
                f1.loc[pictures],
                source,
                folder / f"{name}.jpg",
                f"{name.capitalize()} pictures of the test set, from different moments",
            )
