"""The alarm's part of `vigil export`."""

from collections.abc import Sequence
from pathlib import Path

from vigil.learn.alarm.export.alarm_file import ALLOWED, copy_allowed, write_alarm
from vigil.plumbing.errors import InputError, listed
from vigil.settings.exporting import Format


def export(models: Path, formats: Sequence[Format], out: Path) -> list[str]:
    """Writes the archive; returns what was written, a line for each.

    Args:
        models: the folder of the trained models.

    Raises:
        InputError: a file is missing or damaged, or another format than ONNX is asked for.
    """
    if set(formats) != {"onnx"}:
        raise InputError(
            f"--to: expected onnx for an alarm, whose file has at most small networks, got "
            f"{listed(formats)}"
        )
    files = models / "alarm.safetensors", models / "alarm.json", models / "threshold.json"
    file = out / "alarm.zip"
    written = [f"{file}: {write_alarm(*files, file)}"]
    allowed, target = models / ALLOWED, out / ALLOWED
    if not allowed.is_dir():
        return [*written, f"{target}: not written, as there is no {allowed}"]
    return [*written, f"{target}: {copy_allowed(allowed, files[0], target)}"]
