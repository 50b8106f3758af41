"""Evaluates the alarm on the test clips: metrics of all scorers, curves and sheets."""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import pandas as pd

from vigil.domain.clips.scores import channel_ratios, raising_of, round_digits, scorers_of
from vigil.domain.clips.windows import MIXED
from vigil.domain.measures.alarm import (
    accuracy_by_class,
    accuracy_by_split,
    bootstrap_intervals,
    measure_alarm,
    precision_recall_curve,
    roc_curve,
    sweep_thresholds,
)
from vigil.domain.sides import TEST, TRAIN, VAL
from vigil.pixels.sheets.alarm import draw_alarm_sheet, draw_clip_sheet, draw_error_boxes
from vigil.plumbing.errors import InputError, listed
from vigil.plumbing.records import write_csv
from vigil.settings.evaluate_alarm import EvaluateAlarm

NUM_DIGITS = 3  # of a threshold that is shown; the threshold in use has more digits
ALARM = 1.0
"""A clip raises the alarm if the ratio of a channel's score to its threshold is above this."""


class AlarmEvaluation:
    """Computes metrics, curves and sheets from the scores of clips."""

    def __init__(
        self, clips: pd.DataFrame, thresholds: Mapping[str, float], settings: EvaluateAlarm
    ) -> None:
        """Args: clips: scores of the clips of all sides. thresholds: one for each scorer.

        Windows that are partly anomalous (`MIXED`) do not count.

        Raises:
            InputError: a scorer has no threshold, or the test set lacks allowed or anomalous clips.
        """
        self._scorers = scorers_of(clips)
        if missing := set(self._scorers) - thresholds.keys():
            raise InputError(f"expected a threshold of each scorer, got none of {listed(missing)}")
        self._raising = raising_of(self._scorers)
        is_mixed = clips["class"] == MIXED
        self._num_mixed = int((is_mixed & (clips["split"] == TEST)).sum())
        clips = clips[~is_mixed]
        ratios = channel_ratios(clips, thresholds)
        self._ratios = ratios
        self._clips = clips.assign(error=ratios.max(axis=1), channel=ratios.idxmax(axis=1))
        self._test = self._clips[clips["split"] == TEST]
        self._thresholds, self._settings = thresholds, settings
        if self._test["is_anomalous"].nunique() < 2:
            raise InputError(
                "expected allowed and anomalous clips in the test set, got "
                f"{len(self._test)} clips of one kind"
            )

    def numbers(self) -> dict[str, Any]:
        """The metrics of all channels together, and of each scorer and channel by itself.

        Tables are lists of rows, and intervals are lists. DVC shows only the single numbers, each
        in a column.
        """
        is_anomalous = self._test["is_anomalous"].to_numpy()
        scores = self._test["error"].to_numpy()
        return {
            **measure_alarm(is_anomalous, scores, ALARM),
            "accuracy": accuracy_by_split(self._clips, ALARM),
            "accuracy_by_class": accuracy_by_class(self._test, ALARM).to_dict("records"),
            "intervals_95": bootstrap_intervals(
                is_anomalous,
                scores,
                self._test["source"].tolist(),
                ALARM,
                num_rounds=self._settings.num_bootstrap,
                seed=self._settings.seed,
            ),
            "num_allowed": int((~is_anomalous).sum()),
            "num_anomalous": int(is_anomalous.sum()),
            **({"num_mixed": self._num_mixed} if self._num_mixed else {}),
            "scorers": [self._measure(name) for name in self._scorers],
            "channels": [self._measure_without(channel) for channel in self._raising],
        }

    def _measure(self, scorer: str) -> dict[str, Any]:
        threshold = self._thresholds[scorer]
        scores = self._test[scorer].to_numpy()
        return {
            "scorer": scorer,
            "raises_the_alarm": scorer in self._raising.values(),
            **measure_alarm(self._test["is_anomalous"].to_numpy(), scores, threshold),
            "threshold": float(round_digits(threshold, NUM_DIGITS)),
        }

    def _measure_without(self, channel: str) -> dict[str, Any]:
        """The alarms that a channel raised, and the metrics of the alarm without this channel."""
        test = self._test
        raised = test[(test["error"] > ALARM) & (test["channel"] == channel)]
        numbers: dict[str, Any] = {
            "channel": channel,
            "right_alarms": int(raised["is_anomalous"].sum()),
            "false_alarms": int((~raised["is_anomalous"]).sum()),
        }
        others = self._ratios.loc[test.index].drop(columns=channel)
        if others.shape[1]:
            left = measure_alarm(
                test["is_anomalous"].to_numpy(), others.max(axis=1).to_numpy(), ALARM
            )
            numbers |= {f"{name}_without": value for name, value in left.items()}
        return numbers

    def verdicts(self) -> pd.DataFrame:
        """Each clip with its largest ratio, the channel of it, and whether the verdict is right.

        `ratio` is the ratio of a score to its threshold: above 1, the clip raises the alarm.
        """
        columns = ["clip", "class", "source", "is_anomalous", "split"]
        alarm = self._clips["error"] > ALARM
        return self._clips[columns].assign(
            ratio=round_digits(self._clips["error"].to_numpy()),
            channel=self._clips["channel"],
            alarm=alarm,
            is_right=alarm == self._clips["is_anomalous"],
        )

    def write_curves(self, folder: Path) -> None:
        """Writes the tables behind the plots."""
        test = self._test
        is_anomalous, scores = test["is_anomalous"].to_numpy(), test["error"].to_numpy()
        write_csv(roc_curve(is_anomalous, scores), folder / "roc.csv")
        write_csv(precision_recall_curve(is_anomalous, scores), folder / "precision_recall.csv")
        write_csv(sweep_thresholds(is_anomalous, scores), folder / "thresholds.csv")

    def draw_sheets(
        self,
        clips: Path,
        windows: pd.DataFrame,
        evidence: pd.DataFrame,
        nearest: pd.DataFrame,
        folder: Path,
        picture_fps: Fraction,
    ) -> None:
        """Draws ratios by split and class, alarms, the worst misses and the worst false alarms.

        Args:
            clips: the folder of the videos.
            windows: `clip`, `video`, `start_s` and `stop_s` of every window.
            evidence: the evidence in the videos of the test set, with `ratio`.
            nearest: the allowed evidence nearest to that of each test clip.
            picture_fps: the frame rate of folders of numbered pictures.
        """
        self._draw_errors(folder)
        self._draw_alarms(clips, windows, evidence, nearest, folder / "alarms.jpg", picture_fps)
        alarm = self._test["error"] > ALARM
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
            draw_clip_sheet(
                shown.assign(ratio=shown["error"]),
                clips,
                windows,
                folder / f"{name}.jpg",
                picture_fps=picture_fps,
                title=title,
            )

    def _draw_alarms(
        self,
        clips: Path,
        windows: pd.DataFrame,
        evidence: pd.DataFrame,
        nearest: pd.DataFrame,
        file: Path,
        picture_fps: Fraction,
    ) -> None:
        """Draws false alarms first, then the strongest right alarms of each channel in turn."""
        alarms = self._test[self._test["error"] > ALARM].sort_values(
            ["is_anomalous", "error"], ascending=[True, False], kind="stable"
        )
        turn = alarms.groupby(["is_anomalous", "channel"], sort=False).cumcount()
        order = alarms.assign(turn=turn, ratio=alarms["error"])
        order = order.sort_values(["is_anomalous", "turn"], kind="stable")
        shown = order.head(self._settings.num_pictures)
        draw_alarm_sheet(shown, evidence, nearest, clips, windows, file, picture_fps=picture_fps)

    def _draw_errors(self, folder: Path) -> None:
        test = self._test
        is_anomalous = self._clips["is_anomalous"]
        kinds = self._clips["split"] + is_anomalous.map({False: ", allowed", True: ", anomalous"})
        by_split = {
            name: self._clips.loc[kinds == name, "error"].to_numpy()
            for anomalous in ("allowed", "anomalous")
            for name in (f"{side}, {anomalous}" for side in (TRAIN, VAL, TEST))
            if (kinds == name).any()
        }
        draw_error_boxes(
            by_split, ALARM, folder / "errors_by_split.png", "Evidence in clips by split"
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
            ALARM,
            folder / "errors_by_class.png",
            "Evidence in test clips by class (!: must raise the alarm)",
        )
