"""Other settings on stored scores: the new events of a watched source, and what has changed."""

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
from vigil.watch.eventful import describe_events, events_of, read_events
from vigil.watch.findings import read_findings
from vigil.watch.recording import EVENTS_FILE, FINDING, RUN_FILE

FORM = "a setting and its value, as watch.raising.raise_at=2"
AGAIN = "the networks would have to run again for it; change params.yaml, and watch anew"
REPLAY, DIFF_FILE = "replay", "diff.json"


def replay(folder: Path, changes: Sequence[str]) -> dict[str, Any]:
    """New events of a watched source, by its stored scores alone.

    Writes `replay/events.json` and `replay/diff.json` into its folder.

    Args:
        folder: of one source.
        changes: `watch.raising.raise_at=2` and the like.

    Returns:
        What `diff.json` holds: `gone`, `new` and `changed` events, and how many `same` ones.

    Raises:
        InputError: no such folder, or a setting that needs the networks again.
    """
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
    write_json(content, folder / REPLAY / EVENTS_FILE)
    write_json(diff, folder / REPLAY / DIFF_FILE)
    return diff


def changed_settings(before: Mapping[str, Any], changes: Sequence[str]) -> Watch:
    """Settings of a run with other values.

    Raises:
        InputError: no such setting, a wrong value, or one that what is stored depends on.
    """
    values: dict[str, Any] = json.loads(json.dumps({**before, "root": ".", "videos": []}))
    for change in changes:
        name, equals, text = change.partition("=")
        keys = name.removeprefix("watch.").split(".")
        if not equals or keys[0] not in values or not name.startswith("watch."):
            raise InputError(f"expected {FORM}, got {shorten(change)}")
        if keys[0] in FINDING or keys[:2] in (["judging", "min_side_px"],
                                              ["judging", "max_aspect_ratio"]):  # fmt: skip
            raise InputError(f"{name}: {AGAIN}")
        place = values
        for key in keys[:-1]:
            place = place.get(key, {}) if isinstance(place, dict) else {}
        if not isinstance(place, dict) or keys[-1] not in place:
            raise InputError(f"{name}: no such parameter")
        place[keys[-1]] = _value(name, text)
    return parse_section(Watch, {"watch": values}, "watch")


def _value(name: str, text: str) -> Any:
    try:
        return yaml.load(text, WordsLoader)
    except (yaml.YAMLError, ValueError):
        raise InputError(f"{name}: expected a plain value, got {shorten(text)}") from None


def compare(
    before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """What two lists of events differ in.

    Events are the same by their ids. One of another id that overlaps one that is gone is that one,
    changed: it begins at another time.
    """
    own, other = ({event["id"]: event for event in events} for events in (before, after))
    gone = [event for event in before if event["id"] not in other]
    new = [event for event in after if event["id"] not in own]
    pairs = [(own[key], other[key]) for key in own if key in other]
    for event in list(gone):
        match = next((one for one in new if _overlap(event, one)), None)
        if match is not None:
            gone.remove(event)
            new.remove(match)
            pairs.append((event, match))
    changed = [
        {"before": _told(first), "after": _told(second)}
        for first, second in sorted(pairs, key=lambda pair: (pair[0]["start_s"], pair[0]["id"]))
        if _told(first) != _told(second)
    ]
    return {
        "gone": [_told(event) for event in gone],
        "new": [_told(event) for event in new],
        "changed": changed,
        "same": len(pairs) - len(changed),
    }


def _overlap(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    is_near = min(first["end_s"], second["end_s"]) > max(first["start_s"], second["start_s"])
    return bool(is_near and first["kind"] == second["kind"])


def _told(event: Mapping[str, Any]) -> dict[str, Any]:
    keys = ("id", "kind", "start_s", "raised_s", "end_s", "peak_score", "suppressed", "notified_s")
    return {key: event.get(key) for key in keys}


def tell_diff(diff: Mapping[str, Any]) -> str:
    """A diff for people, a line each."""
    lines = [f"{diff['same']} the same"]
    for sign, key in (("-", "gone"), ("+", "new")):
        lines += [f"{sign} {_line(event)}" for event in diff[key]]
    lines += [f"~ {_line(one['before'])} -> {_line(one['after'])}" for one in diff["changed"]]
    return "\n".join(lines)


def _line(event: Mapping[str, Any]) -> str:
    told = f"{event['start_s']:.1f} to {event['end_s']:.1f} s, peak {event['peak_score']:.2f}"
    return f"{told} ({event['suppressed']})" if event["suppressed"] else told
