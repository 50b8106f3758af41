"""In a project of one's own, the code that DVC knows of: that of the installed library, or not?

There, a stage depends on `code/<stage>.json`, the digests of the modules of vigil that it imports.
Where the library was upgraded and these files were not, DVC would note new results under old code.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from vigil.plumbing.closure import SOURCE, code_digest
from vigil.plumbing.errors import InputError
from vigil.plumbing.state import project_state_folder

CODE = "code"
SEEN = "seen_code"
"""The folder, in the state folder, of digests of what was found to agree."""


def check_listed_code(script: Path) -> None:
    """Compares the listed digests of a stage's code with the installed library.

    It does nothing for a script without such a list, as in the project of vigil itself. Digests of
    code are of syntax trees, which take half a second; a run after which no byte has changed takes
    milliseconds.

    Raises:
        InputError: the list is damaged, or is of another version of vigil.
    """
    listed = script.absolute().parents[1] / CODE / f"{script.stem}.json"
    try:
        text = listed.read_bytes()
    except OSError:  # no list
        return
    try:
        digests: Any = json.loads(text)
        if not isinstance(digests, dict) or not digests:
            raise ValueError("no digests by name")
        files = {str(name): SOURCE / str(name) for name in digests}
        found = {name: file.read_bytes() for name, file in files.items() if file.is_file()}
    except (ValueError, TypeError):
        digests, files, found = {}, {"": SOURCE}, {}
    seen = project_state_folder() / SEEN / script.stem
    state = _digest_of(text, found)
    if _read(seen) == state:
        return
    for name, file in files.items():
        if name not in found or code_digest(file) != digests[name]:
            place = f"{CODE}/{listed.name}"
            raise InputError(
                f"{place}: expected the digests of the installed vigil, found those of another "
                f"version ({name or 'no digests'}); run vigil upgrade --write"
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
