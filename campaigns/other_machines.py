"""Measures what another machine would change: `make other-machines`.

The demo's whole pipeline runs in fresh clones that stand for other machines: one whose trainings
have one thread, and one with a CPU of another kind, of which the libraries that compute are told to
use no more than AVX2. A line for each stage tells which outputs differ from those of the committed
lock files, which should be this machine's (`make verify-reproducible` tells); then come the metrics
of each. Nothing of this is promised to be the same, so no difference is a failure.
"""

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clones import clone, forget_results, read_outputs, read_times, start
from verify_reproducible import compare_stages

MACHINES = {
    "one thread": {"VIGIL_THREADS": "1"},
    "a CPU with AVX2 alone": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
        "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512CD AVX512_SKX",
        "OPENCV_CPU_DISABLE": "AVX512-SKX",
    },
}


def main() -> None:
    """Exits with 1 only where a run fails."""
    measured: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as place:
        for machine, environment in MACHINES.items():
            folder = Path(place) / machine
            clone(folder)
            committed = read_outputs(folder)
            measured.setdefault("as committed", dict(read_metrics(folder)))
            forget_results(folder)
            begun = time.monotonic()
            if start(folder, environment).wait():
                sys.exit((folder.parent / f"{folder.name}.log").read_text()[-3000:])
            print(f"{machine}: {time.monotonic() - begun:.0f} s", flush=True)
            compare_stages(committed, read_outputs(folder))
            times = read_times(folder)
            trainings = (f"{name} {times[name]:.0f} s" for name in times if "train" in name)
            print(", ".join(trainings), flush=True)
            measured[machine] = dict(read_metrics(folder))
    print(f"{'':36}" + "".join(f"{machine:>24}" for machine in measured))
    for name, value in measured["as committed"].items():
        others = [numbers.get(name, float("nan")) for numbers in measured.values()]
        if any(other != value for other in others):
            print(f"{name:36}" + "".join(f"{other:24}" for other in others))


def read_metrics(folder: Path) -> Iterator[tuple[str, float]]:
    """The top-level numbers of each file of metrics."""
    for file in sorted((folder / "metrics").glob("*.json")):
        numbers: dict[str, Any] = json.loads(file.read_text())
        for name, value in numbers.items():
            if isinstance(value, int | float):
                yield f"{file.stem}.{name}", value


if __name__ == "__main__":
    main()
