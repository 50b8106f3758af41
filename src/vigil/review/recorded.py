"""Explains at the end of `make repro` why results differ from those in git without any change.

Results have the same bytes on the same kind of machine. The results in git are from one kind of
machine. On another kind, a fresh clone gives other bytes, and `git status` lists changed files.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vigil.plumbing.errors import InputError, listed
from vigil.review.revisions import Committed, WorkingFolder, read_stages

Stages = Mapping[str, Any]
"""The entry of each stage in a `dvc.lock`, which describes its last run."""


def explain(committed: Stages, here: Stages) -> str | None:
    """One line about results that differ from those in git although their inputs are the same.

    None if no result differs, or if an input differs that a person changed.
    """
    if committed.keys() != here.keys():
        return None
    outputs = {path for stage in here.values() for path in _files(stage, "outs")}
    differing = []
    for name, stage in here.items():
        before = committed[name]
        inputs = {
            path: digest for path, digest in _files(stage, "deps").items() if path not in outputs
        }
        inputs_before = {path: _files(before, "deps").get(path) for path in inputs}
        same_words = all(before.get(key) == stage.get(key) for key in ("cmd", "params"))
        if inputs != inputs_before or not same_words:
            return None
        same_deps = _files(before, "deps") == _files(stage, "deps")
        if same_deps and _files(before, "outs") != _files(stage, "outs"):
            differing.append(name)
    if not differing:
        return None
    return (
        f"git status: the results of {listed(differing)} differ from those in git though their "
        "inputs do not: the results in git are from another kind of machine"
    )


def _files(stage: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Digests of a stage's `deps` or `outs` by path."""
    return {file["path"]: file.get("md5") for file in stage.get(kind, [])}


def print_explanation(project: Path) -> None:
    """Prints the explanation if there is one; prints nothing without git."""
    try:
        line = explain(read_stages(Committed(project, "HEAD")), read_stages(WorkingFolder(project)))
    except InputError:
        return
    if line:
        print(f"\n{line}")
