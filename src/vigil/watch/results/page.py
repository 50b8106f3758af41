"""Writes the page of a watched source. It works from its folder, without a server."""

import html
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from vigil.domain.events.event import SIGNAL_LOST
from vigil.plumbing.outputs import whole
from vigil.settings.watch import Watch
from vigil.watch.results.filming import ANNOTATED, EVENTS
from vigil.watch.results.findings import ALLOWED, UNJUDGED, Findings
from vigil.watch.results.page_text import BODY, SCRIPT, STYLE

PAGE = "index.html"
OWN = ("boxes_at_peak", "nearest_allowed")
"""Entries of an event that a card shows in another form."""


def write_page(
    folder: Path, name: str, findings: Findings, events: Mapping[str, Any], settings: Watch
) -> None:
    """Writes `index.html`, which loads only files of its folder.

    Args:
        name: the name of the source, as people know it.
        events: the content of `events.json`.
    """
    content = _content(name, findings, events, settings)
    # "<" is escaped, so that a name cannot end the script.
    text = json.dumps(content, sort_keys=True, allow_nan=False).replace("<", "\\u003c")
    page = (
        "<!doctype html>\n"
        '<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(name)}</title><style>{STYLE}</style></head>\n<body>{BODY}"
        f'<script type="application/json" id="data">{text}</script>\n'
        f"<script>{SCRIPT}</script></body></html>\n"
    )
    with whole(folder / PAGE) as partial:
        partial.write_text(page, encoding="utf-8", newline="\n")


def _content(
    name: str, findings: Findings, events: Mapping[str, Any], settings: Watch
) -> dict[str, Any]:
    facts, scores = findings.facts, findings.scores
    middles = ((scores["start_s"] + scores["stop_s"]) / 2).round(3)
    width, height = facts.size_wh
    alarms = [e for e in events["events"] if e["kind"] != SIGNAL_LOST and not e["suppressed"]]
    summary = (
        f"{width}x{height}, {facts.fps:.4g} frames per second, {facts.duration_s:.1f} s; "
        f"{len(alarms)} alarm{'' if len(alarms) == 1 else 's'}"
    )
    if events["not_watched_s"]:
        summary += f"; {events['not_watched_s']:.1f} s were not watched"
    return {
        "name": name,
        "facts": summary,
        "fps": facts.fps,
        "duration_s": facts.duration_s,
        "video": ANNOTATED if settings.pictures.annotated else None,
        "raise_at": settings.raising.raise_at,
        "scores": [[s, r] for s, r in zip(middles.tolist(), scores["ratio"].tolist(), strict=True)],
        "events": [_card(event) for event in events["events"]],
        "tracks": _tracks(findings, settings.judging.least_probability),
    }


def _card(event: Mapping[str, Any]) -> dict[str, Any]:
    is_filmed = event["kind"] != SIGNAL_LOST
    nearest = event["nearest_allowed"]
    people = event["tracks"] or [box["track_id"] for box in event["boxes_at_peak"]]
    return {
        **{key: event[key] for key in event if key not in OWN},
        "people": people,
        "nearest": None if nearest is None else [_with_path(one) for one in nearest],
        "picture": f"{EVENTS}/{event['id']}.jpg" if is_filmed else None,
        "video": f"{EVENTS}/{event['id']}.mp4" if is_filmed else None,
    }


def _with_path(nearest: Mapping[str, Any]) -> dict[str, Any]:
    return {**nearest, "picture": f"{ALLOWED}/{nearest['picture']}"}


def _tracks(findings: Findings, least_probability: float) -> list[dict[str, Any]]:
    kept = findings.kept_ids(least_probability)
    probabilities = findings.judgements.set_index("track_id")["probability"]
    return [
        _track(int(str(number)), boxes, float(probabilities[number]), number in kept)
        for number, boxes in findings.tracks.groupby("track_id", sort=True)
    ]


def _track(number: int, boxes: pd.DataFrame, probability: float, is_kept: bool) -> dict[str, Any]:
    return {
        "track_id": number,
        "label": str(boxes["label"].iloc[0]),
        "start_s": round(float(boxes["time_s"].iloc[0]), 3),
        "stop_s": round(float(boxes["time_s"].iloc[-1]), 3),
        "num_boxes": len(boxes),
        "probability": None if probability == UNJUDGED else round(probability, 4),
        "is_kept": is_kept,
    }
