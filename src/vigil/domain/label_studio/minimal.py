"""Converts JSON_MIN exports to the form of JSON exports.

JSON_MIN has a row for each annotation, not for each task. It has no drafts, no predictions and no
ground truth. A row holds the values of each control under the control's name. Regions have no ids.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vigil.domain.label_studio.labels import TIMELINE_LABELS, as_list, own_labels
from vigil.domain.label_studio.likeness import drawing_of
from vigil.domain.label_studio.regions import CONTROL, COPY, GEOMETRY

ANSWER_KEYS = {
    *("choices", "chatmessage", "datetime", "number", "pairwise", "ranker"),
    *("rating", "reactcode", "selected", "taxonomy", "text", TIMELINE_LABELS),
}
"""Keys of the answers that Label Studio's controls store for a region, besides its label."""


def is_minimal(task: Mapping[str, Any]) -> bool:
    """Whether an entry of an export is a row of JSON_MIN."""
    return "annotations" not in task and "predictions" not in task


def as_full(entries: Sequence[Any]) -> list[Any]:
    """The entries of an export, with each JSON_MIN row converted to a JSON task.

    The rows of one task hold different annotations and become one task.
    """
    tasks: dict[Any, dict[str, Any]] = {}
    converted: list[Any] = []
    for entry in entries:
        if not isinstance(entry, Mapping) or not is_minimal(entry):
            converted.append(entry)
            continue
        annotations = _annotations(entry)
        key = _key(entry)
        if key is not None and key in tasks:
            tasks[key]["annotations"] += annotations
            continue
        task = {"data": entry, "annotations": annotations}
        if "id" in entry:
            task["id"] = entry["id"]
        if key is not None:
            tasks[key] = task
        converted.append(task)
    return converted


def _key(row: Mapping[str, Any]) -> tuple[str, str] | None:
    """The key that all rows of a task share; None for a row that names no annotation."""
    if row.get("annotation_id") is None or "id" not in row:
        return None
    return repr(row["id"]), repr(row.get("video"))


def _annotations(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The row's annotation in a list, which is empty where nobody annotated the task."""
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
    """The results of a row: each box once, and other results by type, so that they are counted.

    If a timeline label is selected while a box is drawn, the row holds the box under both controls
    (label-studio#9744), and does not always show which control drew it. Of two controls that hold
    the same box, the control that labels it is used, or else the first.
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
    num_used: dict[str, int] = {}  # drawing: how often an earlier control has it, at most
    # Controls that label a box come first. The sort is stable: it keeps the row's order otherwise.
    for name in sorted(boxes, key=lambda name: not any(map(own_labels, boxes[name]))):
        num_drawn: dict[str, int] = {}
        for item in boxes[name]:
            content = drawing_of(item["sequence"])
            num_drawn[content] = num_drawn.get(content, 0) + 1
            if num_drawn[content] <= num_used.get(content, 0) and not own_labels(item):
                yield {"type": COPY, "value": {}}
            else:
                names = timeline_labels.get(content, [])
                yield {"type": GEOMETRY, "value": item, TIMELINE_LABELS: names, CONTROL: name}
        for content, number in num_drawn.items():
            num_used[content] = max(number, num_used.get(content, 0))


def _timeline_labels(row: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The timeline labels by the drawing of the box that they belong to."""
    labels_of: dict[str, list[Any]] = {}
    for value in row.values():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, Mapping) and {"sequence", TIMELINE_LABELS} <= item.keys():
                labels_of.setdefault(drawing_of(item["sequence"]), []).extend(
                    as_list(item[TIMELINE_LABELS])
                )
    return labels_of


def _is_answer(value: Mapping[str, Any]) -> bool:
    """Whether a value is an answer about a region, not a region."""
    return not own_labels(value) and not ANSWER_KEYS.isdisjoint(value)
