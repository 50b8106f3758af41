"""The parameters that the library brings, for commands that need no project."""

import os
from pathlib import Path
from typing import Any

from vigil.plumbing.closure import SOURCE
from vigil.plumbing.params import PARAMS_FILE, read_params

PLACES = (Path(__file__).parents[1] / "project" / PARAMS_FILE, SOURCE.parent / PARAMS_FILE)
"""Of an installed library, and of its source."""


def read_own_or_shipped() -> dict[str, Any]:
    """The parameters of the current folder; where it has no such file, those of the library.

    A printed line says so.

    Raises:
        InputError: see `read_params`.
    """
    shipped = next((place for place in PLACES if place.is_file()), None)
    if os.path.lexists(PARAMS_FILE) or shipped is None:
        return read_params()
    print(
        f"{PARAMS_FILE}: not in the current folder; the defaults of vigil are used: {shipped}",
        flush=True,
    )
    return read_params(shipped)
