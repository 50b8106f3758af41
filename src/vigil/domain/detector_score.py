"""The file of the detector's score that was picked on the validation set.

Detectors have scores of different sizes. Limits for scores are multiples of this score, so that
they fit each detector.
"""

from pathlib import Path

from vigil.plumbing.errors import InputError, shorten
from vigil.plumbing.records import read_json, write_json

KEY = "best_f1_score"
DECIMALS = 6


def write_score(score: float, file: Path) -> None:
    """Writes the score, 0 to 1."""
    write_json({KEY: round(score, DECIMALS)}, file)


def read_score(file: Path) -> float:
    """Reads what `write_score` wrote.

    Raises:
        InputError: the file is missing, or has no score above 0 and at most 1.
    """
    content = read_json(file)
    score = content.get(KEY) if isinstance(content, dict) else None
    if not isinstance(score, float | int) or isinstance(score, bool) or not 0 < score <= 1:
        raise InputError(f"{file}: expected {KEY}, above 0 and at most 1, got {shorten(content)}")
    return float(score)
