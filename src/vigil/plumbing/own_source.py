"""Makes a process import vigil from the project that it runs in."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import vigil


def use_own_source(words: Sequence[str]) -> None:
    """Restarts Python with `src/` of the current folder first, if vigil came from elsewhere.

    `dvc exp run --temp` and `--queue` run another revision of the project in a separate folder.
    There the installed package still points at the main project.

    Args:
        words: the command line of Python.
    """
    source = Path("src").resolve()
    if (source / "vigil").is_dir() and source not in Path(vigil.__file__).resolve().parents:
        search = [str(source), *filter(None, [os.environ.get("PYTHONPATH")])]
        os.environ["PYTHONPATH"] = os.pathsep.join(search)
        os.execv(sys.executable, [sys.executable, *words])
