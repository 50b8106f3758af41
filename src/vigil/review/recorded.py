"""Says why a run has changed files of git where nobody changed anything; `make repro` ends with it.

Results are the same bytes on the same kind of machine. Those in git are of one kind; a fresh clone
on another ends with other ones, and with a `git status` that would else be a riddle.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vigil.plumbing.errors import InputError, listed
from vigil.review.revisions import Committed, WorkingFolder, read_stages

Stages = Mapping[str, Any]
"""By stage, what a `dvc.lock` tells of its last run."""


def explain(committed: Stages, here: Stages) -> str | None:
    """One line on results that differ from those in git though all they are made from is the same.

    None where nothing differs, or something that a person changed does.
    """
    if committed.keys() != here.keys():
        return None
    made = {path for told in here.values() for path in _files(told, "outs")}
    differing = []
    for name, told in here.items():
        before = committed[name]
        given = {path: digest for path, digest in _files(told, "deps").items() if path not in made}
        given_before = {path: _files(before, "deps").get(path) for path in given}
        same_told = all(before.get(key) == told.get(key) for key in ("cmd", "params"))
        if given != given_before or not same_told:
            return None
        same_deps = _files(before, "deps") == _files(told, "deps")
        if same_deps and _files(before, "outs") != _files(told, "outs"):
            differing.append(name)
    if not differing:
        return None
    return (
        f"git status: the results of {listed(differing)} differ from those in git though nothing "
        "they are made from does: those were recorded on another kind of machine"
    )


def _files(told: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Digests of a stage's `deps` or `outs` by path."""
    return {file["path"]: file.get("md5") for file in told.get(kind, [])}


def print_explanation(project: Path) -> None:
    """Prints the line, where there is one; without git there is none."""
    try:
        line = explain(read_stages(Committed(project, "HEAD")), read_stages(WorkingFolder(project)))
    except InputError:
        return
    if line:
        print(f"\n{line}")
