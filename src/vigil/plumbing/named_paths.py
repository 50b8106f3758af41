"""Paths from `params.yaml` on a stage's command line: `{dataset.root}/videos`.

DVC replaces `${dataset.root}` in a stage's command, and then passes the command to a shell. The
shell would execute a folder name such as `$(rm -r x)` before any check. So `dvc.yaml` has only the
name of the parameter, and the stage itself looks up the value.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

NAMED = re.compile(r"\{([a-z_]+(?:\.[a-z_]+)+)\}")


def named_path(path: Path, content: Mapping[str, Any]) -> Path:
    """A path in which names of parameters are replaced by their values.

    Args:
        content: the checked content of `params.yaml`; an unknown name is a bug in the code.
    """

    def value(match: re.Match[str]) -> str:
        node: Any = content
        for key in match[1].split("."):
            node = node[key]
        return str(node)

    return Path(NAMED.sub(value, str(path)))
