"""Code that the benchmarks share: rows of the table, alternating runs, memory of a process."""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from vigil.plumbing.params import Section, parse_section, read_params

S = TypeVar("S", bound=Section)
PROJECT = Path(__file__).resolve().parent.parent
WORK = Path(__file__).resolve().parent / "work"


@dataclass(frozen=True)
class Row:
    """A line of the table. A row without `met` is for information and has no target."""

    what: str
    ours: str
    reference: str = ""
    ratio: float | None = None
    target: str = ""
    met: bool | None = None


def shipped(kind: type[S]) -> S:
    """A section of the project's `params.yaml`."""
    return parse_section(kind, read_params(PROJECT / "params.yaml"), kind.section)


def log(message: str) -> None:
    """Prints progress to stderr; stdout is only for the table."""
    print(message, file=sys.stderr, flush=True)


def side_by_side(runs: Sequence[Callable[[], float]], num_rounds: int) -> list[list[float]]:
    """Runs A B C A B C ... after one round of warm-up; returns the values of each run by round.

    In this order, other work of the machine slows all of them equally.
    """
    for run in runs:
        run()
    rounds = [[run() for run in runs] for _ in range(num_rounds)]
    return [list(values) for values in zip(*rounds, strict=True)]


def median_ratio(values: Sequence[float], reference: Sequence[float]) -> float:
    """The median over rounds of the ratio of values to reference."""
    return statistics.median(a / b for a, b in zip(values, reference, strict=True))


@dataclass(frozen=True)
class Peak:
    """The peak memory of a process.

    Attributes:
        anonymous_mb: memory of the process alone: heap and stacks.
        resident_mb: memory with the pages of mapped files (libraries, arrays), which the system may
            drop and read again at any time; the same as `ru_maxrss`.
    """

    anonymous_mb: float
    resident_mb: float


def peak_of(command: Sequence[str], folder: Path, environment: dict[str, str]) -> Peak:
    """Runs a command and measures its memory every 5 ms.

    `ru_maxrss` does not work here: a child has its parent's value until it executes its program.
    """
    anonymous_kb = resident_kb = 0
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        status = Path(f"/proc/{process.pid}/status")
        while process.poll() is None:
            lines = status.read_text().splitlines()
            fields = dict(line.split(":", 1) for line in lines if ":" in line)
            if "RssAnon" in fields:  # otherwise the process has just ended
                anonymous_kb = max(anonymous_kb, int(fields["RssAnon"].split()[0]))
                resident_kb = max(resident_kb, int(fields["VmHWM"].split()[0]))
            time.sleep(0.005)
        if process.returncode:
            output.seek(0)
            raise RuntimeError(
                f"{' '.join(command)}: exit code {process.returncode}\n{output.read()}"
            )
    return Peak(anonymous_kb / 1000, resident_kb / 1000)
