"""Compares boxes by how they were drawn."""

import json
from collections.abc import Mapping
from typing import Any

UNDRAWN = {"auto", "time"}
"""Keys of a keyframe that do not describe the drawing: the page writes times anew on saving."""


def drawing_of(sequence: Any) -> str:
    """The keyframes of a box as a text. It is equal for boxes that were drawn alike.

    The order of the keyframes is ignored, and so are keyframes that an export filled in.
    """
    if not isinstance(sequence, list) or not all(isinstance(item, Mapping) for item in sequence):
        return json.dumps(sequence, sort_keys=True, default=repr)
    keyframes = [
        json.dumps(
            {key: value for key, value in item.items() if key not in UNDRAWN},
            sort_keys=True,
            default=repr,
        )
        for item in sequence
        if item.get("auto") is not True
    ]
    return "\n".join(sorted(keyframes))
