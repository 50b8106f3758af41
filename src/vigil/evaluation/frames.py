"""Evaluates the alarm on long videos, frame by frame: metrics of time and of place."""

from collections.abc import Hashable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from vigil.domain.boxes import CORNERS
from vigil.domain.clips.verdicts import NO_EVIDENCE
from vigil.domain.measures.frames import (
    frame_interval,
    measure_frames,
    score_frames,
)
from vigil.domain.measures.regions import Predicted, Truth, latest_regions, measure_regions
from vigil.plumbing.errors import InputError, listed
from vigil.settings.evaluate_alarm import EvaluateAlarm

Floats = npt.NDArray[np.float64]


class FrameEvaluation:
    """Computes metrics from the evidence in the videos of the test set."""

    def __init__(
        self,
        frames: pd.DataFrame,
        regions: pd.DataFrame,
        evidence: pd.DataFrame,
        windows: pd.DataFrame,
        settings: EvaluateAlarm,
    ) -> None:
        """Joins the tables by video.

        Args:
            frames, regions: the ground truth of all videos.
            evidence: the evidence in the videos of the test set, with `ratio`.
            windows: `video` and `source` of every window.

        Raises:
            InputError: there is no video, or a video with evidence has no labelled frames.
        """
        self._settings = settings
        self._evidence = dict(list(evidence.groupby("video", sort=False)))
        self._frames = {
            str(video): rows
            for video, rows in frames.groupby("video", sort=False)
            if video in self._evidence
        }
        if missing := self._evidence.keys() - self._frames.keys():
            raise InputError(
                f"expected the truth of the frames of each test video, found none of "
                f"{listed(missing)}"
            )
        if not self._frames:
            raise InputError("expected videos in the test, found none")
        self._regions = regions
        self._sources = windows.drop_duplicates("video").set_index("video")["source"].to_dict()

    def numbers(self) -> dict[str, Any]:
        """`frame_auroc`, the micro AUROC, and under `frames` all metrics, also by channel."""
        truth = {name: rows["is_anomalous"].to_numpy() for name, rows in self._frames.items()}
        scores = {
            name: score_frames(rows["time_s"].to_numpy(), self._evidence[name])
            for name, rows in self._frames.items()
        }
        # In a video without anybody, objects has no evidence.
        channels = list(dict.fromkeys(name for each in scores.values() for name in each))
        for name, each in scores.items():
            nothing = np.full(len(truth[name]), NO_EVIDENCE)
            scores[name] = {channel: each.get(channel, nothing) for channel in channels}
        # The score of a frame by all channels is its largest score by a channel.
        largest = {name: np.max(list(each.values()), axis=0) for name, each in scores.items()}
        videos = list(truth)
        numbers: dict[str, Any] = {
            "scores": "causal: the strongest evidence known when a frame is shown, not smoothed",
            "num_frames": int(sum(map(len, truth.values()))),
            "num_anomalous": int(sum(labels.sum() for labels in truth.values())),
            "num_waiting": sum(self._num_waiting(name) for name in videos),
            **measure_frames(list(truth.values()), list(largest.values()), videos),
            "auroc_micro_interval_95": frame_interval(
                truth,
                largest,
                {name: self._sources[name] for name in videos},
                num_rounds=self._settings.num_bootstrap,
                seed=self._settings.seed,
            ),
            "by_channel": [
                {
                    "channel": channel,
                    **measure_frames(
                        list(truth.values()), [scores[name][channel] for name in videos], videos
                    ),
                }
                for channel in channels
            ],
        }
        return {"frame_auroc": numbers["auroc_micro"], "frames": numbers | self._measure_regions()}

    def _num_waiting(self, video: str) -> int:
        """The number of frames before the first evidence, which get the score of the first."""
        first_s = self._evidence[video].groupby("channel")["time_s"].min().min()
        return int((self._frames[video]["time_s"] < first_s - 1e-4).sum())

    def _measure_regions(self) -> dict[str, float]:
        """`rbdc` and `tbdc`; empty if no test video has masks."""
        regions = self._regions[self._regions["video"].isin(list(self._frames))]
        if regions.empty:
            return {}
        true: dict[Hashable, Truth] = {}
        for key, rows in regions.groupby(["video", "frame"], sort=False):
            video = str(rows["video"].iloc[0])
            tracks = tuple((video, track) for track in rows["track"].tolist())
            true[key] = Truth(rows[CORNERS].to_numpy(), tracks)
        predicted: dict[Hashable, Predicted] = {}
        for video, frames in self._frames.items():
            places = latest_regions(frames["time_s"].to_numpy(), self._evidence[video])
            for frame, regions_at in zip(frames["frame"].tolist(), places, strict=True):
                predicted[video, int(frame)] = regions_at
        return measure_regions(predicted, true, sum(map(len, self._frames.values())))
