"""Whether boxes were drawn alike."""

import json
from collections.abc import Mapping
from typing import Any

UNDRAWN = {"auto", "time"}
"""What a keyframe holds beside what was drawn. The page writes times anew when it saves."""


def drawing_of(sequence: Any) -> str:
    """The keyframes of a box, as a text that is equal for boxes that were drawn alike.

    The order in the list does not count, nor what an export filled in.
    """
    if not isinstance(sequence, list) or not all(isinstance(one, Mapping) for one in sequence):
        return json.dumps(sequence, sort_keys=True, default=repr)
    keyframes = [
        json.dumps(
            {key: value for key, value in one.items() if key not in UNDRAWN},
            sort_keys=True,
            default=repr,
        )
        for one in sequence
        if one.get("auto") is not True
    ]
    return "\n".join(sorted(keyframes))
