"""The commands `vigil new` and `vigil upgrade`: projects that use the installed library."""

import hashlib
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from vigil.plumbing.errors import InputError, listed, shorten
from vigil.plumbing.listed_code import CODE
from vigil.plumbing.outputs import whole
from vigil.plumbing.params import read_params
from vigil.plumbing.records import read_json, write_json
from vigil.review.project_files import project_files
from vigil.review.reruns import Pipeline

LAID_OUT = f"{CODE}/laid_out.json"
"""The digests of the files as they were laid out, by path: whoever changed a file keeps it."""
NEW, PIPELINE = ".new", "dvc.yaml"
FIRST_COMMIT = "A new project of vigil"
AUTHOR = {"user.name": "vigil", "user.email": "vigil@localhost"}
"""Of the first commit, where git does not know who the user is."""


def lay_out(folder: Path) -> list[str]:
    """Makes a project in a new folder, as a git repository with a first commit.

    Trainings need a commit: DVCLive asks git for the current one.

    Returns: the paths of the project's files.

    Raises:
        InputError: the folder is there and not empty, or lies within another project; or git is
            not installed or refuses to commit.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: expected a new or empty folder, found one with files")
    if not shutil.which("git"):
        raise InputError("git: expected it to be installed, found no such program")
    around = folder.resolve()
    for parent in around.parents:
        found = next((name for name in (".dvc", ".git") if (parent / name).exists()), None)
        # A home folder may be a repository of settings, which ignores all others.
        is_ignored = found == ".git" and not _git(parent, "check-ignore", str(around)).returncode
        if found and not is_ignored:
            raise InputError(
                f"{folder}: expected a folder outside of other projects, since it becomes a "
                f"repository of its own, got one within {parent}, which has {found}"
                + (" and does not ignore it" if found == ".git" else "")
            )
    content = project_files()
    for name, text in content.items():
        _write(folder / name, text)
    write_json(_digests(content), folder / LAID_OUT)
    _run_git(folder, "init", "--quiet")
    _run_git(folder, "add", "--all")
    # A key that signs, or a hook of the user for all repositories, may fail.
    options = ("--quiet", "--no-gpg-sign", "--no-verify")
    _run_git(folder, *_author(folder), "commit", *options, "--message", FIRST_COMMIT)
    return sorted([*content, LAID_OUT])


@dataclass(frozen=True)
class Upgrade:
    """What the installed library would change in a project.

    Attributes:
        files: the new content of files that nobody changed, by path.
        kept: the new content of files that were changed in the project, by path.
        removed: files that the library has no more.
        params: parameters that params.yaml lacks, by their dotted names.
        reruns: the stages that rerun, once params.yaml has these parameters.
        maybe: the stages after them, which run only if their inputs change.
        pending: the stages that also rerun once someone takes over `kept` and `waiting`.
        waiting: new files of an earlier upgrade that lie beside files of the project.
    """

    files: dict[str, str]
    kept: dict[str, str]
    removed: list[str]
    params: list[str]
    reruns: list[str]
    maybe: list[str]
    pending: list[str]
    waiting: list[str]


def plan_upgrade(root: Path) -> Upgrade:
    """Compares a project with the installed library.

    Raises:
        InputError: the folder is no project of `vigil new`.
    """
    if not (root / LAID_OUT).is_file():
        raise InputError(
            f"{root / LAID_OUT}: expected a project of `vigil new`, found no such file"
        )
    laid_out: Any = read_json(root / LAID_OUT)
    if not isinstance(laid_out, dict) or not all(isinstance(one, str) for one in laid_out.values()):
        raise InputError(
            f"{root / LAID_OUT}: expected the digests of files, got {shorten(laid_out)}"
        )
    content, present = project_files(), {}
    for name in {*content, *laid_out}:
        if (root / name).is_file():
            # Other bytes than UTF-8 are changes by the user.
            present[name] = (root / name).read_text(encoding="utf-8", errors="replace")
    found = _digests(present)
    differs = [name for name, text in content.items() if present.get(name) != text]
    # The digests of code are the library's, whoever edited them.
    is_own = {
        name
        for name in found
        if found[name] != laid_out.get(name) and not name.startswith(f"{CODE}/")
    }
    params = sorted(
        _names(yaml.safe_load(content["params.yaml"])) - _names(read_params(root / "params.yaml"))
    )
    files = {name: content[name] for name in differs if name not in is_own}
    # Parameters are everyone's own; only a change of the shipped ones is news.
    kept = {
        name: content[name]
        for name in differs
        if name in is_own
        and hashlib.sha256(content[name].encode()).hexdigest() != laid_out.get(name)
    }
    left = sorted(name for name in content if (root / f"{name}{NEW}").is_file())
    reruns, maybe = _reruns(root, files, params, present)
    pending, _ = _reruns(root, kept | {name: content[name] for name in left}, [], present)
    removed = sorted(set(laid_out) - set(content))
    pending = [name for name in pending if name not in reruns]
    waiting = [f"{name}{NEW}" for name in left if name not in kept]
    return Upgrade(files, kept, removed, params, reruns, maybe, pending, waiting)


def _reruns(
    root: Path, files: Mapping[str, str], params: Sequence[str], present: Mapping[str, str]
) -> tuple[list[str], list[str]]:
    """The stages that files and parameters rerun, and those after them; see `Pipeline.after`."""
    changed = [name for name in files if name.startswith((f"{CODE}/", "stages/"))]
    stages: list[str] = []
    if PIPELINE in files:
        before, after = _definitions(present.get(PIPELINE, "")), _definitions(files[PIPELINE])
        stages = [name for name, each in after.items() if before.get(name) != each]
    if not (changed or params or stages):
        return [], []
    return Pipeline(root).after(changed, params, stages)


def _definitions(text: str) -> dict[str, Any]:
    """What DVC compares of each stage of a `dvc.yaml`, by the stage's name in DVC."""
    found: dict[str, Any] = {}
    try:
        stages = (yaml.safe_load(text) or {}).get("stages", {})
        for name, stage in stages.items():
            items = stage.get("foreach", {"": None})
            for key in items:
                own = {one: value for one, value in stage.get("do", stage).items() if one != "desc"}
                item = items[key] if isinstance(items, dict) else key
                found[f"{name}@{key}" if "foreach" in stage else name] = own, item
    except (yaml.YAMLError, AttributeError, TypeError):
        return {}  # someone's own file, which DVC will refuse
    return found


def describe(plan: Upgrade) -> str:
    """What an upgrade changes, in lines."""
    lines = [f"{name}: would be replaced" for name in plan.files if not name.startswith(CODE)]
    lines += [
        f"{name}: changed in this project and in vigil; the new one would be written as {name}{NEW}"
        for name in plan.kept
    ]
    lines += [
        f"{name}: no more in vigil; delete it if nothing of yours needs it" for name in plan.removed
    ]
    lines += [
        f"{name}: waits since an earlier upgrade; take over what is new in it, and delete it"
        for name in plan.waiting
    ]
    if plan.params:
        lines.append(f"params.yaml: lacks {listed(plan.params, 20)}")
    lines.append(f"reruns: {listed(plan.reruns, 40)}")
    if plan.maybe:
        lines.append(f"and at most: {listed(plan.maybe, 40)}")
    if plan.pending:
        lines.append(f"and with the {NEW} files taken over: {listed(plan.pending, 40)}")
    return "\n".join(lines)


def carry_out(plan: Upgrade, root: Path) -> None:
    """Writes the files of an upgrade; files that were changed in the project are kept."""
    for name, text in plan.files.items():
        _write(root / name, text)
    for name, text in plan.kept.items():
        _write(root / f"{name}{NEW}", text)
    write_json(_digests(project_files()), root / LAID_OUT)


def _author(folder: Path) -> list[str]:
    """Options of git for the entries of `AUTHOR` that the user's own configuration lacks."""
    lacking = [name for name in AUTHOR if _git(folder, "config", name).returncode]
    return [word for name in lacking for word in ("-c", f"{name}={AUTHOR[name]}")]


def _run_git(folder: Path, *words: str) -> None:
    """Runs git in the folder; raises InputError where it fails."""
    if (done := _git(folder, *words)).returncode:
        raise InputError(f"{folder}: expected git to make a first commit, got: {done.stderr}")


def _git(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    git = ["git", "-C", str(folder)]
    return subprocess.run([*git, *words], capture_output=True, text=True, check=False)


def _write(file: Path, text: str) -> None:
    with whole(file) as partial:
        partial.write_text(text, encoding="utf-8")


def _digests(content: dict[str, str]) -> dict[str, str]:
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in content.items()}


def _names(content: Any, prefix: str = "") -> set[str]:
    """The dotted names of all values."""
    if not isinstance(content, dict):
        return {prefix.rstrip(".")}
    return set().union(*(_names(value, f"{prefix}{key}.") for key, value in content.items()), set())
