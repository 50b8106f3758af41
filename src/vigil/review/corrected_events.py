"""Unusual events as annotators corrected them on the timeline, as the truth of watching has them.

Label Studio stores a span of a timeline as its first and last frame, counted from 1 at the rate of
the video's tag (https://labelstud.io/tags/timelinelabels). Frame 1 is at 0 s of the file. Times of
events count from the first frame of the video, which may come later.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from vigil.domain.label_studio.choosing import HINT, choose, name_of
from vigil.domain.proposals import FIRST_KEY, FPS_KEY, SOURCE_KEY
from vigil.plumbing.errors import InputError, listed, shorten

TIMELINE = "timelinelabels"
DECIMALS = 3
MOST_FRAMES = 10**9
"""The largest number of a frame: of a year at 30 frames a second."""

Json = Mapping[str, Any]
Event = tuple[float, float, str]
"""Start and end in seconds, and the kind."""


def events_of(entry: Json, annotators: str | None, where: str) -> list[dict[str, Any]] | None:
    """The `kind`, `start_s` and `end_s` of each span of a task, in order of their start.

    Args:
        entry: a task of an export.
        annotators: which of several annotations counts, as for boxes; None: all together.
        where: names the task in errors.

    Returns:
        The events, without overlaps of one kind; none, if a person removed all. None: the task was
        not made of a watched video, so nobody was asked for events.

    Raises:
        InputError: a span, the frame rate or the time of the first frame is not valid, or
            annotators differ.
    """
    data = entry["data"]
    if data.get(SOURCE_KEY) is None:
        return None
    annotations = [one for one in entry["annotations"] if isinstance(one, Mapping)]
    finished = [one for one in annotations if not one.get("was_cancelled")]
    counting = finished if annotators is None else choose(finished, annotators, where).alike
    fps, first_s = data.get(FPS_KEY), data.get(FIRST_KEY, 0.0)
    spans = [_spans(one["result"]) for one in counting]
    if any(spans) and not (_is_number(fps) and fps > 0):
        raise InputError(f"{where}: data.{FPS_KEY}: expected a frame rate, got {shorten(fps)}")
    if any(spans) and not _is_number(first_s):
        raise InputError(
            f"{where}: data.{FIRST_KEY}: expected the time of the first frame in seconds, got "
            f"{shorten(first_s)}"
        )
    by_annotation = [
        _united(
            event for span in one for event in _events_in(span, float(fps), float(first_s), where)
        )
        for one in spans
    ]
    if annotators in {None, "merge"}:
        events = _united(chain(*by_annotation))
    elif any(one != by_annotation[0] for one in by_annotation):
        raise InputError(
            f"{where}: expected annotations that are alike on the timeline, too, found "
            f"{listed(map(name_of, counting))}; {HINT}"
        )
    else:
        events = by_annotation[0]
    return [{"kind": kind, "start_s": start_s, "end_s": end_s} for start_s, end_s, kind in events]


def _is_number(value: Any) -> bool:
    """Whether a value of JSON is a number of a video: neither infinite nor NaN nor too large."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and abs(value) <= MOST_FRAMES


def _united(events: Iterable[Event]) -> list[Event]:
    """Events in order of their start; those of one kind that overlap or touch are one event."""
    united: list[Event] = []
    latest: dict[str, int] = {}  # kind: the position of its latest event
    for start_s, end_s, kind in sorted(events):
        at = latest.get(kind)
        if at is not None and start_s <= united[at][1]:
            united[at] = (united[at][0], max(end_s, united[at][1]), kind)
        else:
            latest[kind] = len(united)
            united.append((start_s, end_s, kind))
    return united


def _spans(results: Sequence[Any]) -> list[Json]:
    return [one["value"] for one in results if _is_span(one)]


def _is_span(result: Any) -> bool:
    return (
        isinstance(result, Mapping)
        and result.get("type") == TIMELINE
        and isinstance(result.get("value"), Mapping)
        and "ranges" in result["value"]
    )


def _events_in(value: Json, fps: float, first_s: float, where: str) -> list[Event]:
    """Start and end of each range in seconds from the first frame on, and its label."""
    try:
        (kind,) = (str(name) for name in value[TIMELINE])
        frames = [(int(one["start"]), int(one["end"])) for one in value["ranges"]]
        if max(map(max, frames), default=0) > MOST_FRAMES:
            raise ValueError
    except (KeyError, TypeError, ValueError, OverflowError):
        raise InputError(
            f"{where}: expected a span of the timeline with one label, got {shorten(value)}"
        ) from None
    if bad := [span for span in frames if not 1 <= span[0] <= span[1]]:
        raise InputError(
            f"{where}: expected spans of frames from 1 on, got {bad[0][0]} to {bad[0][1]}"
        )
    if early := [span for span in frames if span[1] / fps <= first_s]:
        raise InputError(
            f"{where}: expected spans from the first frame of the video on, which comes at "
            f"{first_s:g} s, got one of the numbers {early[0][0]} to {early[0][1]}"
        )
    return [
        (
            round(max((start - 1) / fps - first_s, 0.0), DECIMALS),
            round(end / fps - first_s, DECIMALS),
            kind,
        )
        for start, end in frames
    ]
