"""Clips in folders of classes: `<folder>/<class>/<clip>`. A folder of pictures is a clip too."""

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from vigil.plumbing.errors import FieldError, InputError, listed, shorten
from vigil.plumbing.folders import is_hidden
from vigil.plumbing.memo import tree_digest


def list_clips(
    folder: Path, *, anomalous_classes: Sequence[str], group_pattern: str
) -> pd.DataFrame:
    """Lists every clip below a folder, without hidden files and files of operating systems.

    Args:
        anomalous_classes: classes that must raise the alarm; all other classes are allowed.
        group_pattern: a regular expression for a clip's file name. Its first group, or the whole
            match if it has no group, is the source from which the clip was cut. If it is empty,
            each clip is a separate source.

    Returns:
        `class`, `is_anomalous`, `source` and `digest` (SHA-256 of the file) by `clip`
        ("<class>/<file name>"), sorted.

    Raises:
        InputError: no folder, no class, a class without clips, a file where a folder is expected, a
            name that does not match the pattern, an anomalous class that does not exist, no
            anomalous class, or no allowed class.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: expected a folder for each class of clips, found none")
    classes = _visible(folder)
    for path in classes:
        if not path.is_dir():
            raise InputError(f"{path}: expected a folder for each class of clips, found a file")
    names = [path.name for path in classes]
    if not names:
        raise InputError(f"{folder}: expected a folder for each class of clips, found none")
    _check_classes(names, anomalous_classes)
    rows = []
    for path in classes:
        files = _visible(path)
        if not files:
            raise InputError(f"{path}: expected clips, found an empty folder")
        for file in files:
            rows.append(
                {
                    "clip": f"{path.name}/{file.name}",
                    "class": path.name,
                    "is_anomalous": path.name in anomalous_classes,
                    "source": source_of(f"{path.name}/{file.name}", group_pattern),
                    "digest": tree_digest(file),
                }
            )
    return pd.DataFrame(rows).set_index("clip")


def _visible(folder: Path) -> list[Path]:
    paths = sorted(path for path in folder.iterdir() if not is_hidden(path.name))
    for path in paths:
        if not path.name.isprintable():  # names that are not UTF-8 are not printable
            raise InputError(f"{folder}: expected printable names, got {shorten(path.name)}")
    return paths


def _check_classes(names: Sequence[str], anomalous_classes: Sequence[str]) -> None:
    unknown = set(anomalous_classes) - set(names)
    if unknown:
        raise FieldError(
            "anomalous_classes", f"expected classes of {listed(names)}, got {listed(unknown)}"
        )
    if not anomalous_classes:
        raise FieldError(
            "anomalous_classes", "expected at least one class to raise the alarm, got none"
        )
    if set(anomalous_classes) == set(names):
        raise FieldError(
            "anomalous_classes",
            f"expected to leave a class that is allowed, got all of {listed(names)}",
        )


def source_of(clip: str, group_pattern: str) -> str:
    """The source from which a clip ("<class>/<file name>") was cut.

    Args:
        group_pattern: see `list_clips`.

    Raises:
        InputError: a name that does not match it.
    """
    if not group_pattern:
        return clip
    pattern = re.compile(group_pattern)
    match = pattern.search(clip.split("/")[-1])
    source = (match[1] if pattern.groups else match[0]) if match else None
    if not source:
        raise InputError(
            f"{clip}: expected clip_group_pattern {shorten(group_pattern)} to find the "
            "clip's source in its name, found none"
        )
    return source
