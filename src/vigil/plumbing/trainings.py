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

from vigil.plumbing.errors import InputError
from vigil.plumbing.memo import Memo, file_digest, newest
from vigil.plumbing.outputs import whole
from vigil.plumbing.records import read_json, write_json
from vigil.plumbing.state import fingerprint, project_state_folder, state_folder

ABANDONED_AFTER_S = 30 * 24 * 3600
CHECKPOINTS, DIGESTS = "checkpoints", "digests.json"

Train = Callable[[str, Mapping[str, Path]], object]
"""Trains and writes the results; gets the run's fingerprint, and a path by the name of each."""


def train_once(
    stage: str, facts: Mapping[str, Any], train: Train, results: Mapping[str, Path]
) -> None:
    """Puts what a training makes at `results`, training only where it has not been done before.

    Args:
        facts: everything the training depends on, as plain values, but for the machine.
        results: by name, where each file or folder goes.
    """
    run = fingerprint(facts)
    memo = Memo(stage)

    def make(folder: Path) -> None:
        folder.mkdir()
        train(run, {name: folder / name for name in results})
        write_json(_digests(folder), folder / DIGESTS)

    if memo.holds(facts):
        if _is_sound(memo.recall(facts, make)):
            print(f"{stage}: nothing that this training depends on has changed since it was done")
        else:
            print(f"{stage}: what was remembered of this training is damaged; it is done again")
            memo.forget(facts)
    made = memo.recall(facts, make)
    for name, path in results.items():
        with whole(path) as partial:
            # Copies, not links: a model is a file that people write over.
            if (made / name).is_dir():
                shutil.copytree(made / name, partial)
            else:
                shutil.copyfile(made / name, partial)
    forget_checkpoints(stage, run)
    _forget_abandoned()
    memo.prune()


def checkpoint_folder(stage: str, run: str, machine: Mapping[str, Any]) -> Path:
    """Where a run keeps its checkpoints on a kind of machine.

    One that goes on elsewhere would end in bytes that no unbroken run has.
    """
    return state_folder() / CHECKPOINTS / stage / run / fingerprint(machine)[:16]


def forget_checkpoints(stage: str, run: str) -> None:
    """Removes those of a run whose results are there."""
    shutil.rmtree(state_folder() / CHECKPOINTS / stage / run, ignore_errors=True)


def _digests(folder: Path) -> dict[str, str]:
    """By its path below a folder: the SHA-256 of each file but for that of the digests."""
    files = (file for file in folder.rglob("*") if file.is_file() and file.name != DIGESTS)
    return {file.relative_to(folder).as_posix(): file_digest(file) for file in files}


def _is_sound(made: Path) -> bool:
    """Whether results are what they were when they were made."""
    try:
        return bool(read_json(made / DIGESTS) == _digests(made))
    except InputError:
        return False


def _forget_abandoned() -> None:
    """Removes checkpoints that no run has gone on from for long."""
    state = project_state_folder()
    for part in (state, *state.glob("beside-*")):
        for run in part.glob(f"{CHECKPOINTS}/*/*"):
            with suppress(OSError):  # another process was quicker
                if time.time() - newest(run) > ABANDONED_AFTER_S:
                    shutil.rmtree(run, ignore_errors=True)
