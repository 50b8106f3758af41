"""Parameters, metrics, curves and pictures of a revision, or of the working folder."""

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

from vigil.plumbing.errors import InputError, shorten

METRICS = ("classifier", "detector", "anomaly")


class Files(Protocol):
    """Files by their path below the project."""

    def read(self, path: str) -> bytes | None:
        """A file's bytes; None where there is none."""


@dataclass(frozen=True)
class WorkingFolder:
    """The files as they lie in the project's folder."""

    root: Path

    def read(self, path: str) -> bytes | None:
        """A file's bytes; None where there is none."""
        file = self.root / path
        return file.read_bytes() if file.is_file() else None


class Committed:
    """The files of a git revision, those that DVC tracks from its cache."""

    def __init__(self, root: Path, revision: str) -> None:
        """Raises InputError where there is no such revision."""
        git = ["git", "-C", str(root), "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}"]
        done = subprocess.run(git, capture_output=True, text=True, check=False)
        if done.returncode:
            raise InputError(
                f"report: expected a git revision to compare with, got {shorten(revision)}"
            )
        self.commit = done.stdout.strip()
        self._files = DVCFileSystem(str(root), rev=self.commit)

    def read(self, path: str) -> bytes | None:
        """A file's bytes; None where it is neither committed nor in the cache."""
        try:
            content: bytes = self._files.read_bytes(path)
        except (OSError, DataIndexError):  # the latter of a folder whose list is not in the cache
            return None
        except DvcException as error:
            raise InputError(f"report: {self.commit[:7]}: {shorten(str(error), 200)}") from None
        return content


@dataclass(frozen=True)
class Curve:
    """A curve that `dvc.yaml` declares.

    Attributes:
        path: of a table below the project; `x` and `y` are columns of it.
    """

    title: str
    path: str
    x: str
    y: str
    x_label: str
    y_label: str


def read_params(files: Files) -> dict[str, Any]:
    """`params.yaml`, nested as it stands; empty where there is none."""
    return _read_yaml(files, "params.yaml")


def read_metrics(files: Files) -> dict[str, dict[str, Any]]:
    """By branch of the pipeline: its metrics, with dots between the keys."""
    found = {name: files.read(f"metrics/{name}.json") for name in METRICS}
    return {
        name: flatten(_by_name(json.loads(text)))
        for name, text in found.items()
        if text is not None
    }


def read_stages(files: Files) -> dict[str, Any]:
    """By stage: what `dvc.lock` tells of its last run."""
    stages: dict[str, Any] = _read_yaml(files, "dvc.lock").get("stages", {})
    return stages


def find_stale(root: Path) -> list[str]:
    """The stages that have not run with the code, data and parameters as they stand.

    Data that is not here, as in a clone that computed nothing, says nothing.
    """
    with Repo(str(root)) as repo:
        status: dict[str, Any] = repo.status()
    return sorted(name for name, told in status.items() if any(map(_is_changed, told)))


def _is_changed(told: Any) -> bool:
    """Whether an entry of DVC's status, of a stage, is a reason to run it."""
    if not isinstance(told, Mapping):
        return bool(told == "changed command")
    changes = flatten(told.get("changed deps", {}))
    return any(change != "deleted" for change in changes.values())


def read_table(files: Files, path: str) -> pd.DataFrame | None:
    """A CSV or TSV table; None where there is none."""
    content = files.read(path)
    if content is None:
        return None
    return pd.read_csv(io.BytesIO(content), sep="\t" if path.endswith(".tsv") else ",")


def read_curves(files: Files) -> list[Curve]:
    """The lines that `dvc.yaml` declares under `plots`; pictures and confusions are left out."""
    plots = _read_yaml(files, "dvc.yaml").get("plots", [])
    curves = []
    for entry in plots:
        if not isinstance(entry, Mapping):
            continue
        ((title, told),) = entry.items()
        if told.get("template") == "confusion":
            continue
        for path, columns in told["y"].items():
            for y in columns if isinstance(columns, list) else [columns]:
                labels = told.get("x_label", told["x"]), told.get("y_label", y)
                curves.append(Curve(title, path, told["x"], y, *labels))
    return curves


def _read_yaml(files: Files, path: str) -> dict[str, Any]:
    """As DVC reads it: `1e-05`, as lock files hold it, is text to other readers."""
    content: dict[str, Any] = parse_yaml((files.read(path) or b"").decode(), path)
    return content


def _by_name(content: Any) -> Any:
    """Lists as mappings: of rows by what each names first, of an interval by `low` and `high`."""
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
    """Nested mappings as one, keys joined by dots."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
