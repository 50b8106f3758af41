"""Which of a task's annotations counts."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from vigil.domain.label_studio.likeness import drawing_of
from vigil.domain.label_studio.regions import GEOMETRY
from vigil.plumbing.errors import InputError, shorten

Annotation = Mapping[str, Any]

HINT = "interpolate_annotations.annotators can choose"


@dataclass(frozen=True)
class Chosen:
    """What counts of a task.

    Attributes:
        results: of the annotations that count.
        counted: the annotations that count, as messages call them.
        num_left_out: finished annotations that do not count.
    """

    results: list[Any]
    counted: tuple[str, ...]
    num_left_out: int


def choose(finished: Sequence[Annotation], annotators: str, where: str) -> Chosen:
    """Chooses by a rule, and never one of several in silence.

    Args:
        finished: the annotations that were not cancelled, at least one. One without a box counts:
            somebody found nothing.
        annotators: `error`: where several differ in their boxes, that is an error. `newest`: by
            when they were made. `ground_truth`: the one so marked. `merge`: all boxes of all of
            them, one that several drew alike once. Else the e-mail or the number of an annotator,
            whose annotation counts where there are several.
        where: what messages call the task.

    Raises:
        InputError: the rule does not choose one, or an annotation holds no results.
    """
    for annotation in finished:
        if not isinstance(annotation.get("result"), list):
            got = shorten(annotation.get("result"))
            raise InputError(f"{where}: expected a list 'result', got {got}")
    if len(finished) > 1 and annotators == "merge":
        return Chosen(_merged(finished, where), tuple(map(name_of, finished)), 0)
    candidates = list(finished)
    if len(finished) > 1 and annotators == "ground_truth":
        candidates = [one for one in finished if one.get("ground_truth") is True]
        if not candidates and not _are_alike(finished):
            raise InputError(
                f"{where}: expected one of its annotations marked as ground truth, found "
                f"{_names(finished)}"
            )
    elif len(finished) > 1 and annotators not in {"newest", "error"}:
        candidates = [one for one in finished if _is_by(one, annotators)]
        if not candidates:
            raise InputError(
                f"{where}: expected an annotation by {shorten(annotators)}, found "
                f"{_names(finished)}"
            )
    candidates = candidates or list(finished)
    if annotators != "newest" and not _are_alike(candidates):
        raise InputError(
            f"{where}: expected one annotation, or several that are alike, found "
            f"{_names(candidates)}; {HINT}"
        )
    counting = _newest(candidates, where)
    return Chosen(counting["result"], (name_of(counting),), len(finished) - 1)


def name_of(annotation: Annotation) -> str:
    """What messages call an annotation: its number, its annotator and its boxes."""
    annotator = annotation.get("completed_by")
    if isinstance(annotator, Mapping):
        annotator = annotator.get("email") or annotator.get("id")
    by = "" if annotator is None else f" by {_plain(annotator)}"
    num_boxes = sum(_is_box(result) for result in _results(annotation))
    told = f"{num_boxes} box track" + ("" if num_boxes == 1 else "s")
    if annotation.get("ground_truth") is True:
        told += ", ground truth"
    return f"{_plain(annotation.get('id'))}{by} ({told})"


def _plain(value: Any) -> str:
    return shorten(value).strip("'")


def _names(annotations: Sequence[Annotation]) -> str:
    return ", ".join(name_of(one) for one in annotations[:8])


def _is_by(annotation: Annotation, annotator: str) -> bool:
    """`completed_by` is a number, or the person with number and e-mail; in JSON_MIN either."""
    told = annotation.get("completed_by")
    known = [told.get("id"), told.get("email")] if isinstance(told, Mapping) else [told]
    return annotator.casefold() in {str(one).casefold() for one in known if one is not None}


def _boxes(annotation: Annotation) -> list[str]:
    """What is drawn, in an order of its own: keyframes and labels, without ids."""
    results = _results(annotation)
    return sorted(_drawn(result, results) for result in results if _is_box(result))


def _results(annotation: Annotation) -> list[Any]:
    results = annotation.get("result")
    return results if isinstance(results, list) else []


def _is_box(result: Any) -> bool:
    """Whether a result draws something: a box without keyframes does not."""
    if not isinstance(result, Mapping) or result.get("type") != GEOMETRY:
        return False
    value = result.get("value")
    return not (isinstance(value, Mapping) and value.get("sequence") == [])


def _drawn(box: Mapping[str, Any], results: Sequence[Any]) -> str:
    value = box.get("value")
    if isinstance(value, Mapping):
        drawing = drawing_of(value.get("sequence"))
        value = [drawing, value.get("labels") or _own_labels(results, box)]
    return json.dumps(value, sort_keys=True, default=repr)


def _own_labels(results: Sequence[Any], box: Mapping[str, Any]) -> list[Any]:
    """Labels in results of their own."""
    return [
        one.get("value")
        for one in results
        if isinstance(one, Mapping)
        and one.get("type") == "labels"
        and one.get("id") == box.get("id") is not None
    ]


def _are_alike(annotations: Sequence[Annotation]) -> bool:
    return len(annotations) < 2 or len({tuple(_boxes(one)) for one in annotations}) == 1


def _merged(annotations: Sequence[Annotation], where: str) -> list[Any]:
    """The results of all, a box that an earlier annotation holds alike left out."""
    merged: list[Any] = []
    seen: dict[str, str] = {}  # id of a region: what is drawn
    drawn: set[str] = set()
    for annotation in annotations:
        own: set[str] = set()
        for result in annotation["result"]:
            if _is_box(result):
                content = _drawn(result, annotation["result"])
                if content in drawn:
                    continue
                region_id = result.get("id")
                known = (
                    seen.setdefault(region_id, content) if isinstance(region_id, str) else content
                )
                if known != content:
                    raise InputError(
                        f"{where}, region {shorten(region_id)}: expected annotations that do not "
                        f"differ in one region to merge, found {_names(annotations)}"
                    )
                own.add(content)
            merged.append(result)
        drawn |= own
    return merged


def _newest(annotations: Sequence[Annotation], where: str) -> Annotation:
    """Of equally new ones the last in the list; one without a date is older than any other."""
    if len(annotations) == 1:
        return annotations[0]
    return sorted(annotations, key=lambda annotation: _created(annotation, where))[-1]


def _created(annotation: Annotation, where: str) -> datetime:
    """When an annotation was made: ISO 8601, in UTC where it names no offset."""
    told = annotation.get("created_at")
    if told is None or told == "":
        return datetime.min.replace(tzinfo=UTC)
    try:
        created = datetime.fromisoformat(told)
    except (TypeError, ValueError):
        name = _plain(annotation.get("id"))
        raise InputError(
            f"{where}, annotation {name}: expected a date of ISO 8601 as 'created_at', "
            f"got {shorten(told)}"
        ) from None
    return created if created.tzinfo else created.replace(tzinfo=UTC)
