"""Events of a source from its stored tables, without a run of a network."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vigil.domain.boxes import CORNERS, pairwise_share
from vigil.domain.clips.verdicts import reason_of
from vigil.domain.events.event import SIGNAL_LOST, UNUSUAL, Event, ScoredWindow, covered_s, event_id
from vigil.domain.events.machine import find_events
from vigil.domain.measures.events import rate_per_hour
from vigil.plumbing.errors import InputError, shorten
from vigil.plumbing.records import read_json, write_json
from vigil.settings.watch import Watch
from vigil.watch.results.findings import Findings

LEAST_SHARE = 0.5
"""A person takes part in an event if this share of an unusual place lies in the person's box, or
this share of the box in the place."""
NEAR_S = 0.2
"""The box is within this time of the last frame of the evidence."""


def scored_windows(findings: Findings, settings: Watch) -> list[ScoredWindow]:
    """The windows of a source, each with the tracks that take part in its unusual activity."""
    kept = findings.kept_tracks(settings.judging.least_probability)
    places = dict(list(findings.evidence.groupby("start_s")))
    columns = ["start_s", "stop_s", "ratio"]
    windows = []
    for start_s, stop_s, ratio in findings.scores[columns].itertuples(index=False):
        tracks: frozenset[int] = frozenset()
        if start_s in places:
            during = kept[(kept["time_s"] >= start_s) & (kept["time_s"] < stop_s)]
            unusual = places[start_s][places[start_s]["ratio"] > settings.raising.raise_at]
            tracks = _tracks_at(during, unusual)
        windows.append(ScoredWindow(start_s, stop_s, ratio, tracks))
    return windows


def _tracks_at(boxes: pd.DataFrame, places: pd.DataFrame) -> frozenset[int]:
    """The tracks whose boxes lie where and when evidence alone raises the alarm."""
    corners, place_corners = boxes[CORNERS].to_numpy(), places[CORNERS].to_numpy()
    overlaps = np.maximum(
        pairwise_share(corners, place_corners), pairwise_share(place_corners, corners).T
    )
    apart_s = np.abs(boxes["time_s"].to_numpy()[:, None] - places["time_s"].to_numpy())
    takes_part = ((overlaps >= LEAST_SHARE) & (apart_s <= NEAR_S)).any(axis=1)
    return frozenset(boxes.loc[takes_part, "track_id"].tolist())


def events_of(findings: Findings, settings: Watch) -> list[Event]:
    """All events of a source.

    Raises:
        InputError: stored scores are not finite or not in order.
    """
    rule = settings.raising
    gaps = [gap for gap in findings.facts.gaps if gap[1] - gap[0] > rule.signal_gap_s]
    return find_events(scored_windows(findings, settings), rule, gaps)


def describe_event(
    event: Event, source: str, findings: Findings, settings: Watch
) -> dict[str, Any]:
    """The entry of an event in `events.json`.

    Args:
        source: the digest of the source.
    """
    kept = findings.kept_tracks(settings.judging.least_probability)
    peak_s = (event.peak_start_s + event.peak_stop_s) / 2
    boxes = []
    if event.kind != SIGNAL_LOST and len(kept):
        times = kept["time_s"].to_numpy()
        nearest_s = times[int(np.abs(times - peak_s).argmin())]
        if event.peak_start_s <= nearest_s < event.peak_stop_s:
            seen = kept[kept["time_s"] == nearest_s]
            boxes = [
                {"track_id": int(track_id), "box_xyxy": [round(float(edge), 3) for edge in box]}
                for track_id, box in zip(seen["track_id"], seen[CORNERS].to_numpy(), strict=True)
            ]
    at_peak = findings.evidence[findings.evidence["start_s"] == event.peak_start_s]
    follows = event.follows_s
    return {
        "id": event_id(source, event.kind, event.start_s),
        "kind": event.kind,
        "start_s": round(event.start_s, 3),
        "raised_s": round(event.raised_s, 3),
        "end_s": round(event.end_s, 3),
        "peak_s": round(peak_s, 3),
        "peak_score": event.peak_score,
        **_why(event, findings, at_peak),
        "tracks": list(event.tracks),
        "boxes_at_peak": boxes,
        "follows": None if follows is None else event_id(source, event.kind, follows),
        "suppressed": event.suppressed or None,
        "notified_s": None if event.notified_s is None else round(event.notified_s, 3),
        "is_muted": event.is_muted,
    }


def _why(event: Event, findings: Findings, evidence: pd.DataFrame) -> dict[str, Any]:
    """What the strongest evidence at the peak is, and the allowed clips nearest to it."""
    if event.kind == SIGNAL_LOST:
        return {"reason": "", "nearest_allowed": None}
    nearest = findings.nearest
    if nearest is not None:
        columns = ["video", "time_s", "distance", "picture"]
        rows = nearest.loc[nearest["start_s"] == event.peak_start_s, columns]
    return {
        "reason": _reason(evidence),
        "nearest_allowed": None if nearest is None else rows.to_dict("records"),
    }


def _reason(evidence: pd.DataFrame) -> str:
    """The channel of the strongest evidence, and its feature: `objects: speed`; empty: none."""
    if evidence.empty:
        return ""
    strongest = evidence.iloc[int(np.argmax(evidence["ratio"].to_numpy()))]
    return reason_of(str(strongest["channel"]), str(strongest["feature"]))


def describe_events(
    events: Sequence[Event], source: str, findings: Findings, settings: Watch
) -> dict[str, Any]:
    """The content of `events.json`: the events, their rule, and the rate of alarms.

    Only the time in scored windows is watched.
    """
    windows = findings.scores[["start_s", "stop_s"]].itertuples(index=False, name=None)
    watched_s = covered_s(windows)
    alarms = [event for event in events if event.kind == UNUSUAL and not event.suppressed]
    rate = rate_per_hour(len(alarms), watched_s)
    return {
        "events": [describe_event(event, source, findings, settings) for event in events],
        "rule": settings.raising.model_dump(),
        "least_probability": settings.judging.least_probability,
        "watched_s": round(watched_s, 3),
        "not_watched_s": round(max(0.0, findings.facts.duration_s - watched_s), 3),
        "alarms_per_hour": None
        if rate is None
        else {
            "seen": round(rate.per_hour, 3),
            "low_95": round(rate.low, 3),
            "high_95": round(rate.high, 3),
            "upper_bound_95": round(rate.upper_bound, 3),
        },
    }


def write_events(content: Mapping[str, Any], file: Path) -> None:
    """Writes the result of `describe_events`."""
    write_json(content, file)


def read_events(file: Path) -> list[dict[str, Any]]:
    """The events of an `events.json`.

    Raises:
        InputError: the file is missing, or has another format.
    """
    content = read_json(file)
    try:
        events = [dict(event) for event in content["events"]]
        if not all(
            isinstance(e["id"], str) and isinstance(e["kind"], str)
            and all(np.isfinite([e["start_s"], e["raised_s"], e["end_s"], e["peak_score"]]))
            for e in events
        ):  # fmt: skip
            raise ValueError("a value of another type")
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{file}: expected events, got {shorten(str(error) or content)}") from None
    return events
