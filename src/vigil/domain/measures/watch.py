"""What watching is worth: events, frames and tracks of several videos against the truth."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from vigil.domain.measures.events import (
    EventMatches,
    Rate,
    inside,
    match_events,
    rate_per_hour,
)
from vigil.domain.measures.frames import FrameScores, measure_frames, window_to_frames
from vigil.domain.measures.tracking import (
    Frame,
    add_counts,
    count_tracking,
    join_videos,
    measure_hota,
    pair_frames,
)
from vigil.domain.watched import Truth, WatchedVideo

DECIMALS = 3
SAME_IOU = 0.5


@dataclass(frozen=True)
class Measured:
    """A video, what really happened in it, and which events are which."""

    video: WatchedVideo
    truth: Truth
    matches: EventMatches


def match_videos(
    videos: Mapping[str, WatchedVideo], truths: Mapping[str, Truth]
) -> dict[str, Measured]:
    """The videos of which the truth is known."""
    return {
        name: Measured(video, truths[name], _match(video, truths[name]))
        for name, video in videos.items()
        if name in truths
    }


def _match(video: WatchedVideo, truth: Truth) -> EventMatches:
    true = list(truth.events[["start_s", "end_s"]].itertuples(index=False, name=None))
    found = list(video.events[["start_s", "end_s"]].itertuples(index=False, name=None))
    return match_events(true, found)


def measure_watch(measured: Mapping[str, Measured], false_track_share: float) -> dict[str, Any]:
    """All numbers, the headline first; None where nothing defines one."""
    every = list(measured.values())
    watched_s = sum(one.video.watched_s for one in every)
    num_false = sum(len(one.matches.false_alarms) for one in every)
    num_true = sum(one.matches.num_true for one in every)
    num_right = sum(len(one.matches.pairs) for one in every)
    delays = [delay for one in every for delay in _delays(one)]
    frames = measure_frames({name: frame_scores(one) for name, one in measured.items()})
    return {
        "num_videos": len(every),
        "watched_s": _rounded(watched_s),
        "event_recall": _rounded(num_right / num_true if num_true else None),
        "num_events": num_true,
        "num_events_found": num_right,
        "num_false_alarms": num_false,
        "false_alarms_per_hour": _rate(rate_per_hour(num_false, watched_s)),
        "delay_s": _rounded(float(np.median(delays)) if delays else None),
        "frame_auroc_micro": _rounded(frames.auroc_micro),
        "frame_auroc_macro": _rounded(frames.auroc_macro),
        "frame_auroc_macro_padded": _rounded(frames.auroc_macro_padded),
        "frame_average_precision": _rounded(frames.average_precision),
        "videos_of_one_kind": list(frames.one_kind),
        "recall_by_kind": _by_kind(every),
        "tracks": _tracking(every, watched_s, false_track_share, is_judged=True),
        "tracks_unjudged": _tracking(every, watched_s, false_track_share, is_judged=False),
    }


def frame_scores(one: Measured) -> FrameScores:
    """The score of each frame, and whether something unusual goes on in it."""
    scores, times_s = one.video.scores, np.arange(one.video.num_frames) / one.video.fps
    by_frame = window_to_frames(
        scores["start_s"].to_numpy(), scores["stop_s"].to_numpy(), scores["ratio"].to_numpy(),
        times_s,
    )  # fmt: skip
    spans = list(one.truth.events[["start_s", "end_s"]].itertuples(index=False, name=None))
    return FrameScores(by_frame, inside(times_s, spans))


def _delays(one: Measured) -> list[float]:
    true, found = one.truth.events["start_s"], one.video.events["raised_s"]
    return [float(found.iloc[column] - true.iloc[row]) for row, column in one.matches.pairs]


def _by_kind(every: list[Measured]) -> list[dict[str, Any]]:
    rows = [
        {"kind": kind, "is_found": position in {row for row, _ in one.matches.pairs}}
        for one in every
        for position, kind in enumerate(one.truth.events["kind"])
    ]
    if not rows:
        return []
    grouped = pd.DataFrame(rows).groupby("kind", sort=True)["is_found"]
    return [
        {"kind": str(kind), "num_events": len(own), "num_found": int(own.sum())}
        for kind, own in grouped
    ]


def _tracking(
    every: list[Measured], watched_s: float, false_track_share: float, *, is_judged: bool
) -> dict[str, Any] | None:
    """Measures of tracks, of those that the classifier keeps or of all."""
    known = [one for one in every if one.truth.tracks is not None]
    if not known:
        return None
    videos: list[list[Frame]] = []
    num_false = 0
    for one in known:
        found = one.video.tracks
        if is_judged:
            found = found[found["track_id"].isin(one.video.kept_ids)]
        assert one.truth.tracks is not None
        videos.append(pair_frames(one.truth.tracks, found))
        num_false += _num_false(videos[-1], false_track_share)
    counts = add_counts([count_tracking(frames) for frames in videos])
    hota = measure_hota(list(join_videos(videos)))
    return {
        "hota": _rounded(hota.hota),
        "detection_accuracy": _rounded(hota.detection),
        "association_accuracy": _rounded(hota.association),
        "idf1": _rounded(counts.idf1),
        "mota": _rounded(counts.mota),
        "num_switches": counts.num_switches,
        "num_boxes": counts.num_found,
        "num_true_boxes": counts.num_true,
        "false_tracks_per_hour": _rate(rate_per_hour(num_false, watched_s)),
    }


def _num_false(frames: list[Frame], least_share: float) -> int:
    """Tracks that lie on a person in too few of their boxes."""
    number = max((int(f.found_ids.max()) + 1 for f in frames if len(f.found_ids)), default=0)
    num_boxes, num_right = np.zeros(number), np.zeros(number)
    for frame in frames:
        num_boxes[frame.found_ids] += 1
        if frame.iou.size:
            num_right[frame.found_ids] += frame.iou.max(axis=0) >= SAME_IOU
    return int((num_right < least_share * num_boxes).sum())


def _rate(rate: Rate | None) -> dict[str, float] | None:
    if rate is None:
        return None
    return {
        "seen": round(rate.per_hour, DECIMALS),
        "low_95": round(rate.low, DECIMALS),
        "high_95": round(rate.high, DECIMALS),
        "upper_bound_95": round(rate.most, DECIMALS),
    }


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, DECIMALS)
