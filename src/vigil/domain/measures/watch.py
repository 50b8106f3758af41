"""Measures of watched videos: events, frame scores and tracks, compared with the truth."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from vigil.domain.boxes import CORNERS
from vigil.domain.measures.events import (
    DECIMALS,
    VideoEvents,
    compare_events,
    describe_rate,
    inside,
    measure_events,
    rate_per_hour,
)
from vigil.domain.measures.frames import Bools, Floats, measure_frames, score_by_windows
from vigil.domain.measures.regions import Predicted, latest_regions, measure_regions
from vigil.domain.measures.regions import Truth as RegionTruth
from vigil.domain.measures.tracking import (
    Frame,
    add_counts,
    count_tracking,
    join_videos,
    measure_hota,
    pair_frames,
)
from vigil.domain.watched import Truth, WatchedVideo

SAME_IOU = 0.5


@dataclass(frozen=True)
class MeasuredVideo:
    """The results of a video, the truth, and their events compared."""

    results: WatchedVideo
    truth: Truth
    events: VideoEvents


def match_videos(
    videos: Mapping[str, WatchedVideo], truths: Mapping[str, Truth]
) -> dict[str, MeasuredVideo]:
    """The videos whose truth is known, with matched events."""
    return {
        name: MeasuredVideo(video, truths[name], _compare(video, truths[name]))
        for name, video in videos.items()
        if name in truths
    }


def _compare(video: WatchedVideo, truth: Truth) -> VideoEvents:
    true = list(truth.events[["start_s", "end_s"]].itertuples(index=False, name=None))
    found = list(video.events[["start_s", "end_s"]].itertuples(index=False, name=None))
    return compare_events(true, found, video.events["raised_s"].tolist(), video.watched_s)


def measure_watch(
    measured: Mapping[str, MeasuredVideo], false_track_share: float
) -> dict[str, Any]:
    """All measures, the headline first; None: a measure is undefined."""
    videos = list(measured.values())
    events = measure_events([video.events for video in videos])
    watched_s = sum(video.results.watched_s for video in videos)
    return {
        "num_videos": len(videos),
        **events,
        "frames": _measure_frames(measured),
        "regions": _measure_regions(measured),
        "recall_by_kind": _by_kind(videos),
        "tracks": _tracking(videos, watched_s, false_track_share, is_judged=True),
        "tracks_unjudged": _tracking(videos, watched_s, false_track_share, is_judged=False),
    }


def _measure_frames(measured: Mapping[str, MeasuredVideo]) -> dict[str, Any] | None:
    if not measured:
        return None
    scores, truth = zip(*map(score_frames_of, measured.values()), strict=True)
    return {
        "scores": "not causal: the highest ratio of the windows that contain the frame",
        **measure_frames(truth, scores, list(measured)),
    }


def score_frames_of(measured: MeasuredVideo) -> tuple[Floats, Bools]:
    """The score (F,) of each frame, and whether it is in a true event."""
    video = measured.results
    scores, times_s = video.scores, video.times_s
    by_frame = score_by_windows(
        scores["start_s"].to_numpy(), scores["stop_s"].to_numpy(), scores["ratio"].to_numpy(),
        times_s,
    )  # fmt: skip
    spans = list(measured.truth.events[["start_s", "end_s"]].itertuples(index=False, name=None))
    return by_frame, inside(times_s, spans)


def _measure_regions(measured: Mapping[str, MeasuredVideo]) -> dict[str, float] | None:
    """The criteria of place over the videos whose events have known people with boxes."""
    predicted: dict[Hashable, Predicted] = {}
    true: dict[Hashable, RegionTruth] = {}
    num_frames = 0
    for name, video in measured.items():
        results, truth = video.results, video.truth
        if truth.participants is None or truth.tracks is None:
            continue
        times_s = results.times_s
        num_frames += len(times_s)
        places = latest_regions(times_s, results.evidence, results.restarts_s)
        predicted |= {(name, frame): place for frame, place in enumerate(places)}
        spans = truth.events[["start_s", "end_s"]].itertuples(index=False, name=None)
        for number, (span, people) in enumerate(zip(spans, truth.participants, strict=True)):
            frames = np.flatnonzero(inside(times_s, [span]))
            rows = truth.tracks[
                truth.tracks["track_id"].isin(people) & truth.tracks["frame_index"].isin(frames)
            ]
            for frame, at_frame in rows.groupby("frame_index", sort=True):
                before = true.get((name, frame), RegionTruth(np.empty((0, 4)), ()))
                tracks = tuple((name, number, track) for track in at_frame["track_id"].tolist())
                corners = np.concatenate([before.boxes_xyxy, at_frame[CORNERS].to_numpy()])
                true[name, frame] = RegionTruth(corners, before.tracks + tracks)
    return measure_regions(predicted, true, num_frames) if true else None


def _by_kind(videos: list[MeasuredVideo]) -> list[dict[str, Any]]:
    rows = [
        {"kind": kind, "is_found": position in {row for row, _ in video.events.matches.pairs}}
        for video in videos
        for position, kind in enumerate(video.truth.events["kind"])
    ]
    if not rows:
        return []
    grouped = pd.DataFrame(rows).groupby("kind", sort=True)["is_found"]
    return [
        {"kind": str(kind), "num_events": len(is_found), "num_found": int(is_found.sum())}
        for kind, is_found in grouped
    ]


def _tracking(
    measured: list[MeasuredVideo], watched_s: float, false_track_share: float, *, is_judged: bool
) -> dict[str, Any] | None:
    """Measures of the tracks that the classifier keeps, or of all tracks."""
    with_tracks = [video for video in measured if video.truth.tracks is not None]
    if not with_tracks:
        return None
    videos: list[list[Frame]] = []
    num_false = 0
    for video in with_tracks:
        tracks = video.results.tracks
        if is_judged:
            tracks = tracks[tracks["track_id"].isin(video.results.kept_ids)]
        assert video.truth.tracks is not None
        videos.append(pair_frames(video.truth.tracks, tracks))
        num_false += count_false_tracks(videos[-1], false_track_share)
    counts = add_counts([count_tracking(frames) for frames in videos])
    hota = measure_hota(list(join_videos(videos)))
    return {
        "hota": _rounded(hota.hota),
        "detection_accuracy": _rounded(hota.detection),
        "association_accuracy": _rounded(hota.association),
        "idf1": _rounded(counts.idf1),
        "mota": _rounded(counts.mota),
        "num_switches": counts.num_switches,
        "num_boxes": counts.num_predicted,
        "num_true_boxes": counts.num_true,
        "false_tracks_per_hour": describe_rate(rate_per_hour(num_false, watched_s)),
    }


def count_false_tracks(frames: list[Frame], least_share: float) -> int:
    """The number of tracks with too small a share of boxes on people."""
    num_tracks = max(
        (int(f.predicted_ids.max()) + 1 for f in frames if len(f.predicted_ids)), default=0
    )
    num_boxes, num_on_person = np.zeros(num_tracks), np.zeros(num_tracks)
    for frame in frames:
        num_boxes[frame.predicted_ids] += 1
        if frame.iou.size:
            num_on_person[frame.predicted_ids] += frame.iou.max(axis=0) >= SAME_IOU
    return int((num_on_person < least_share * num_boxes).sum())


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, DECIMALS)
