"""Clips in folders of classes: `<folder>/<class>/<clip>`. A folder of pictures is a clip too."""

import re
from collections.abc import Container, Sequence
from pathlib import Path

import pandas as pd

from vigil.plumbing.errors import FieldError, InputError, listed, shorten
from vigil.plumbing.folders import is_hidden
from vigil.plumbing.memo import tree_digest


def list_clips(
    folder: Path,
    *,
    anomalous_classes: Sequence[str],
    group_pattern: str,
    left_out: Container[str] = (),
) -> pd.DataFrame:
    """Lists every clip below a folder, without hidden files and files of operating systems.

    Args:
        anomalous_classes: classes that must raise the alarm; all other classes are allowed.
        group_pattern: a regular expression for a clip's file name. Its first group, or the whole
            match if it has no group, is the source from which the clip was cut. If it is empty,
            each clip is a separate source.
        left_out: paths "<class>/<file name>" that are no clips.

    Returns:
        `class`, `is_anomalous`, `source` and `digest` (SHA-256 of the file) by `clip`
        ("<class>/<file name>"), sorted.

    Raises:
        InputError: no folder, no class, a class without clips, a file where a folder is expected, a
            name that does not match the pattern, an anomalous class that does not exist, no
            anomalous class, no allowed class, or the same clip in two classes.
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
        found = _visible(path)
        files = [file for file in found if f"{path.name}/{file.name}" not in left_out]
        if not files:
            others = f"only {listed(file.name for file in found)}" if found else "an empty folder"
            raise InputError(f"{path}: expected clips, found {others}")
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
    table = pd.DataFrame(rows).set_index("clip")
    _check_one_class(table, folder)
    return table


def _check_one_class(table: pd.DataFrame, folder: Path) -> None:
    """Checks that no content has two classes: nothing could be learnt from it, or measured."""
    num_classes = table.groupby("digest", sort=False)["class"].nunique()
    for digest in num_classes.index[num_classes > 1]:
        same = table[table["digest"] == digest]
        other = same["class"].ne(same["class"].iloc[0]).idxmax()
        raise InputError(
            f"{folder}: expected each clip in one class, found the same content in "
            f"{same.index[0]} and {other}; remove the wrong one"
        )


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
