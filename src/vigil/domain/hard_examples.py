"""Lists of hard examples: training data that a model got wrong, the hardest first.

An example is a sample of crops or a picture, by its name in the list of the training side.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from vigil.plumbing.errors import InputError, shorten
from vigil.plumbing.records import read_csv, write_csv
from vigil.settings.training import HardExamples

FALSE_ALARM, MISS = "false_alarm", "miss"
TYPES = {"name": str, "kind": str, "score": np.float64}
"""`kind` is `false_alarm` or `miss`; `score` is that of the model, in [0, 1]."""


def write_hard_examples(examples: pd.DataFrame, file: Path) -> None:
    """Writes the columns of `TYPES`, in the order of the table."""
    write_csv(examples[list(TYPES)].round({"score": 6}), file)


def read_hard_examples(file: Path) -> tuple[str, ...]:
    """The names of a list, each once, in the order of the list.

    Raises:
        InputError: the file is missing, or is no such list.
    """
    table = read_csv(file, TYPES)
    if not table["kind"].isin([FALSE_ALARM, MISS]).all():
        raise InputError(f"{file}: expected the kinds {FALSE_ALARM} and {MISS}, got others")
    return tuple(dict.fromkeys(table["name"]))


def repeated_positions(
    ids: Sequence[str], hard: Sequence[str], settings: HardExamples
) -> list[int]:
    """The positions of examples that an epoch has in addition to each example once.

    Args:
        ids: names of all training data.
        hard: names of hard examples, the hardest first.

    Raises:
        InputError: a hard example is no training data.
    """
    if settings.repeat == 1:
        return []
    position_of = {name: position for position, name in enumerate(ids)}
    if unknown := [name for name in hard if name not in position_of]:
        raise InputError(
            f"{settings.path}: expected names of the training side, got {shorten(unknown[0])} "
            f"({len(unknown)} of {len(hard)} are not on it); mine the list again"
        )
    positions = [position_of[name] for name in hard] * (settings.repeat - 1)
    if settings.fraction == 1:
        return positions
    # r repeats are a fraction r / (n + r) of an epoch with n examples.
    most = int(len(ids) * settings.fraction / (1 - settings.fraction) + 1e-9)
    return positions[:most]
