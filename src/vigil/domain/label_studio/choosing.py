"""Chooses which of a task's annotations are used."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from vigil.domain.label_studio.labels import own_labels, separate_labels
from vigil.domain.label_studio.likeness import drawing_of
from vigil.domain.label_studio.regions import CONTROL, GEOMETRY
from vigil.plumbing.errors import InputError, shorten

Annotation = Mapping[str, Any]

HINT = "set interpolate_annotations.annotators to choose"


@dataclass(frozen=True)
class Chosen:
    """The annotations of a task that are used.

    Attributes:
        results: the results of these annotations.
        counted: the names of these annotations in messages.
        num_left_out: the number of finished annotations that are not used.
        alike: the annotations that the rule leaves, whose boxes are alike; with `merge`, all.
    """

    results: list[Any]
    counted: tuple[str, ...]
    num_left_out: int
    alike: tuple[Annotation, ...]


def choose(finished: Sequence[Annotation], annotators: str, where: str) -> Chosen:
    """Chooses by a rule. Where the rule leaves several that differ, that is an error.

    Args:
        finished: the annotations that were not cancelled, at least one. An annotation without a
            box is one too: its annotator saw no object.
        annotators: the rule. `error`: annotations with different boxes are an error. `newest`: the
            annotation that was created last. `ground_truth`: the annotation that is marked as
            ground truth. `merge`: all boxes of all annotations, where equal boxes of several
            annotators become one. Any other text: the e-mail address or number of an annotator,
            whose annotation is used where there are several.
        where: the name of the task in messages.

    Raises:
        InputError: the rule does not choose one annotation, or an annotation has no results.
    """
    for annotation in finished:
        if not isinstance(annotation.get("result"), list):
            value = shorten(annotation.get("result"))
            raise InputError(f"{where}: expected a list 'result', got {value}")
    if len(finished) > 1 and annotators == "merge":
        names = tuple(map(name_of, finished))
        return Chosen(_merged(finished, where), names, 0, tuple(finished))
    candidates = list(finished)
    if len(finished) > 1 and annotators == "ground_truth":
        candidates = [candidate for candidate in finished if candidate.get("ground_truth") is True]
        if not candidates and not _are_alike(finished):
            raise InputError(
                f"{where}: expected one of its annotations marked as ground truth, found "
                f"{_names(finished)}"
            )
    elif len(finished) > 1 and annotators not in {"newest", "error"}:
        candidates = [candidate for candidate in finished if _is_by(candidate, annotators)]
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
    chosen = _newest(candidates, where)
    alike = (chosen,) if annotators == "newest" else tuple(candidates)
    return Chosen(chosen["result"], (name_of(chosen),), len(finished) - 1, alike)


def name_of(annotation: Annotation) -> str:
    """An annotation's name in messages: its number, its annotator and how many boxes it has."""
    annotator = annotation.get("completed_by")
    if isinstance(annotator, Mapping):
        annotator = annotator.get("email") or annotator.get("id")
    author = "" if annotator is None else f" by {_plain(annotator)}"
    num_boxes = sum(_is_box(result) for result in _results(annotation))
    summary = f"{num_boxes} box track" + ("" if num_boxes == 1 else "s")
    if annotation.get("ground_truth") is True:
        summary += ", ground truth"
    return f"{_plain(annotation.get('id'))}{author} ({summary})"


def _plain(value: Any) -> str:
    return shorten(value).strip("'")


def _names(annotations: Sequence[Annotation]) -> str:
    return ", ".join(name_of(annotation) for annotation in annotations[:8])


def _is_by(annotation: Annotation, annotator: str) -> bool:
    """Whether an annotator made an annotation, by the annotator's number or e-mail address.

    `completed_by` is a number, or an object with `id` and `email`. JSON_MIN has either form.
    """
    author = annotation.get("completed_by")
    ids = [author.get("id"), author.get("email")] if isinstance(author, Mapping) else [author]
    return annotator.casefold() in {str(one).casefold() for one in ids if one is not None}


def _boxes(annotation: Annotation) -> list[str]:
    """The keyframes, labels and tag of each box as a text, without ids, sorted."""
    results = _results(annotation)
    return sorted(_content(result, results) for result in results if _is_box(result))


def _results(annotation: Annotation) -> list[Any]:
    results = annotation.get("result")
    return results if isinstance(results, list) else []


def _is_box(result: Any) -> bool:
    """Whether a result is a box with keyframes; one without keyframes draws nothing."""
    if not isinstance(result, Mapping) or result.get("type") != GEOMETRY:
        return False
    value = result.get("value")
    return not (isinstance(value, Mapping) and value.get("sequence") == [])


def _content(box: Mapping[str, Any], results: Sequence[Any]) -> str:
    value = box.get("value")
    if isinstance(value, Mapping):
        drawing = drawing_of(value.get("sequence"))
        labels = own_labels(value) or separate_labels(results, box.get("id"))
        value = [drawing, labels, box.get("to_name") or box.get(CONTROL)]
    return json.dumps(value, sort_keys=True, default=repr)


def _are_alike(annotations: Sequence[Annotation]) -> bool:
    return len(annotations) < 2 or len({tuple(_boxes(one)) for one in annotations}) == 1


def _merged(annotations: Sequence[Annotation], where: str) -> list[Any]:
    """The results of all annotations, without boxes that an earlier annotation has too."""
    merged: list[Any] = []
    content_of: dict[str, str] = {}  # region id: the content of its box
    merged_contents: set[str] = set()
    for annotation in annotations:
        contents: set[str] = set()
        for result in annotation["result"]:
            if _is_box(result):
                content = _content(result, annotation["result"])
                if content in merged_contents:
                    continue
                region_id = result.get("id")
                first_content = (
                    content_of.setdefault(region_id, content)
                    if isinstance(region_id, str)
                    else content
                )
                if first_content != content:
                    raise InputError(
                        f"{where}, region {shorten(region_id)}: expected the same box in all "
                        f"annotations to merge, found {_names(annotations)}"
                    )
                contents.add(content)
            merged.append(result)
        merged_contents |= contents
    return merged


def _newest(annotations: Sequence[Annotation], where: str) -> Annotation:
    """The annotation that was created last; of several at the same time, the last in the list.

    An annotation without a date is older than any other.
    """
    if len(annotations) == 1:
        return annotations[0]
    return sorted(annotations, key=lambda annotation: _created(annotation, where))[-1]


def _created(annotation: Annotation, where: str) -> datetime:
    """The time of creation: ISO 8601, in UTC where it has no offset."""
    created_at = annotation.get("created_at")
    if created_at is None or created_at == "":
        return datetime.min.replace(tzinfo=UTC)
    try:
        created = datetime.fromisoformat(created_at)
    except (TypeError, ValueError):
        name = _plain(annotation.get("id"))
        raise InputError(
            f"{where}, annotation {name}: expected an ISO 8601 date as 'created_at', "
            f"got {shorten(created_at)}"
        ) from None
    return created if created.tzinfo else created.replace(tzinfo=UTC)
