"""Files that nobody put there on purpose: those of file managers, editors and archivers."""

from pathlib import PurePath

SYSTEM_NAMES = {
    *("thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "system volume information"),
    *("__macosx", "@eadir", "#recycle", "lost+found"),
}
"""Of Windows, of macOS's archiver and of network storage, by lower-case names."""


def is_system_file(path: PurePath) -> bool:
    """Whether a path below a folder of data, or a folder on its way, is hidden or a system's own.

    Hidden is what begins with a full stop: `._a.xml` and `.DS_Store` of macOS,
    `.ipynb_checkpoints` of notebooks.
    """
    return any(part.startswith(".") or part.lower() in SYSTEM_NAMES for part in path.parts)
