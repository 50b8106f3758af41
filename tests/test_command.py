"""The command `vigil` itself, as a shell runs it."""

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[1]


def test_a_reader_that_has_enough_is_no_failure() -> None:
    """As in `vigil headline | head -1`, whose pipe is closed before all is written."""
    command = [sys.executable, "-m", "vigil", "headline"]
    with subprocess.Popen(
        command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        errors = process.stderr.read().decode()
    assert (process.returncode, errors) == (0, "")
