"""A camera or a stream."""

from collections.abc import Sequence
from pathlib import Path

from vigil.settings.watch import Watch
from vigil.watch.models import Models
from vigil.watch.sources import Camera


def watch_live(
    source: Camera, out: Path, models: Models, settings: Watch, tell: Sequence[str]
) -> None:
    """Watches until it is stopped."""
