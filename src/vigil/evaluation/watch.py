"""Metrics of watched videos whose truth is known, with their curves and pictures."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from vigil.domain.measures.watch import MeasuredVideo, match_videos, measure_watch, score_frames_of
from vigil.domain.watched import Truth, WatchedVideo
from vigil.pixels.sheets.watch import draw_scores
from vigil.plumbing.records import write_csv
from vigil.settings.evaluate_watch import EvaluateWatch

ALARM_COLUMNS = ["video", "what", "kind", "start_s", "end_s", "is_matched"]


class WatchEvaluation:
    """Measures watched videos."""

    def __init__(
        self,
        videos: Mapping[str, WatchedVideo],
        truths: Mapping[str, Truth],
        settings: EvaluateWatch,
    ) -> None:
        self._measured, self._settings = match_videos(videos, truths), settings

    def numbers(self) -> dict[str, Any]:
        """All metrics over all videos."""
        return measure_watch(self._measured, self._settings.false_track_share)

    def write_curves(self, folder: Path) -> None:
        """Writes the data of the plots: events, and scores of frames."""
        rows = [row for name, video in self._measured.items() for row in _events(name, video)]
        write_csv(pd.DataFrame(rows, columns=ALARM_COLUMNS), folder / "events.csv")
        parts = []
        for name, video in self._measured.items():
            scores, is_unusual = score_frames_of(video)
            parts.append(
                pd.DataFrame(
                    {
                        "video": name,
                        "frame_index": range(len(scores)),
                        "ratio": scores,
                        "is_unusual": is_unusual.astype(int),
                    }
                )
            )
        columns = ["video", "frame_index", "ratio", "is_unusual"]
        table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
        write_csv(table, folder / "frames.csv")

    def draw_pictures(self, folder: Path) -> None:
        """Draws the scores of each video over time."""
        for name, video in self._measured.items():
            scores = video.results.scores
            columns = ["start_s", "end_s"]
            draw_scores(
                name,
                ((scores["start_s"] + scores["stop_s"]) / 2).to_numpy(),
                scores["ratio"].to_numpy(),
                list(video.truth.events[["kind", *columns]].itertuples(index=False, name=None)),
                list(video.results.events[columns].itertuples(index=False, name=None)),
                folder / f"{name}.png",
            )


def _events(name: str, measured: MeasuredVideo) -> list[tuple[Any, ...]]:
    matched_true = {row for row, _ in measured.events.matches.pairs}
    matched_predicted = {column for _, column in measured.events.matches.pairs}
    true_rows = [
        (name, "true", kind, start_s, end_s, int(number in matched_true))
        for number, (kind, start_s, end_s) in enumerate(
            measured.truth.events.itertuples(index=False)
        )
    ]
    predicted_rows = [
        (name, "found", "", start_s, end_s, int(number in matched_predicted))
        for number, (start_s, _, end_s) in enumerate(
            measured.results.events.itertuples(index=False)
        )
    ]
    return [*true_rows, *predicted_rows]
