"""Reads the results of one annotation into regions of keyframes."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vigil.domain.label_studio.filled import without_filled
from vigil.domain.label_studio.labels import (
    TIMELINE_LABELS,
    as_list,
    is_other_key,
    is_usual,
    own_labels,
    separate_labels,
)
from vigil.domain.label_studio.tasks import Keyframe, Region
from vigil.plumbing.errors import InputError, listed, shorten

GEOMETRY = "videorectangle"
CONTROL = "control"
"""The key under which a box of JSON_MIN has the name of its control, once it is converted."""
COPY = "copy_of_a_box"
"""The type of a box that a row of JSON_MIN repeats under a second control."""
GEOMETRY_KEYS = ("x", "y", "width", "height")
REGION_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
BOXLESS_TYPES = {
    *("chatmessage", "choices", "datetime", "labels", "number", "pairwise", "ranker", "rating"),
    *("reactcode", "relation", "taxonomy", "textarea", TIMELINE_LABELS),
}
"""Types of results that hold no box of their own."""


@dataclass
class Findings:
    """Notes on how an annotation was read: warnings, and counts by their name in the report."""

    warnings: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class RegionReader:
    """Reads regions.

    Attributes:
        labels: the labels that may occur.
        unlabelled: the label of a region that has none; empty where every region must have one.
    """

    labels: tuple[str, ...]
    unlabelled: str

    def read(
        self, results: Sequence[Any], task_id: str, where: str, findings: Findings
    ) -> tuple[Region, ...]:
        """Reads the boxes of an annotation. Other results are left out and counted.

        Regions from other programs may have no id: the task and the region's position give one.

        Args:
            where: the name of the task in messages.

        Raises:
            InputError: anything that is not understood. The message names region and keyframe.
        """
        regions: dict[str, Region] = {}
        folded: set[str] = set()
        others: Counter[str] = Counter()
        timeline_labels = _timeline_labels(results)
        box_ids = {
            repr(result["id"])
            for result in results
            if isinstance(result, Mapping) and result.get("type") == GEOMETRY and "id" in result
        }
        number = 0
        for result in results:
            if not isinstance(result, Mapping):
                raise InputError(f"{where}: expected results as objects, got {shorten(result)}")
            if result.get("type") != GEOMETRY:
                kind = str(result.get("type"))
                # The labels of a box were read with it.
                if not (is_other_key(kind) and repr(result.get("id")) in box_ids):
                    others[kind] += 1
                continue
            number += 1
            region_id = _region_id(result, task_id, number, where, findings)
            if region_id.casefold() in folded:  # some file systems take a.json and A.json as one
                raise InputError(
                    f"{where}, region {region_id}: expected each id once, got it twice"
                )
            folded.add(region_id.casefold())
            place = f"{where}, region {region_id}"
            value = result.get("value")
            if not isinstance(value, Mapping):
                raise InputError(f"{place}: expected an object 'value', got {shorten(value)}")
            if value.get("sequence") == []:
                findings.counts["empty_regions"] += 1
                findings.warnings.append(
                    f"region {region_id}: left out, as it has no keyframes; Label Studio leaves "
                    "such a region where the only keyframe was removed or undone"
                )
                continue
            keyframes = self._keyframes(value.get("sequence"), region_id, place, findings)
            box_labels = timeline_labels.get(region_id, set()) | _texts(result.get(TIMELINE_LABELS))
            label = self._label(value, results, result.get("id"), box_labels, place)
            if not is_usual(value, results, result.get("id")):
                findings.counts["labels_under_other_keys"] += 1
            regions[region_id] = Region(region_id, label, keyframes, _length(value))
        _note_others(others, findings)
        return tuple(regions.values())

    def _label(
        self,
        value: Mapping[str, Any],
        results: Sequence[Any],
        region_id: Any,
        timeline_labels: set[str],
        place: str,
    ) -> str:
        if not isinstance(value.get("labels"), list | str | None):
            value_of_labels = shorten(value["labels"])
            raise InputError(f"{place}: expected a list 'labels', got {value_of_labels}")
        names = own_labels(value) or separate_labels(results, region_id)
        # The page adds the label that is selected on the timeline to a box (label-studio#9744).
        other_labels = timeline_labels - set(self.labels)
        names = [name for name in names if not (isinstance(name, str) and name in other_labels)]
        if not names:
            if not self.unlabelled:
                raise InputError(
                    f"{place}: expected a label (one of {listed(self.labels)}), found none; "
                    "set unlabelled to use a default"
                )
            return self.unlabelled
        if len(names) > 1:
            raise InputError(f"{place}: expected one label, got {shorten(names)}")
        if names[0] not in self.labels:
            raise InputError(
                f"{place}: expected one of labels ({listed(self.labels)}), got {shorten(names[0])}"
            )
        return str(names[0])

    def _keyframes(
        self, sequence: Any, region_id: str, place: str, findings: Findings
    ) -> tuple[Keyframe, ...]:
        if not isinstance(sequence, list) or not sequence:
            raise InputError(f"{place}: expected a list of keyframes, got {shorten(sequence)}")
        kept = [
            _keyframe(item, f"{place}, keyframe {at}") for at, item in enumerate(sequence, start=1)
        ]
        marks = [item.get("auto") is True for item in sequence]
        num_moved = 0
        if any(marks):
            kept, num_moved = without_filled(kept, marks)
            findings.counts["keyframes_filled_in"] += len(sequence) - len(kept)
        if num_moved:
            findings.warnings.append(
                f"region {region_id}: {num_moved} keyframes are marked as filled in by the export, "
                "but do not lie on the line between the annotator's; they count as the annotator's"
            )
        keyframes: dict[int, Keyframe] = {}
        for keyframe in kept:
            if keyframe.frame in keyframes:
                findings.counts["keyframes_twice"] += 1
                findings.warnings.append(
                    f"region {region_id}: two keyframes for frame {keyframe.frame}, the later one "
                    "counts"
                )
            keyframes[keyframe.frame] = keyframe
        return tuple(keyframes[frame] for frame in sorted(keyframes))


def _region_id(
    result: Mapping[str, Any], task_id: str, number: int, where: str, findings: Findings
) -> str:
    region_id = result.get("id")
    if region_id is None:
        findings.counts["regions_without_id"] += 1
        safe_id = re.sub(r"[^A-Za-z0-9_-]", "_", task_id)[:40]
        return f"task{safe_id}_{number}"
    if not isinstance(region_id, str) or not REGION_ID.fullmatch(region_id):
        raise InputError(
            f"{where}: region id: expected 1 to 64 letters, digits, '-' or '_', "
            f"got {shorten(region_id)}"
        )
    return region_id


def _timeline_labels(results: Sequence[Any]) -> dict[str, set[str]]:
    """The timeline labels by the id of the box that they belong to."""
    labels_of: dict[str, set[str]] = {}
    for result in results:
        if (
            isinstance(result, Mapping)
            and result.get("type") == TIMELINE_LABELS
            and isinstance(result.get("id"), str)
            and isinstance(result.get("value"), Mapping)
        ):
            names = _texts(result["value"].get(TIMELINE_LABELS))
            labels_of.setdefault(result["id"], set()).update(names)
    return labels_of


def _texts(names: Any) -> set[str]:
    return {name for name in as_list(names) if isinstance(name, str)}


def _note_others(others: Counter[str], findings: Findings) -> None:
    """Counts results that are not boxes, and warns of shapes, which an annotator may expect."""
    for kind, number in sorted(others.items()):
        name = re.sub(r"[^A-Za-z0-9_]", "_", kind)[:40]
        findings.counts[f"left_out_{name}"] += number
        if kind == COPY:
            findings.warnings.append(
                f"{number} boxes lie under two controls, as Label Studio exports them where a "
                "timeline label was selected; they count once"
            )
        elif kind not in BOXLESS_TYPES:
            findings.warnings.append(
                f"{number} results of type {shorten(kind)} left out: only {GEOMETRY} is read"
            )


def _length(value: Mapping[str, Any]) -> tuple[float, float] | None:
    length = value.get("framesCount"), value.get("duration")
    if all(isinstance(one, int | float) and _finite(one) for one in length):
        return float(length[0]), float(length[1])  # type: ignore[arg-type]
    return None


def _keyframe(item: Any, place: str) -> Keyframe:
    if not isinstance(item, Mapping):
        raise InputError(f"{place}: expected an object, got {shorten(item)}")
    frame = _number(item, "frame", place)
    if not frame.is_integer():
        raise InputError(f"{place}: expected a whole 'frame', got {shorten(item['frame'])}")
    enabled = item.get("enabled", True)
    if not isinstance(enabled, bool):
        raise InputError(f"{place}: expected true or false as 'enabled', got {shorten(enabled)}")
    # Label Studio calculates the times of filled-in keyframes (auto) from an unreliable duration.
    time_s = None if item.get("time") is None else _number(item, "time", place)
    if item.get("auto") is True:
        time_s = None
    rotation = 0.0 if item.get("rotation") is None else _number(item, "rotation", place)
    if enabled or any(key in item for key in GEOMETRY_KEYS):
        x, y, width, height = (_number(item, key, place) for key in GEOMETRY_KEYS)
        geometry = (x, y, width, height)
    else:
        geometry = None
    return Keyframe(int(frame), enabled, geometry, rotation, time_s)


def _number(item: Mapping[str, Any], key: str, place: str) -> float:
    value = item.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not _finite(value):
        shown = shorten(value) if key in item else "nothing"
        raise InputError(f"{place}: expected a finite number as '{key}', got {shown}")
    return float(value)


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value) and abs(value) < 1e9
    except OverflowError:  # an integer too large for a float
        return False
