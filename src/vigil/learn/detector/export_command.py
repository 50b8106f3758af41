"""The detector's part of `vigil export`."""

from collections.abc import Sequence
from pathlib import Path

from vigil.learn.detector.export.detector_files import exportable_detector
from vigil.learn.exporting.exportable import write_formats
from vigil.settings.exporting import Format


def export(models: Path, formats: Sequence[Format], out: Path) -> list[str]:
    """Writes the files; returns what was written, a line for each.

    Args:
        models: the folder of the trained models. Without a file of the best score, the card has
            none.

    Raises:
        InputError: a file is missing or damaged, or the architecture cannot be exported.
    """
    score = models / "detector_score.json"
    weights, card = models / "detector.safetensors", models / "detector.json"
    exportable = exportable_detector(weights, card, score if score.is_file() else None)
    return [str(file) for file in write_formats(exportable, formats, out).values()]
