"""Compares the working folder with a git revision: `vigil report`.

`report/index.html` is a self-contained page with pictures. `report/report.md` holds its tables, for
a comment on a pull request. The report compares results of the last run. It trains and evaluates
nothing.
"""

from collections.abc import Iterable
from pathlib import Path

from vigil.plumbing.errors import InputError
from vigil.plumbing.outputs import whole
from vigil.plumbing.records import read_json
from vigil.plumbing.times import times_folder
from vigil.review.comment import write_comment
from vigil.review.comparison import changed_stages, compare
from vigil.review.findings import Findings
from vigil.review.page import write_page
from vigil.review.revisions import (
    METRICS,
    Committed,
    WorkingFolder,
    read_metrics,
    read_params,
    read_stages,
    read_status,
)

FILES = ("index.html", "report.md")


def write_report(root: Path, revision: str, folder: Path) -> None:
    """Compares the project in `root` with a revision of it and writes both files.

    Raises:
        InputError: no such revision, no metrics to compare, damaged files, or other files in
            `folder`.
    """
    _clear(folder)
    base, ours = Committed(root, revision), WorkingFolder(root)
    before, after = read_metrics(base), read_metrics(ours)
    if not after:
        raise InputError("expected metrics of a finished run below metrics/, found none")
    stages = read_stages(ours)
    stale, altered = read_status(root)
    findings = Findings(
        base=(revision, base.commit[:7]),
        metrics={name: compare(before.get(name, {}), after.get(name, {})) for name in METRICS},
        params=[
            change
            for change in compare(read_params(base), read_params(ours))
            if change.verdict != "same"
        ],
        stages=changed_stages(read_stages(base), stages),
        stale=stale,
        altered=altered,
        times=_read_times(name.rpartition(":")[2] for name in stages),
    )
    with whole(folder) as partial:
        partial.mkdir()
        (partial / FILES[1]).write_text(write_comment(findings), encoding="utf-8")
        page = write_page(findings, base, ours)
        (partial / FILES[0]).write_text(page, encoding="utf-8")


def _clear(folder: Path) -> None:
    """Removes an older report, so that nobody takes it for the new one if that fails."""
    if folder.is_dir():
        for name in FILES:
            (folder / name).unlink(missing_ok=True)
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise InputError(f"expected nothing or an older report at {folder}, got other files")


def _read_times(order: Iterable[str]) -> dict[str, float]:
    """Seconds of each stage's last run on this machine; stages of other pipelines come first.

    Stages that have not run are left out.
    """
    files = {file.stem: file for file in sorted(times_folder().glob("*.json"))}
    known = [name for name in order if name in files]
    return {
        name: read_json(files[name])["seconds"]
        for name in [*(name for name in files if name not in known), *known]
    }
