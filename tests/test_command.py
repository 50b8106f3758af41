"""The command `vigil` itself, as a shell runs it."""

import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("words", [["headline"], ["watch", "a.mp4"], ["--help"]])
def test_an_installation_without_libraries_is_told_in_one_line(
    words: list[str], tmp_path: Path
) -> None:
    """As on an edge box, after pip install --no-deps."""
    code = (
        f"import sys; sys.path.insert(0, {str(PROJECT / 'src')!r}); "
        f"from vigil.__main__ import main; main({words!r})"
    )
    # Without `site`, there are no packages but those of Python itself.
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1
    assert line.startswith("vigil: pydantic: expected this package for commands, found none")
    assert "pip install vigil without --no-deps" in line
