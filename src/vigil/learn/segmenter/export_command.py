"""The segmenter's part of `vigil export`."""

from collections.abc import Sequence
from pathlib import Path

from vigil.learn.exporting.exportable import write_formats
from vigil.learn.segmenter.export.segmenter_files import exportable_segmenter
from vigil.settings.exporting import Format


def export(models: Path, formats: Sequence[Format], out: Path) -> list[str]:
    """Writes the files; returns what was written, a line for each.

    Args:
        models: the folder of the trained models.

    Raises:
        InputError: a file is missing or damaged.
    """
    weights, card = models / "segmenter.safetensors", models / "segmenter.json"
    files = write_formats(exportable_segmenter(weights, card), formats, out)
    return [str(file) for file in files.values()]
