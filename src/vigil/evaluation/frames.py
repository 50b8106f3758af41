"""Evaluates the alarm on long videos: metrics of frames, of places and of events."""

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from vigil.domain.boxes import CORNERS
from vigil.domain.clips.evidence.pieces import OBJECTS
from vigil.domain.clips.gaps import cut_at_gaps, restarts_of
from vigil.domain.clips.verdicts import NO_EVIDENCE
from vigil.domain.events.event import UNUSUAL, ScoredWindow
from vigil.domain.events.machine import find_events
from vigil.domain.measures.events import (
    VideoEvents,
    compare_events,
    end_of,
    measure_events,
    spans_of,
)
from vigil.domain.measures.frames import (
    EDGE_S,
    Bools,
    Floats,
    is_waiting,
    mean_of_videos,
    measure_each,
    measure_frames,
    score_frames,
)
from vigil.domain.measures.intervals import Counts, source_intervals
from vigil.domain.measures.regions import (
    NO_REGIONS,
    Predicted,
    RegionScores,
    Truth,
    latest_regions,
    measure_region_scores,
    score_regions,
)
from vigil.domain.measures.resampling import ResampledFrames, ResampledRegions
from vigil.pixels.flow.motion import LONGEST_GAP_S
from vigil.plumbing.errors import InputError, listed
from vigil.settings.evaluate_alarm import EvaluateAlarm
from vigil.settings.watch import Watch


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
        self._restarts_s: dict[str, Floats] = {}
        for name, rows in self._frames.items():
            times_s = rows["time_s"].to_numpy()
            self._restarts_s[name] = times_s[restarts_of(times_s, LONGEST_GAP_S)]
        self._regions = regions
        self._sources = windows.drop_duplicates("video").set_index("video")["source"].to_dict()

    def numbers(self) -> dict[str, Any]:
        """`frame_auroc`, the micro AUROC, and under `frames` all metrics, also by channel."""
        truth = {name: rows["is_anomalous"].to_numpy() for name, rows in self._frames.items()}
        scores = {
            name: score_frames(*self._timed(name), self._restarts_s[name]) for name in self._frames
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
        events = [self._events_of(name) for name in videos]
        short = [name for name, own in zip(videos, events, strict=True) if own is None]
        regions = self._score_regions()
        numbers: dict[str, Any] = {
            "scores": "causal: the strongest evidence known when a frame is shown, not smoothed",
            "num_frames": int(sum(map(len, labels))),
            "num_anomalous": int(sum(each.sum() for each in labels)),
            "num_waiting": sum(self._num_waiting(name) for name in videos),
            **measure_frames(labels, ratios, videos),
            **(measure_region_scores(regions) if regions else {}),
            **({"videos_without_masks": self._without_masks()} if regions else {}),
            "events": {
                **measure_events([own for own in events if own is not None]),
                "videos_shorter_than_a_window": short,
            },
            "intervals_95": source_intervals(
                [self._sources[name] for name in videos],
                _Resampled(labels, ratios, events, regions).measure,
                num_rounds=self._settings.num_bootstrap,
                seed=self._settings.seed,
            ),
            "by_channel": [_measure_channel(one, labels, scores, videos) for one in channels],
        }
        return {"frame_auroc": numbers["auroc_micro"], "frames": numbers}

    def _timed(self, video: str) -> tuple[Floats, pd.DataFrame]:
        """The times (F,) of the frames of a video, and its evidence."""
        return self._frames[video]["time_s"].to_numpy(), self._evidence[video]

    def _num_waiting(self, video: str) -> int:
        """The number of frames with a score that a channel has only later, or from before a gap."""
        times_s, evidence = self._timed(video)
        is_any = np.zeros(len(times_s), bool)
        for _, rows in evidence[evidence["channel"] != OBJECTS].groupby("channel"):
            is_any |= is_waiting(times_s, np.unique(rows["time_s"]), self._restarts_s[video])
        return int(is_any.sum())

    def _events_of(self, video: str) -> VideoEvents | None:
        """The events of the labels, and those that `vigil watch` makes of this evidence.

        None: the video is shorter than a window, and `vigil watch` refuses it.
        """
        watch, (times_s, evidence) = self._watch, self._timed(video)
        is_anomalous = self._frames[video]["is_anomalous"].to_numpy()
        parts = cut_at_gaps(times_s, LONGEST_GAP_S)
        gaps = [(float(times_s[one.start - 1]), float(times_s[one.start])) for one in parts[1:]]
        # At a gap, a window is open until a frame comes that ends it.
        stops_s = [*(start_s for start_s, _ in gaps), end_of(times_s)]
        windows = [
            window
            for part, stop_s in zip(parts, stops_s, strict=True)
            for window in windows_of(
                times_s[part], stop_s, evidence, watch.window_s, watch.stride_s
            )
        ]
        if not windows:
            return None
        found = [
            event
            for event in find_events(windows, watch.raising, gaps)
            if event.kind == UNUSUAL and not event.suppressed
        ]
        true = [  # a gap ends an event of the labels, as it ends an alarm
            span for part in parts for span in spans_of(times_s[part], is_anomalous[part])
        ]
        return compare_events(
            true,
            [(event.start_s, event.end_s) for event in found],
            [event.raised_s for event in found],
            end_of(times_s) - float(times_s[0]) - sum(stop_s - start_s for start_s, stop_s in gaps),
        )

    def _without_masks(self) -> list[str]:
        """The videos with anomalies whose places are not known: any box may be right in them."""
        return [
            name
            for name, rows in self._frames.items()
            if rows["is_anomalous"].any() and not rows["is_masked"].any()
        ]

    def _score_regions(self) -> list[RegionScores]:
        """What RBDC and TBDC need of each test video; empty if no mask shows an anomaly.

        Nothing of a video with anomalies but without masks counts.
        """
        regions = self._regions[self._regions["video"].isin(list(self._frames))]
        if regions.empty:
            return []
        true: dict[str, dict[Hashable, Truth]] = {}
        for (video, frame), rows in regions.groupby(["video", "frame"], sort=False):
            place = Truth(rows[CORNERS].to_numpy(), tuple(rows["track"].tolist()))
            true.setdefault(str(video), {})[int(frame)] = place
        scores, unknown = [], self._without_masks()
        for video, frames in self._frames.items():
            if video in unknown:
                scores.append(NO_REGIONS)
                continue
            places = latest_regions(*self._timed(video), self._restarts_s[video])
            predicted: dict[Hashable, Predicted] = dict(
                zip(map(int, frames["frame"].tolist()), places, strict=True)
            )
            scores.append(score_regions(predicted, true.get(video, {}), len(frames)))
        return scores


class _Resampled:
    """The numbers that get intervals, for any draw of the videos."""

    def __init__(
        self,
        labels: Sequence[Bools],
        ratios: Sequence[Floats],
        events: Sequence[VideoEvents | None],
        regions: Sequence[RegionScores],
    ) -> None:
        self._frames = ResampledFrames(labels, ratios)
        self._regions = ResampledRegions(regions) if regions else None
        self._by_video = measure_each(labels, ratios)
        matches = [None if own is None else own.matches for own in events]
        self._num_true = np.array([0 if own is None else own.num_true for own in matches])
        self._num_found = np.array([0 if own is None else len(own.pairs) for own in matches])

    def measure(self, counts: Counts) -> dict[str, float | None]:
        """The numbers. Args: counts: (V,) how often each video was drawn."""
        drawn = [self._by_video[at] for at in np.repeat(np.arange(len(counts)), counts)]
        num_true = int(counts @ self._num_true)
        return {
            **self._frames.measure(counts),
            **mean_of_videos(drawn),
            **(self._regions.measure(counts) if self._regions else {}),
            "event_recall": float(counts @ self._num_found) / num_true if num_true else None,
        }


def _measure_channel(
    channel: str,
    labels: Sequence[Bools],
    scores: Mapping[str, Mapping[str, Floats]],
    videos: Sequence[str],
) -> dict[str, Any]:
    """The metrics of the frames by one channel alone, and without it, if there are others."""
    numbers: dict[str, Any] = {
        "channel": channel,
        **measure_frames(labels, [scores[name][channel] for name in videos], videos),
    }
    others = [[own for other, own in scores[name].items() if other != channel] for name in videos]
    if all(others):
        left = measure_frames(labels, [np.max(own, axis=0) for own in others], videos)
        del left["videos_of_one_kind"]
        numbers |= {f"{name}_without": value for name, value in left.items()}
    return numbers


def windows_of(
    times_s: Floats, stop_s: float, evidence: pd.DataFrame, window_s: float, stride_s: float
) -> list[ScoredWindow]:
    """The windows of a video as in `vigil watch`: each judges the pieces completely within it.

    Args:
        times_s: (F,) the times of frames without a gap.
        stop_s: the end of the last window at the latest.
        evidence: `from_s`, `time_s` and `ratio` of each piece.
        window_s, stride_s: the length of windows, and the time from one start to the next.

    Returns:
        The windows with a frame, in order, each with the largest ratio of its pieces; without any,
        with `NO_EVIDENCE`.
    """
    first_s = float(times_s[0])
    num_windows = math.floor((stop_s - first_s - window_s + EDGE_S) / stride_s) + 1
    pieces = evidence.sort_values("time_s", kind="stable")
    from_s, known_s, ratios = (pieces[name].to_numpy() for name in ("from_s", "time_s", "ratio"))
    windows = []
    for number in range(max(num_windows, 0)):
        start_s = first_s + number * stride_s
        edges_s = np.array([start_s, start_s + window_s]) - EDGE_S
        first, last = np.searchsorted(times_s, edges_s)
        if last > first:
            one, other = np.searchsorted(known_s, edges_s)
            within = ratios[one:other][from_s[one:other] >= edges_s[0]]
            score = float(within.max(initial=NO_EVIDENCE))
            windows.append(ScoredWindow(start_s, start_s + window_s, score))
    return windows
