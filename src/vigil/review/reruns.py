"""Names the stages that a change of files and parameters reruns, from the pipeline of DVC."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.repo import Repo

from vigil.plumbing.errors import InputError, shorten


@dataclass(frozen=True)
class Step:
    """A stage: paths below the project that it reads and makes, and parameters that it reads."""

    reads: tuple[str, ...]
    params: tuple[str, ...]
    makes: tuple[str, ...]


class Pipeline:
    """The stages of a project, by their name in DVC."""

    def __init__(self, root: Path) -> None:
        """Raises InputError if DVC cannot read its files."""
        try:
            with Repo(str(root)) as repo:
                self._steps = {
                    stage.addressing: _step(stage, Path(repo.root_dir))
                    for stage in repo.index.stages
                }
        except DvcException as error:
            raise InputError(shorten(str(error), 400)) from None

    def maker_of(self, path: str) -> str | None:
        """The stage that makes a file; None: a person does."""
        return next(
            (
                name
                for name, step in self._steps.items()
                if any(_touch(path, m) for m in step.makes)
            ),
            None,
        )

    def after(
        self, files: Collection[str], params: Collection[str], stages: Collection[str] = ()
    ) -> tuple[list[str], list[str]]:
        """The stages that a change reruns, and the stages after them, which may run.

        Args:
            files: paths of changed files, below the project.
            params: dotted names of changed parameters.
            stages: names of stages that are defined in another way, or are new.
        """
        first = [
            name
            for name, step in self._steps.items()
            if name in stages
            or any(_touch(one, path) for one in files for path in step.reads)
            or any(_is_within(one, key) for one in params for key in step.params)
        ]
        further: list[str] = []
        waiting = list(first)
        first += sorted(set(stages) - self._steps.keys())
        while waiting:
            made = self._steps[waiting.pop(0)].makes
            for name, step in self._steps.items():
                is_new = name not in first and name not in further
                if is_new and any(_touch(one, path) for one in made for path in step.reads):
                    further.append(name)
                    waiting.append(name)
        return first, further


def _step(stage: Any, root: Path) -> Step:
    params = [key for dep in stage.deps for key in (getattr(dep, "params", None) or [])]
    reads = [_path(dep, root) for dep in stage.deps if not getattr(dep, "params", None)]
    makes = [_path(out, root) for out in stage.outs] if stage.deps else []
    return Step(tuple(reads), tuple(params), tuple(makes))


def _path(entry: Any, root: Path) -> str:
    path = Path(str(entry.fs_path))
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def _touch(one: str, other: str) -> bool:
    """Whether one path is the other, or lies below it."""
    return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")


def _is_within(changed: str, read: str) -> bool:
    return changed == read or changed.startswith(f"{read}.") or read.startswith(f"{changed}.")
