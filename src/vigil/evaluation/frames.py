"""Evaluates the alarm on long videos: metrics of frames, of places and of events."""

import math
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from vigil.domain.boxes import CORNERS
from vigil.domain.clips.evidence import OBJECTS
from vigil.domain.clips.verdicts import NO_EVIDENCE
from vigil.domain.events.event import ScoredWindow
from vigil.domain.events.machine import find_events
from vigil.domain.measures.events import (
    VideoEvents,
    compare_events,
    end_of,
    measure_events,
    spans_of,
)
from vigil.domain.measures.frames import (
    mean_of_videos,
    measure_each,
    measure_frames,
    measure_micro,
    score_frames,
)
from vigil.domain.measures.intervals import source_intervals
from vigil.domain.measures.regions import (
    Predicted,
    RegionScores,
    Truth,
    latest_regions,
    measure_region_scores,
    score_regions,
)
from vigil.plumbing.errors import InputError, listed
from vigil.settings.evaluate_alarm import EvaluateAlarm
from vigil.settings.watch import Watch

Floats = npt.NDArray[np.float64]
EDGE_S = 1e-6


class FrameEvaluation:
    """Computes metrics from the evidence in the videos of the test set."""

    def __init__(
        self,
        frames: pd.DataFrame,
        regions: pd.DataFrame,
        evidence: pd.DataFrame,
        windows: pd.DataFrame,
        settings: EvaluateAlarm,
        watch: Watch,
    ) -> None:
        """Joins the tables by video.

        Args:
            frames, regions: the ground truth of all videos.
            evidence: the evidence in the videos of the test set, with `ratio`.
            windows: `video` and `source` of every window.
            watch: the windows and the rule of events.

        Raises:
            InputError: there is no video, or a video with evidence has no labelled frames.
        """
        self._settings, self._watch = settings, watch
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
        labels, ratios = list(truth.values()), list(largest.values())
        events = {name: self._events_of(name, largest[name]) for name in videos}
        regions = self._score_regions()
        by_video = dict(zip(videos, measure_each(labels, ratios), strict=True))

        def measure(chosen: Sequence[str]) -> dict[str, float | None]:
            return {
                **measure_micro(
                    [truth[name] for name in chosen], [largest[name] for name in chosen]
                ),
                **mean_of_videos([by_video[name] for name in chosen]),
                **_measure_places([regions[name] for name in chosen if name in regions]),
                "event_recall": measure_events([events[name] for name in chosen])["event_recall"],
            }

        numbers: dict[str, Any] = {
            "scores": "causal: the strongest evidence known when a frame is shown, not smoothed",
            "num_frames": int(sum(map(len, labels))),
            "num_anomalous": int(sum(each.sum() for each in labels)),
            "num_waiting": sum(self._num_waiting(name) for name in videos),
            **measure_frames(labels, ratios, videos),
            **_measure_places(list(regions.values())),
            "events": measure_events(list(events.values())),
            "intervals_95": source_intervals(
                {name: self._sources[name] for name in videos},
                measure,
                num_rounds=self._settings.num_bootstrap,
                seed=self._settings.seed,
            ),
            "by_channel": [
                {
                    "channel": channel,
                    **measure_frames(labels, [scores[name][channel] for name in videos], videos),
                }
                for channel in channels
            ],
        }
        return {"frame_auroc": numbers["auroc_micro"], "frames": numbers}

    def _num_waiting(self, video: str) -> int:
        """The number of frames that get a score that a channel has only later, its first."""
        evidence = self._evidence[video]
        held = evidence[evidence["channel"] != OBJECTS]
        if held.empty:
            return 0
        first_s = held.groupby("channel")["time_s"].min().max()
        return int((self._frames[video]["time_s"] < first_s - 1e-4).sum())

    def _events_of(self, video: str, scores: Floats) -> VideoEvents:
        """The events of the labels, and those that `vigil watch` makes of such scores (F,)."""
        rows = self._frames[video]
        times_s = rows["time_s"].to_numpy()
        windows = windows_of(times_s, scores, self._watch.window_s, self._watch.stride_s)
        found = [
            event for event in find_events(windows, self._watch.raising) if not event.suppressed
        ]
        return compare_events(
            spans_of(times_s, rows["is_anomalous"].to_numpy()),
            [(event.start_s, event.end_s) for event in found],
            [event.raised_s for event in found],
            end_of(times_s) - float(times_s[0]),
        )

    def _score_regions(self) -> dict[str, RegionScores]:
        """What RBDC and TBDC need of each test video; empty if none has masks."""
        regions = self._regions[self._regions["video"].isin(list(self._frames))]
        if regions.empty:
            return {}
        true: dict[str, dict[Hashable, Truth]] = {}
        for (video, frame), rows in regions.groupby(["video", "frame"], sort=False):
            place = Truth(rows[CORNERS].to_numpy(), tuple(rows["track"].tolist()))
            true.setdefault(str(video), {})[int(frame)] = place
        scores = {}
        for video, frames in self._frames.items():
            places = latest_regions(frames["time_s"].to_numpy(), self._evidence[video])
            predicted: dict[Hashable, Predicted] = dict(
                zip(map(int, frames["frame"].tolist()), places, strict=True)
            )
            scores[video] = score_regions(predicted, true.get(video, {}), len(frames))
        return scores


def _measure_places(videos: Sequence[RegionScores]) -> dict[str, float]:
    """`rbdc` and `tbdc`; empty without a true region."""
    return measure_region_scores(videos) if any(len(each.regions) for each in videos) else {}


def windows_of(
    times_s: Floats, scores: Floats, window_s: float, stride_s: float
) -> list[ScoredWindow]:
    """The windows of a video as in `vigil watch`, each with the largest score of its frames.

    Args:
        times_s, scores: (F,) the times and scores of the frames of a video.
        window_s, stride_s: the length of windows, and the time from one start to the next.

    Returns:
        The windows with a frame that end within the video, in order.
    """
    first_s, stop_s = float(times_s[0]), end_of(times_s)
    num_windows = math.floor((stop_s - first_s - window_s + EDGE_S) / stride_s) + 1
    windows = []
    for number in range(max(num_windows, 0)):
        start_s = first_s + number * stride_s
        first, last = np.searchsorted(times_s, [start_s - EDGE_S, start_s + window_s - EDGE_S])
        if last > first:
            score = float(scores[first:last].max())
            windows.append(ScoredWindow(start_s, start_s + window_s, score))
    return windows
