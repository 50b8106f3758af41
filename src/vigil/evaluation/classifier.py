"""Evaluates the classifier on the test samples: metrics, curves and sheets of crops."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from vigil.domain.measures.classifier import (
    accuracy_by,
    calibration_curve,
    measure_binary,
    roc_curve,
)
from vigil.domain.samples.attention import Attention
from vigil.domain.samples.index import LABELS
from vigil.pixels.sheets.classifier import draw_attention, draw_predictions
from vigil.plumbing.records import write_csv
from vigil.settings.evaluate_classifier import EvaluateClassifier

Bools = npt.NDArray[np.bool_]


class ClassifierEvaluation:
    """Computes metrics, curves and sheets from predictions for the test samples."""

    def __init__(self, test: pd.DataFrame, settings: EvaluateClassifier) -> None:
        """Args: test: the predictions for the test samples, one in each row."""
        self._test, self._settings = test.reset_index(drop=True), settings
        self._probabilities = test["probability"].to_numpy()
        self._targets: Bools = (test["label"] == LABELS[1]).to_numpy()
        self._predicted: Bools = self._probabilities >= settings.threshold
        self._correct: Bools = self._predicted == self._targets

    def numbers(self) -> dict[str, Any]:
        """The metrics over all samples, and the accuracy on each video."""
        by_video = accuracy_by(self._correct, self._test["video"], "video")
        return {
            **measure_binary(self._targets, self._probabilities, self._settings.threshold),
            "accuracy_by_video": dict(zip(by_video["video"], by_video["accuracy"], strict=True)),
        }

    def write_curves(self, folder: Path) -> None:
        """Writes the tables behind the plots: confusion, ROC, calibration, accuracy by height."""
        names = np.array(LABELS)
        confusion = pd.DataFrame(
            {
                "actual": names[self._targets.astype(int)],
                "predicted": names[self._predicted.astype(int)],
            }
        )
        write_csv(confusion, folder / "confusion.csv")
        write_csv(roc_curve(self._targets, self._probabilities), folder / "roc.csv")
        num_bins = self._settings.num_calibration_bins
        calibration = calibration_curve(self._targets, self._probabilities, num_bins)
        write_csv(calibration, folder / "calibration.csv")
        step = self._settings.height_step_px
        # (N,): the lower end of the bin of heights that each crop is in.
        lower = (self._test["height_px"].to_numpy() // step * step).astype(int)
        by_height = accuracy_by(self._correct, pd.Series(lower), "height_from_px")
        write_csv(by_height, folder / "accuracy_by_height.csv")

    def draw_sheets(self, samples: Path, attention: Attention, folder: Path) -> None:
        """Draws right predictions spread over the test samples, and the worst wrong ones.

        Args:
            attention: (N, heads, h, w) the maps of the N test samples.
        """
        errors = np.abs(self._probabilities - self._targets)
        num = self._settings.num_pictures
        # Rows of wrong predictions, the largest error first; rows of right ones, evenly spaced.
        wrong = np.flatnonzero(~self._correct)
        wrong = wrong[np.argsort(-errors[wrong], kind="stable")][:num]
        right = np.flatnonzero(self._correct)
        right = right[np.linspace(0, len(right) - 1, min(num, len(right))).astype(int)]
        for name, chosen in (("right", right), ("wrong", wrong)):
            note = "none asked for" if not num else f"no {name} ones"
            title = f"{name.capitalize()} predictions on the test set"
            file = folder / f"{name}.png"
            draw_predictions(self._test.iloc[chosen], samples, file, title=title, note=note)
            few = _few(chosen, self._settings.num_attention, is_spread=name == "right")
            draw_attention(
                self._test.iloc[few],
                attention[few],
                samples,
                folder / f"attention_{name}.jpg",
                title=title,
                note=note if len(chosen) == 0 else "none asked for",
            )


def _few(rows: npt.NDArray[np.int64], num: int, *, is_spread: bool) -> npt.NDArray[np.int64]:
    """At most `num` of the rows: spread evenly over them, or the first ones."""
    if not is_spread:
        return rows[:num]
    spread = rows[np.linspace(0, len(rows) - 1, min(num, len(rows))).astype(int)]
    return np.asarray(spread)
