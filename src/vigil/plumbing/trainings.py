"""Trainings that finished before, and the checkpoints of those that were stopped.

DVC reruns a stage whose inputs differ in a byte, though no byte of what it learns from does: a box
moved on a test video, a comment in the code of a network. Nothing trains for that: a training is
remembered by what it depends on alone. It also is where DVC was killed before it noted the result.
"""

import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from vigil.plumbing.memo import Memo, newest
from vigil.plumbing.outputs import whole
from vigil.plumbing.state import fingerprint, free_parts, project_state_folder, state_folder

ABANDONED_AFTER_S = 30 * 24 * 3600
CHECKPOINTS = "checkpoints"

Train = Callable[[str, Mapping[str, Path]], object]
"""Trains and writes the results; gets the run's fingerprint, and a path by the name of each."""


def train_once(
    branch: str, facts: Mapping[str, Any], train: Train, results: Mapping[str, Path]
) -> None:
    """Puts what a training makes at `results`, training only where it has not been done before.

    Args:
        facts: everything the training depends on, as plain values, but for the machine.
        results: by name, where each file or folder goes.
    """
    run = fingerprint(facts)
    memo = Memo(f"{branch}_training")

    def make(folder: Path) -> None:
        folder.mkdir()
        train(run, {name: folder / name for name in results})

    if memo.holds(facts):
        print("nothing that this training depends on has changed since it was done")
    made = memo.recall(facts, make)
    for name, path in results.items():
        with whole(path) as partial:
            # Copies, not links: a model is a file that people write over.
            if (made / name).is_dir():
                shutil.copytree(made / name, partial)
            else:
                shutil.copyfile(made / name, partial)
    forget_checkpoints(branch, run)
    _forget_abandoned()
    memo.prune()


def checkpoint_folder(branch: str, run: str, machine: Mapping[str, Any]) -> Path:
    """Where a run keeps its checkpoints on a kind of machine.

    One that goes on elsewhere would end in bytes that no unbroken run has.
    """
    place = Path(CHECKPOINTS, branch, run)
    own = state_folder() / place
    for part in free_parts():
        if not own.exists() and (part / place).exists():
            own.parent.mkdir(parents=True, exist_ok=True)
            (part / place).rename(own)
    return own / fingerprint(machine)[:16]


def forget_checkpoints(branch: str, run: str) -> None:
    """Removes those of a run whose results are there."""
    for part in free_parts():
        shutil.rmtree(part / CHECKPOINTS / branch / run, ignore_errors=True)


def _forget_abandoned() -> None:
    """Removes checkpoints that no run has gone on from for long."""
    state = project_state_folder()
    for part in (state, *state.glob("beside-*")):
        for run in part.glob(f"{CHECKPOINTS}/*/*"):
            with suppress(OSError):  # another process was quicker
                if time.time() - newest(run) > ABANDONED_AFTER_S:
                    shutil.rmtree(run, ignore_errors=True)
