"""Evaluates the alarm on the test clips: metrics of all scorers, curves and sheets."""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import pandas as pd

from vigil.domain.clips.scores import AUTOENCODER, SCORERS, round_digits
from vigil.domain.measures.alarm import (
    accuracy_by_class,
    accuracy_by_split,
    bootstrap_intervals,
    measure_alarm,
    precision_recall_curve,
    roc_curve,
    sweep_thresholds,
)
from vigil.domain.sides import TEST
from vigil.pixels.sheets.alarm import draw_clip_sheet, draw_error_boxes
from vigil.plumbing.errors import InputError, listed
from vigil.plumbing.records import write_csv
from vigil.settings.evaluate_alarm import EvaluateAlarm

NUM_DIGITS = 3  # of a threshold that is shown; the threshold in use has more digits


class AlarmEvaluation:
    """Computes metrics, curves and sheets from the scores of clips."""

    def __init__(
        self, clips: pd.DataFrame, thresholds: Mapping[str, float], settings: EvaluateAlarm
    ) -> None:
        """Args: clips: scores of the clips of all sides. thresholds: one for each scorer.

        Raises:
            InputError: a scorer has no threshold, or the test set lacks allowed or anomalous clips.
        """
        self._clips = clips.assign(error=clips[AUTOENCODER])
        self._test = self._clips[clips["split"] == TEST]
        self._thresholds, self._settings = thresholds, settings
        if missing := set(SCORERS) - thresholds.keys():
            raise InputError(f"expected a threshold of each scorer, got none of {listed(missing)}")
        self._threshold = thresholds[AUTOENCODER]
        if self._test["is_anomalous"].nunique() < 2:
            raise InputError(
                "expected allowed and anomalous clips in the test set, got "
                f"{len(self._test)} clips of one kind"
            )

    def numbers(self) -> dict[str, Any]:
        """The metrics of the autoencoder, and under `baselines` those of the other scorers.

        Tables are lists of rows, and intervals are lists. DVC shows only the single numbers, each
        in a column.
        """
        is_anomalous = self._test["is_anomalous"].to_numpy()
        scores = self._test["error"].to_numpy()
        return {
            **measure_alarm(is_anomalous, scores, self._threshold),
            "threshold": float(round_digits(self._threshold, NUM_DIGITS)),
            "accuracy": accuracy_by_split(self._clips, self._threshold),
            "accuracy_by_class": accuracy_by_class(self._test, self._threshold).to_dict("records"),
            "intervals_95": bootstrap_intervals(
                is_anomalous,
                scores,
                self._test["source"].tolist(),
                self._threshold,
                num_rounds=self._settings.num_bootstrap,
                seed=self._settings.seed,
            ),
            "num_allowed": int((~is_anomalous).sum()),
            "num_anomalous": int(is_anomalous.sum()),
            "baselines": [self._measure(name) for name in SCORERS if name != AUTOENCODER],
        }

    def _measure(self, scorer: str) -> dict[str, Any]:
        threshold = self._thresholds[scorer]
        scores = self._test[scorer].to_numpy()
        return {
            "scorer": scorer,
            **measure_alarm(self._test["is_anomalous"].to_numpy(), scores, threshold),
            "threshold": float(round_digits(threshold, NUM_DIGITS)),
        }

    def verdicts(self) -> pd.DataFrame:
        """Each clip with the autoencoder's error, its verdict, and whether the verdict is right."""
        columns = ["clip", "class", "source", "is_anomalous", "split", "error"]
        alarm = self._clips["error"] > self._threshold
        is_right = alarm == self._clips["is_anomalous"]
        return self._clips[columns].assign(alarm=alarm, is_right=is_right)

    def write_curves(self, folder: Path) -> None:
        """Writes the tables behind the plots."""
        test = self._test
        is_anomalous, scores = test["is_anomalous"].to_numpy(), test["error"].to_numpy()
        write_csv(roc_curve(is_anomalous, scores), folder / "roc.csv")
        write_csv(precision_recall_curve(is_anomalous, scores), folder / "precision_recall.csv")
        write_csv(sweep_thresholds(is_anomalous, scores), folder / "thresholds.csv")

    def draw_sheets(
        self, clips: Path, windows: pd.DataFrame, folder: Path, picture_fps: Fraction
    ) -> None:
        """Draws the errors by split and by class, the worst misses and the worst false alarms.

        Args:
            clips: the folder of the videos.
            windows: `clip`, `video`, `start_s` and `stop_s` of every window.
            picture_fps: the frame rate of folders of numbered pictures.
        """
        self._draw_errors(folder)
        alarm = self._test["error"] > self._threshold
        is_anomalous = self._test["is_anomalous"]
        misses = self._test[~alarm & is_anomalous].sort_values("error", kind="stable")
        false_alarms = self._test[alarm & ~is_anomalous].sort_values(
            "error", kind="stable", ascending=False
        )
        for name, rows, title in (
            ("misses", misses, "Anomalous clips that raise no alarm"),
            ("false_alarms", false_alarms, "Allowed clips that raise the alarm"),
        ):
            shown = rows.head(self._settings.num_pictures)
            ratios = shown["error"] / self._threshold if self._threshold > 0 else shown["error"]
            rated = shown.assign(ratio=ratios)
            draw_clip_sheet(
                rated,
                clips,
                windows,
                folder / f"{name}.jpg",
                picture_fps=picture_fps,
                title=title,
            )

    def _draw_errors(self, folder: Path) -> None:
        test = self._test
        kinds = self._clips["split"].where(
            ~self._clips["is_anomalous"], self._clips["split"] + " anomaly"
        )
        by_split = {
            name: self._clips.loc[kinds == name, "error"].to_numpy()
            for name in ("train", "val", "test", "val anomaly", "test anomaly")
            if (kinds == name).any()
        }
        draw_error_boxes(
            by_split, self._threshold, folder / "errors_by_split.png", "Error by split"
        )
        classes = test[["class", "is_anomalous"]].drop_duplicates()
        by_class = {
            f"{name} (!)" if anomalous else name: test.loc[
                test["class"] == name, "error"
            ].to_numpy()
            for name, anomalous in classes.sort_values(["is_anomalous", "class"]).itertuples(
                index=False
            )
        }
        draw_error_boxes(
            by_class,
            self._threshold,
            folder / "errors_by_class.png",
            "Error of test clips by class (!: must raise the alarm)",
        )
