"""How long stages took; only shown to the user, and part of no result."""

from contextlib import suppress
from pathlib import Path

from vigil.plumbing.records import write_json
from vigil.plumbing.state import project_state_folder


def times_folder() -> Path:
    """The folder with the duration of each stage's last run, as `<stage>.json`: `seconds`."""
    return project_state_folder() / "times"


def note_time(title: str, seconds: float) -> None:
    """Stores how long a stage took; does nothing on a full disk."""
    with suppress(OSError):
        write_json({"seconds": round(seconds, 1)}, times_folder() / f"{title}.json")
