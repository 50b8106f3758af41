"""Brings JSON_MIN exports into the form of JSON exports.

JSON_MIN has a row for each annotation, not for each task, and no drafts, predictions or ground
truth. What a control holds lies under the control's name, regions without ids.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vigil.domain.label_studio.likeness import drawing_of
from vigil.domain.label_studio.regions import COPY, GEOMETRY, TIMELINE_LABELS, as_list

ANSWER_KEYS = {
    *("choices", "chatmessage", "datetime", "number", "pairwise", "ranker"),
    *("rating", "reactcode", "selected", "taxonomy", "text", TIMELINE_LABELS),
}
"""Where Label Studio's controls put what is said of a region, other than its label."""


def is_minimal(task: Mapping[str, Any]) -> bool:
    """Whether an entry of an export is a row of JSON_MIN."""
    return "annotations" not in task and "predictions" not in task


def as_full(entries: Sequence[Any]) -> list[Any]:
    """The entries of an export, each row of JSON_MIN as a task of JSON; others as they are.

    The rows of one task, which differ in their annotation, become one task.
    """
    tasks: dict[Any, dict[str, Any]] = {}
    found: list[Any] = []
    for entry in entries:
        if not isinstance(entry, Mapping) or not is_minimal(entry):
            found.append(entry)
            continue
        annotation = _annotation(entry)
        key = _key(entry)
        if key is not None and key in tasks:
            tasks[key]["annotations"] += annotation
            continue
        task = {"data": entry, "annotations": annotation}
        if "id" in entry:
            task["id"] = entry["id"]
        if key is not None:
            tasks[key] = task
        found.append(task)
    return found


def _key(row: Mapping[str, Any]) -> tuple[str, str] | None:
    """What rows of one task have in common; None for a row that names no annotation."""
    if row.get("annotation_id") is None or "id" not in row:
        return None
    return repr(row["id"]), repr(row.get("video"))


def _annotation(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The row's annotation; none where nobody annotated the task."""
    results = list(_results(row))
    is_annotated = any(result["type"] == GEOMETRY for result in results)
    if row.get("annotation_id") is None and not is_annotated:
        return []
    return [
        {
            "id": row.get("annotation_id"),
            "completed_by": row.get("annotator"),
            "created_at": row.get("created_at"),
            "result": results,
        }
    ]


def _results(row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The results of a row: boxes once, and the rest by its kind, to be counted.

    A box that is drawn while a label of the timeline is chosen lies under both controls
    (label-studio#9744), with or without a hint which is which. Of two controls that hold the same
    box the one that labels it counts, else the first.
    """
    boxes: dict[str, list[Mapping[str, Any]]] = {}
    for name, value in row.items():
        for item in value if isinstance(value, list) else [value]:
            if not isinstance(item, Mapping):
                continue
            if "sequence" in item and not _is_answer(item):
                boxes.setdefault(name, []).append(item)
            elif kinds := sorted(ANSWER_KEYS & item.keys()):
                yield {"type": kinds[0], "value": {}}
    timeline_labels = _timeline_labels(row)
    taken: dict[str, int] = {}
    # Python's sort is stable: controls of equal standing stay in the order of the row.
    for name in sorted(boxes, key=lambda name: not any(item.get("labels") for item in boxes[name])):
        own: dict[str, int] = {}
        for item in boxes[name]:
            content = drawing_of(item["sequence"])
            own[content] = own.get(content, 0) + 1
            if own[content] <= taken.get(content, 0) and not item.get("labels"):
                yield {"type": COPY, "value": {}}
            else:
                names = timeline_labels.get(content, [])
                yield {"type": GEOMETRY, "value": item, TIMELINE_LABELS: names}
        for content, number in own.items():
            taken[content] = max(number, taken.get(content, 0))


def _timeline_labels(row: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The labels of the timeline, by what is drawn of the box that they were given to."""
    found: dict[str, list[Any]] = {}
    for value in row.values():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, Mapping) and {"sequence", TIMELINE_LABELS} <= item.keys():
                found.setdefault(drawing_of(item["sequence"]), []).extend(
                    as_list(item[TIMELINE_LABELS])
                )
    return found


def _is_answer(value: Mapping[str, Any]) -> bool:
    """Whether a value says something of a region, and is none itself."""
    return not value.get("labels") and not ANSWER_KEYS.isdisjoint(value)
