"""The source of the project that a process runs in, where vigil came from another one."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import vigil


def use_own_source(words: Sequence[str]) -> None:
    """Starts again with `src/` of the current folder in front, where vigil came from elsewhere.

    `dvc exp run --temp` and `--queue` run another revision of the project in a folder of their own,
    in which the installed package still points at the main one.

    Args:
        words: what python is to be called with.
    """
    own = Path("src").resolve()
    if (own / "vigil").is_dir() and own not in Path(vigil.__file__).resolve().parents:
        search = [str(own), *filter(None, [os.environ.get("PYTHONPATH")])]
        os.environ["PYTHONPATH"] = os.pathsep.join(search)
        os.execv(sys.executable, [sys.executable, *words])
