"""Changes single values in `params.yaml`, and leaves comments and layout as they are."""

import json
from collections.abc import Mapping
from typing import Any

import yaml

from vigil.plumbing.errors import InputError


def changed_params(text: str, changes: Mapping[str, Any]) -> str:
    """The text of `params.yaml` with other values.

    Args:
        changes: the new plain value or empty list of each parameter, by its dotted name.

    Raises:
        InputError: there is no such parameter.
    """
    spans = []
    for name, value in changes.items():
        node = yaml.compose(text)
        for key in name.split("."):
            entries = node.value if isinstance(node, yaml.MappingNode) else []
            node = next((after for before, after in entries if before.value == key), None)
        if node is None:
            raise InputError(f"params.yaml: {name}: expected this parameter, found none")
        spans.append((node.start_mark.index, node.end_mark.index, json.dumps(value)))
    for start, stop, written in sorted(spans, reverse=True):
        # A block of several lines ends before the next key: its line end is kept.
        ending = "\n" if text[start:stop].endswith("\n") else ""
        text = text[:start] + written + ending + text[stop:]
    return text
