"""Reads parameters, metrics, curves and pictures of a git revision or of the working folder."""

import hashlib
import io
import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
from dvc.api import DVCFileSystem
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.utils.serialize import parse_yaml
from dvc_data.index import DataIndexError

from vigil.plumbing.closure import SOURCE
from vigil.plumbing.cut_files import YAML_ERRORS
from vigil.plumbing.errors import InputError, shorten
from vigil.plumbing.listed_code import CODE, LISTER, list_code

METRICS = ("classifier", "detector", "segmenter", "alarm")
PIPELINES = ("", "demo/")
"""Folders of this project with a `dvc.yaml`."""


class Files(Protocol):
    """Files by their path below the project."""

    @property
    def name(self) -> str:
        """The name for error messages."""

    def read(self, path: str) -> bytes | None:
        """A file's bytes; None if there is no such file."""

    def list(self, folder: str) -> list[str]:
        """Paths of all files at any depth below a folder, sorted."""


@dataclass(frozen=True)
class WorkingFolder:
    """The files in the project's folder."""

    root: Path
    name = "the working folder"

    def read(self, path: str) -> bytes | None:
        """A file's bytes; None if there is no such file."""
        file = self.root / path
        return file.read_bytes() if file.is_file() else None

    def list(self, folder: str) -> list[str]:
        """Paths of all files at any depth below a folder, sorted."""
        files = (file for file in (self.root / folder).rglob("*") if file.is_file())
        return sorted(file.relative_to(self.root).as_posix() for file in files)


class Committed:
    """The files of a git revision; files that DVC tracks come from its cache."""

    def __init__(self, root: Path, revision: str) -> None:
        """Raises InputError if there is no such revision."""
        git = ["git", "-C", str(root), "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}"]
        done = subprocess.run(git, capture_output=True, text=True, check=False)
        if done.returncode:
            raise InputError(f"expected a git revision to compare with, got {shorten(revision)}")
        self.commit = done.stdout.strip()
        self.name = self.commit[:7]
        self._files = DVCFileSystem(str(root), rev=self.commit)

    def read(self, path: str) -> bytes | None:
        """A file's bytes; None if it is neither committed nor in the cache."""
        try:
            content: bytes = self._files.read_bytes(path)
        except (OSError, DataIndexError):  # the latter if a folder's index is not in the cache
            return None
        except DvcException as error:
            raise InputError(f"{self.name}: {shorten(str(error), 400)}") from None
        return content

    def list(self, folder: str) -> list[str]:
        """Paths of all files at any depth below a folder, sorted; empty if they are unknown."""
        try:
            return sorted(self._files.find(folder))
        except (OSError, DataIndexError):
            return []
        except DvcException as error:
            raise InputError(f"{self.name}: {shorten(str(error), 400)}") from None


@dataclass(frozen=True)
class Curve:
    """A curve that `dvc.yaml` declares.

    Attributes:
        path: the path of a table below the project; `x` and `y` are columns of it.
    """

    title: str
    path: str
    x: str
    y: str
    x_label: str
    y_label: str


def read_params(files: Files) -> dict[str, Any]:
    """The parameters of all pipelines by dotted name, with the folder of the pipeline in front.

    Raises:
        InputError: a file is damaged, for example by a merge.
    """
    return {
        f"{folder}{name}": value
        for folder in PIPELINES
        for name, value in flatten(_read_yaml(files, f"{folder}params.yaml")).items()
    }


def read_metrics(files: Files) -> dict[str, dict[str, Any]]:
    """The metrics of each branch of the pipeline, by dotted name.

    Raises:
        InputError: a file is damaged, for example by a merge.
    """
    metrics = {}
    for name in METRICS:
        path = f"metrics/{name}.json"
        if (text := files.read(path)) is None:
            continue
        try:
            content = json.loads(text)
        except ValueError as error:
            raise _damaged(files, path, "JSON", error) from None
        if not isinstance(content, dict):
            raise _damaged(files, path, "metrics by name", shorten(content))
        metrics[name] = flatten(_by_name(content))
    return metrics


def read_stages(files: Files) -> dict[str, Any]:
    """The entry of each stage in a `dvc.lock`, by the stage's name in DVC.

    Raises:
        InputError: a file is damaged, for example by a merge.
    """
    return {
        f"{folder}dvc.yaml:{name}" if folder else name: entry
        for folder in reversed(PIPELINES)
        for name, entry in _read_yaml(files, f"{folder}dvc.lock").get("stages", {}).items()
    }


def read_status(root: Path) -> tuple[list[str], list[str]]:
    """Stages that are out of date, and outputs that no run made, from the status of DVC.

    DVC sees an edit of the source only once `list_code` has run. So the code of each stage is
    listed here, and compared with the code of its last run.

    The stages have not run with the present code, data and parameters. The outputs were edited, or
    come from one side of a merge while `dvc.lock` comes from the other. Missing data does not
    count, as in a clone that computed nothing.

    Raises:
        InputError: DVC cannot read its files.
    """
    try:
        with Repo(str(root)) as repo:
            status: dict[str, Any] = repo.status()
    except DvcException as error:
        raise InputError(f"{shorten(str(error), 400)}") from None
    stale, altered = set(), set()
    for name, entries in status.items():
        for entry in entries:
            changes = entry if isinstance(entry, Mapping) else {}
            deps = flatten(changes.get("changed deps", {})).values()
            if entry == "changed command" or any(change != "deleted" for change in deps):
                stale.add(name)
            outs = changes.get("changed outs", {}).items()
            altered |= {path for path, change in outs if change == "modified"}
    if (root / "src").resolve() == SOURCE:
        stale = stale - {LISTER} | _other_code(root)
        altered = {path for path in altered if path.split("/")[0] != CODE}
    return sorted(stale), sorted(altered)


def _other_code(root: Path) -> set[str]:
    """The stages whose code is not that of their last run."""
    stages, scripts = read_stages(WorkingFolder(root)), (root / "stages").glob("[!.]*.py")
    digests = {
        f"{CODE}/{script.stem}.json": hashlib.md5(list_code(script).encode()).hexdigest()
        for script in scripts
    }
    return {
        name
        for name, stage in stages.items()
        for file in stage.get("deps", [])
        if file["path"] in digests and file.get("md5") != digests[file["path"]]
    }


def read_table(files: Files, path: str) -> pd.DataFrame | None:
    """A CSV or TSV table; None if there is no such file."""
    content = files.read(path)
    if content is None:
        return None
    return pd.read_csv(io.BytesIO(content), sep="\t" if path.endswith(".tsv") else ",")


def read_curves(files: Files) -> list[Curve]:
    """The curves that `dvc.yaml` declares under `plots`, without pictures and confusion matrices.

    A folder means the tables that DVCLive wrote into it, one for each value.
    """
    plots = _read_yaml(files, "dvc.yaml").get("plots", [])
    curves = []
    for entry in plots:
        if not isinstance(entry, Mapping):
            continue
        ((title, plot),) = entry.items()
        if plot.get("template") == "confusion":
            continue
        if "y" not in plot:
            curves += _curves_below(files, title, plot)
            continue
        for path, columns in plot["y"].items():
            for y in columns if isinstance(columns, list) else [columns]:
                labels = plot.get("x_label", plot["x"]), plot.get("y_label", y)
                curves.append(Curve(title, path, plot["x"], y, *labels))
    return curves


def _curves_below(files: Files, folder: str, plot: Mapping[str, Any]) -> list[Curve]:
    """Curves of a folder of tables; training and validation curves of one value come together."""
    tables = [path for path in files.list(folder) if path.endswith(".tsv")]
    x_label = plot.get("x_label", plot["x"])
    owner = folder.split("/")[1].removesuffix("_curves") if "/" in folder else folder
    curves = [
        Curve(
            f"{Path(path).stem} ({owner})",
            path,
            plot["x"],
            Path(path).stem,
            x_label,
            Path(path).stem,
        )
        for path in tables
    ]
    return sorted(curves, key=lambda curve: (curve.title, curve.path))


def _read_yaml(files: Files, path: str) -> dict[str, Any]:
    """Reads YAML as DVC does: lock files contain `1e-05`, which other parsers take as text."""
    try:
        content = parse_yaml((files.read(path) or b"").decode(), path) or {}
    except YAML_ERRORS as error:
        reason = getattr(error, "__cause__", None) or error
        raise _damaged(files, path, "YAML", reason) from None
    if not isinstance(content, dict):
        raise _damaged(files, path, "values by name", shorten(content))
    return content


def _damaged(files: Files, path: str, expected: str, got: object) -> InputError:
    shown = shorten(" ".join(str(got).split()), 200)
    return InputError(f"{path} of {files.name}: expected {expected}, got: {shown}")


def _by_name(content: Any) -> Any:
    """Turns lists into mappings: rows by their first text, an interval into `low` and `high`."""
    if isinstance(content, Mapping):
        return {key: _by_name(value) for key, value in content.items()}
    if not isinstance(content, list) or not content:
        return content
    if all(isinstance(row, Mapping) for row in content):
        names = [
            next(key for key, value in row.items() if isinstance(value, str)) for row in content
        ]
        return {
            row[name]: {key: value for key, value in row.items() if key != name}
            for name, row in zip(names, content, strict=True)
        }
    return dict(zip(("low", "high"), content, strict=True))


def flatten(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one mapping, with keys joined by dots."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
