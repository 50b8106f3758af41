"""Applies other settings to stored scores, and compares the new events with the stored events."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from vigil.plumbing.errors import InputError, shorten
from vigil.plumbing.params import parse_section
from vigil.plumbing.records import read_json, write_json
from vigil.plumbing.yaml_words import WordsLoader
from vigil.settings.watch import Watch
from vigil.watch.live_films import CLIPS
from vigil.watch.recording import EVENTS_FILE, RUN_FILE, SEEING
from vigil.watch.results.eventful import describe_events, events_of, read_events
from vigil.watch.results.findings import read_findings

FORM = "a setting and its value, as watch.raising.raise_at=2"
AGAIN = "the networks must run again for it; change params.yaml, and watch the source again"
TRACK_AGAIN = (
    "the frames are needed for it; change params.yaml, and watch the source again, which makes new "
    "tracks without running detector and alarm"
)
TRACKING = (
    ["tracking"],
    ["judging", "min_side_px"],
    ["judging", "max_aspect_ratio"],
    ["judging", "person_label"],
)
"""Settings of tracks, by their first keys."""
DIFF_FILE = "diff.json"


def replay(folder: Path, changes: Sequence[str], out: Path) -> dict[str, Any]:
    """The events of a watched source under other settings, from its stored scores.

    Writes `events.json` and `diff.json` into a folder of the same name. The watched folder stays as
    it is, since it may be an output of the pipeline.

    Args:
        folder: the folder of one source.
        changes: settings, as `watch.raising.raise_at=2`.
        out: the folder in which the results get a folder.

    Returns:
        The content of `diff.json`: `gone`, `new` and `changed` events, and the number of `same`
        events.

    Raises:
        InputError: the folder is missing, a setting needs a run of the networks, or `out` would
            take the place of the folder.
    """
    target = out / folder.resolve().name
    if (target / RUN_FILE).exists():
        raise InputError(f"--out {out}: expected another folder than that of watched sources")
    if not (folder / RUN_FILE).exists() and (folder / CLIPS).is_dir():
        raise InputError(
            f"{folder}: expected a watched recording, got a live source; `vigil watch "
            f"{folder / CLIPS}` watches the videos of its events as recordings"
        )
    run = read_json(folder / RUN_FILE)
    try:
        before, source = dict(run["settings"]), str(run["source"]["sha256"])
    except (KeyError, TypeError, ValueError):
        raise InputError(
            f"{folder / RUN_FILE}: expected a watched source, got {shorten(run)}"
        ) from None
    settings = changed_settings(before, changes)
    findings = read_findings(folder)
    content = describe_events(events_of(findings, settings), source, findings, settings)
    diff = compare(read_events(folder / EVENTS_FILE), content["events"])
    diff["settings"] = list(changes)
    target.mkdir(parents=True, exist_ok=True)
    write_json(content, target / EVENTS_FILE)
    write_json(diff, target / DIFF_FILE)
    return diff


def changed_settings(before: Mapping[str, Any], changes: Sequence[str]) -> Watch:
    """The settings of a run with other values.

    Raises:
        InputError: a setting is unknown, has a wrong value, or changes the stored tables.
    """
    values: dict[str, Any] = json.loads(json.dumps({**before, "root": ".", "videos": []}))
    if isinstance(judging := values.get("judging"), dict):
        judging.setdefault("person_label", "")  # earlier runs had none; no event depends on it
    for change in changes:
        name, equals, text = change.partition("=")
        keys = name.removeprefix("watch.").split(".")
        if not equals or keys[0] not in values or not name.startswith("watch."):
            raise InputError(f"expected {FORM}, got {shorten(change)}")
        if keys[0] in SEEING:
            raise InputError(f"{name}: {AGAIN}")
        if any(keys[: len(first)] == first for first in TRACKING):
            raise InputError(f"{name}: {TRACK_AGAIN}")
        section = values
        for key in keys[:-1]:
            section = section.get(key, {}) if isinstance(section, dict) else {}
        if not isinstance(section, dict) or keys[-1] not in section:
            raise InputError(f"{name}: no such parameter")
        section[keys[-1]] = _value(name, text)
    return parse_section(Watch, {"watch": values}, "watch")


def _value(name: str, text: str) -> Any:
    try:
        return yaml.load(text, WordsLoader)
    except (yaml.YAMLError, ValueError):
        raise InputError(f"{name}: expected a plain value, got {shorten(text)}") from None


def compare(
    before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The differences of two lists of events.

    Two events with the same id are the same event. An event with a new id that overlaps a gone
    event is this event with another start.
    """
    old_by_id, new_by_id = ({event["id"]: event for event in events} for events in (before, after))
    gone = [event for event in before if event["id"] not in new_by_id]
    new = [event for event in after if event["id"] not in old_by_id]
    pairs = [(old_by_id[key], new_by_id[key]) for key in old_by_id if key in new_by_id]
    for event in list(gone):
        match = next((other for other in new if _overlap(event, other)), None)
        if match is not None:
            gone.remove(event)
            new.remove(match)
            pairs.append((event, match))
    changed = [
        {"before": _summary(first), "after": _summary(second)}
        for first, second in sorted(pairs, key=lambda pair: (pair[0]["start_s"], pair[0]["id"]))
        if _summary(first) != _summary(second)
    ]
    return {
        "gone": [_summary(event) for event in gone],
        "new": [_summary(event) for event in new],
        "changed": changed,
        "same": len(pairs) - len(changed),
    }


def _overlap(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    is_near = min(first["end_s"], second["end_s"]) > max(first["start_s"], second["start_s"])
    return bool(is_near and first["kind"] == second["kind"])


def _summary(event: Mapping[str, Any]) -> dict[str, Any]:
    keys = ("id", "kind", "start_s", "raised_s", "end_s", "peak_score", "suppressed", "notified_s")
    return {key: event.get(key) for key in keys}


def format_diff(diff: Mapping[str, Any]) -> str:
    """A diff as text, with a line per event."""
    lines = [f"{diff['same']} the same"]
    for sign, key in (("-", "gone"), ("+", "new")):
        lines += [f"{sign} {_line(event)}" for event in diff[key]]
    lines += [f"~ {_line(pair['before'])} -> {_line(pair['after'])}" for pair in diff["changed"]]
    return "\n".join(lines)


def _line(event: Mapping[str, Any]) -> str:
    text = f"{event['start_s']:.1f} to {event['end_s']:.1f} s, peak {event['peak_score']:.2f}"
    return f"{text} ({event['suppressed']})" if event["suppressed"] else text
