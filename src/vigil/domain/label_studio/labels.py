"""Finds the names of labels that an export gives to a box, under whichever key.

Label Studio's page writes them under `labels`. Other programs write them under the name of another
control, such as `rectanglelabels`, or as a separate result with the id of the box.
"""

from collections.abc import Mapping, Sequence
from typing import Any

LABELS = "labels"
TIMELINE_LABELS = "timelinelabels"


def as_list(value: Any) -> list[Any]:
    """The value itself if it is a list, an empty list for no value, else a list of the value."""
    if not value:
        return []
    return value if isinstance(value, list) else [value]


def own_labels(value: Mapping[str, Any]) -> list[Any]:
    """The labels that the value of a box has, under all keys of labels except the timeline's."""
    keys = sorted(filter(is_other_key, value))
    return _once([name for key in (LABELS, *keys) for name in as_list(value.get(key))])


def separate_labels(results: Sequence[Any], region_id: Any) -> list[Any]:
    """The labels in separate results with the id of a box; none for a box without an id."""
    names: list[Any] = []
    for result in results if region_id is not None else []:
        if not isinstance(result, Mapping) or result.get("id") != region_id:
            continue
        kind, value = result.get("type"), result.get("value")
        is_kind = kind == LABELS or (isinstance(kind, str) and is_other_key(kind))
        if is_kind and isinstance(value, Mapping):
            names += own_labels(value)
    return _once(names)


def is_usual(value: Mapping[str, Any], results: Sequence[Any], region_id: Any) -> bool:
    """Whether the labels stand where Label Studio writes them."""
    if own_labels(value):
        return bool(value.get(LABELS))
    plain = [one for one in results if isinstance(one, Mapping) and one.get("type") == LABELS]
    names = separate_labels(plain, region_id)
    return bool(names) or not separate_labels(results, region_id)


def is_other_key(key: str) -> bool:
    """Whether a key of a value, or a type of a result, is that of other controls with labels."""
    return key.endswith(LABELS) and key not in {LABELS, TIMELINE_LABELS}


def _once(names: Sequence[Any]) -> list[Any]:
    return [name for at, name in enumerate(names) if name not in names[:at]]
