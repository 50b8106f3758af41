"""The page of a watched source: it stands by itself in its folder, and works from there."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vigil.settings.watch import Watch
from vigil.watch.findings import Findings


def write_page(
    folder: Path, name: str, findings: Findings, events: Mapping[str, Any], settings: Watch
) -> None:
    """Writes `index.html`."""
    (folder / "index.html").write_text(name)
