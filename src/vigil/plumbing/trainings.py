"""The cache of finished trainings, and the checkpoints of stopped ones.

DVC reruns a stage if any byte of its inputs differs, even if the training does not depend on this
byte: a box moved on a test video, or a comment in the code of a network changed. Then the training
is not repeated, since its result is cached under the facts that it depends on. The same holds if
DVC was killed before it recorded the result.
"""

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from vigil.plumbing.arithmetic import arithmetic_facts
from vigil.plumbing.memo import Memo, newest
from vigil.plumbing.outputs import whole
from vigil.plumbing.ranks import this_rank
from vigil.plumbing.state import fingerprint, free_parts, project_state_folder, state_folder

ABANDONED_AFTER_S = 30 * 24 * 3600
CHECKPOINTS = "checkpoints"

Train = Callable[[str, Mapping[str, Path]], object]
"""Trains and writes the results; gets the fingerprint of the run, and a path for each result."""


def train_once(
    branch: str, facts: Mapping[str, Any], train: Train, results: Mapping[str, Path]
) -> None:
    """Puts the results of a training at `results`; trains only if they are not in the cache.

    Args:
        facts: everything the training depends on, as plain values, except the machine.
        results: the path of each result (file or folder), by its name.
    """
    facts = {**facts, **arithmetic_facts()}
    run = fingerprint(facts)
    memo = Memo(f"{branch}_training")

    def make(folder: Path) -> None:
        folder.mkdir()
        train(run, {name: folder / name for name in results})

    if this_rank().number and not memo.holds(facts):
        _train_along(run, train, results)
        return
    if memo.holds(facts):
        print("nothing that this training depends on has changed since it was done")
    cached = memo.recall(facts, make)
    for name, path in results.items():
        with whole(path) as partial:
            # Copies, not links, since users may overwrite the file of a model.
            if (cached / name).is_dir():
                shutil.copytree(cached / name, partial)
            else:
                shutil.copyfile(cached / name, partial)
    forget_checkpoints(branch, run)
    _forget_abandoned()
    memo.prune()


def _train_along(run: str, train: Train, results: Mapping[str, Path]) -> None:
    """Trains with the process of rank 0, which keeps the results; here they are for this run."""
    with tempfile.TemporaryDirectory() as folder:
        made = {name: Path(folder, name) for name in results}
        train(run, made)
        for name, path in results.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(made[name], path)


def checkpoint_folder(branch: str, run: str, machine: Mapping[str, Any]) -> Path:
    """The folder for the checkpoints of a run on a kind of machine.

    A run that resumed on another kind of machine would end in other bytes than any unbroken run.
    """
    place = Path(CHECKPOINTS, branch, run)
    checkpoints = state_folder() / place
    for part in free_parts():
        if not checkpoints.exists() and (part / place).exists():
            checkpoints.parent.mkdir(parents=True, exist_ok=True)
            (part / place).rename(checkpoints)
    return checkpoints / fingerprint(machine)[:16]


def forget_checkpoints(branch: str, run: str) -> None:
    """Removes the checkpoints of a run whose results are complete."""
    for part in free_parts():
        shutil.rmtree(part / CHECKPOINTS / branch / run, ignore_errors=True)


def _forget_abandoned() -> None:
    """Removes checkpoints that no run has used for `ABANDONED_AFTER_S`."""
    state = project_state_folder()
    for part in (state, *state.glob("beside-*")):
        for run in part.glob(f"{CHECKPOINTS}/*/*"):
            with suppress(OSError):  # another process was quicker
                if time.time() - newest(run) > ABANDONED_AFTER_S:
                    shutil.rmtree(run, ignore_errors=True)
