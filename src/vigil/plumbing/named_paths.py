"""Paths that `params.yaml` names, on a stage's command line: `{dataset.root}/videos`.

DVC hands a stage's command to a shell, after it has put its own `${dataset.root}` into it: a folder
called `$(rm -r x)` would be obeyed, before any check. So `dvc.yaml` names what is meant, and the
stage itself looks it up.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

NAMED = re.compile(r"\{((?:dataset|evaluate|split|watch)(?:\.[a-z_]+)+)\}")


def named_path(path: Path, content: Mapping[str, Any]) -> Path:
    """A path with the values of `params.yaml` in place of their names.

    Args:
        content: of `params.yaml`, checked: a name that it does not have is a mistake of the code's.
    """

    def value(match: re.Match[str]) -> str:
        found: Any = content
        for key in match[1].split("."):
            found = found[key]
        return str(found)

    return Path(NAMED.sub(value, str(path)))
