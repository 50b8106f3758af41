"""How long stages took, for people and for no result."""

from contextlib import suppress
from pathlib import Path

from vigil.plumbing.records import write_json
from vigil.plumbing.state import project_state_folder


def times_folder() -> Path:
    """Where each stage leaves how long its last run took, as `<stage>.json`: `seconds`."""
    return project_state_folder() / "times"


def note_time(title: str, seconds: float) -> None:
    """Notes how long a stage took; nothing is lost where there is no room for it."""
    with suppress(OSError):
        write_json({"seconds": round(seconds, 1)}, times_folder() / f"{title}.json")
