"""What the alarm is worth on long videos, frame by frame: when it is right, and where."""

from collections.abc import Hashable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from vigil.domain.clips.truth import BOX
from vigil.domain.measures.frames import (
    frame_interval,
    latest_moments,
    measure_frames,
    score_frames,
)
from vigil.domain.measures.regions import Predicted, Truth, measure_regions
from vigil.plumbing.errors import InputError, listed
from vigil.settings.evaluate_alarm import EvaluateAlarm

Floats = npt.NDArray[np.float64]


class FrameEvaluation:
    """Measures what was found in the videos of the test."""

    def __init__(
        self,
        frames: pd.DataFrame,
        regions: pd.DataFrame,
        found: pd.DataFrame,
        windows: pd.DataFrame,
        settings: EvaluateAlarm,
    ) -> None:
        """Takes tables.

        Args:
            frames, regions: the truth of all videos.
            found: what was found in those of the test, with `ratio`.
            windows: `video` and `source` of every window.

        Raises:
            InputError: nothing was found in a video of which something is told, or the other way.
        """
        self._settings = settings
        self._found = dict(list(found.groupby("video", sort=False)))
        self._frames = {
            str(video): own
            for video, own in frames.groupby("video", sort=False)
            if video in self._found
        }
        if missing := self._found.keys() - self._frames.keys():
            raise InputError(
                f"expected the truth of the frames of each test video, found none of "
                f"{listed(missing)}"
            )
        if not self._frames:
            raise InputError("expected videos in the test, found none")
        self._regions = regions
        self._sources = windows.drop_duplicates("video").set_index("video")["source"].to_dict()

    def numbers(self) -> dict[str, Any]:
        """`frame_auroc`, micro; and under `frames` all numbers, those of each channel too."""
        truth = {name: own["is_anomalous"].to_numpy() for name, own in self._frames.items()}
        scores = {
            name: score_frames(own["time_s"].to_numpy(), self._found[name])
            for name, own in self._frames.items()
        }
        together = {name: np.max(list(own.values()), axis=0) for name, own in scores.items()}
        videos = list(truth)
        found: dict[str, Any] = {
            "scores": "causal: the strongest evidence known when a frame is shown, not smoothed",
            "num_frames": int(sum(map(len, truth.values()))),
            "num_anomalous": int(sum(own.sum() for own in truth.values())),
            "num_waiting": sum(self._num_waiting(name) for name in videos),
            **measure_frames(list(truth.values()), list(together.values()), videos),
            "auroc_micro_interval_95": frame_interval(
                truth,
                together,
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
                for channel in next(iter(scores.values()))
            ],
        }
        return {"frame_auroc": found["auroc_micro"], "frames": found | self._measure_regions()}

    def _num_waiting(self, video: str) -> int:
        """Frames before the first evidence of all channels: they have the score of the first."""
        first_s = self._found[video].groupby("channel")["time_s"].min().min()
        return int((self._frames[video]["time_s"] < first_s - 1e-4).sum())

    def _measure_regions(self) -> dict[str, float]:
        """`rbdc` and `tbdc`; nothing where no masks tell regions of the test."""
        regions = self._regions[self._regions["video"].isin(list(self._frames))]
        if regions.empty:
            return {}
        true: dict[Hashable, Truth] = {}
        for key, own in regions.groupby(["video", "frame"], sort=False):
            video = str(own["video"].iloc[0])
            tracks = tuple((video, track) for track in own["track"].tolist())
            true[key] = Truth(own[BOX].to_numpy(), tracks)
        predicted: dict[Hashable, Predicted] = {}
        for video, frames in self._frames.items():
            for frame, own in self._places(video, frames):
                predicted[video, frame] = own
        return measure_regions(predicted, true, sum(map(len, self._frames.values())))

    def _places(self, video: str, frames: pd.DataFrame) -> list[tuple[int, Predicted]]:
        """What is known to lie where when each frame is shown, of all channels."""
        times = frames["time_s"].to_numpy()
        boxes: list[list[Floats]] = [[] for _ in times]
        ratios: list[list[Floats]] = [[] for _ in times]
        for _, own in self._found[video].groupby("channel", sort=False):
            known = [rows for _, rows in own.groupby("time_s")]  # sorted by time
            known_s = np.array([rows["time_s"].iloc[0] for rows in known])
            for at, moment in enumerate(latest_moments(times, known_s)):
                boxes[at].append(known[moment][BOX].to_numpy())
                ratios[at].append(known[moment]["ratio"].to_numpy())
        return [
            (int(frame), Predicted(np.concatenate(own), np.concatenate(score)))
            for frame, own, score in zip(frames["frame"], boxes, ratios, strict=True)
        ]
