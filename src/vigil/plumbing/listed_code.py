"""The digests of the code of each stage, on which DVC lets the stage depend.

A stage depends on `code/<stage>.json`, the digests of the modules of vigil that its script imports.
In the project of vigil, the stage `list_code` writes these files whenever the source changes. In a
project of one's own, which has no source of vigil, `vigil upgrade` writes them.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from vigil.plumbing.closure import SOURCE, closure_of, code_digest, is_plumbing
from vigil.plumbing.errors import InputError
from vigil.plumbing.state import project_state_folder

CODE = "code"
LISTER = "list_code"
"""The stage that lists the code, in the project of vigil."""
PACKAGE = "vigil/"
RUN_BY_DVC = "DVC_STAGE"
"""The environment variable that DVC sets for the command of a stage."""
SEEN = "seen_code"
"""The folder, in the state folder, of digests of what was found to agree."""


def list_code(script: Path) -> str:
    """The digests of all modules that a script imports, by name, as the content of a file."""
    project = script.absolute().parents[1]  # packages beside the script count, too
    digests = {
        module.relative_to(SOURCE if SOURCE in module.parents else project).as_posix(): (
            code_digest(module)
        )
        for module in closure_of(script)
        if not is_plumbing(module)
    }
    lines = [f'  "{name}": "{digest}"' for name, digest in sorted(digests.items())]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def check_listed_code(script: Path) -> None:
    """Compares the listed digests of a stage's code with the code that runs.

    Else DVC would note new results under old code: where the library was upgraded and the lists
    were not, or where the source was edited after `list_code`. It does nothing where DVC does not
    run the script. Digests of code are of syntax trees, which take half a second; a run after which
    no byte has changed takes milliseconds.

    Raises:
        InputError: the list is damaged, or is of other code.
    """
    if RUN_BY_DVC not in os.environ:
        return
    listed = script.absolute().parents[1] / CODE / f"{script.stem}.json"
    try:
        text = listed.read_bytes()
    except OSError:  # no list
        return
    try:
        digests: Any = json.loads(text)
        if not isinstance(digests, dict) or not digests:
            raise ValueError("no digests by name")
        files = {
            str(name): (SOURCE if str(name).startswith(PACKAGE) else listed.parents[1]) / str(name)
            for name in digests
        }
        found = {name: file.read_bytes() for name, file in files.items() if file.is_file()}
    except (ValueError, TypeError):
        digests, files, found = {}, {"": SOURCE}, {}
    seen = project_state_folder() / SEEN / script.stem
    state = _digest_of(text, found)
    if _read(seen) == state:
        return
    for name, file in files.items():
        if name not in found or code_digest(file) != digests[name]:
            is_own = listed.parents[1] / "src" == SOURCE
            whose = "source in src" if is_own else "installed vigil"
            remedy = "dvc repro -f list_code" if is_own else "vigil upgrade --write"
            raise InputError(
                f"{CODE}/{listed.name}: expected the digests of the {whose}, found those of "
                f"another version ({name or 'no digests'}); run {remedy}"
            )
    try:
        seen.parent.mkdir(parents=True, exist_ok=True)
        seen.write_text(state, encoding="utf-8")
    except OSError:
        return  # the folder is not writable, so the next run compares again


def _digest_of(text: bytes, modules: dict[str, bytes]) -> str:
    digest = hashlib.sha256(text)
    for name in sorted(modules):
        digest.update(hashlib.sha256(name.encode()).digest())
        digest.update(hashlib.sha256(modules[name]).digest())
    return digest.hexdigest()


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
