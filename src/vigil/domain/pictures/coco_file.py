"""Writes COCO instances JSON: annotations, categories and images, one entry at a time.

Source: https://cocodataset.org/#format-data. `bbox` is [x, y, width, height] in px, 0-based.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO, TypeAlias

from vigil.plumbing.outputs import whole

Json: TypeAlias = dict[str, Any]


def write_instances(
    path: Path,
    *,
    annotations: Iterable[Json],
    categories: Iterable[Json],
    images: Iterable[Json],
) -> None:
    """Writes a file with at most one entry in memory."""
    with whole(path) as partial, partial.open("w", encoding="utf-8", newline="\n") as file:
        file.write('{"annotations": ')
        _write_list(annotations, file)
        file.write(', "categories": ')
        _write_list(categories, file)
        file.write(', "images": ')
        _write_list(images, file)
        file.write("}\n")


def _write_list(entries: Iterable[Json], file: TextIO) -> None:
    file.write("[")
    for number, entry in enumerate(entries):
        file.write(", " if number else "")
        file.write(json.dumps(entry, sort_keys=True, ensure_ascii=False, allow_nan=False))
    file.write("]")
