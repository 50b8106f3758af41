"""Measures how results differ on other machines: `make other-machines`.

The whole pipeline of the demo runs in fresh clones that simulate other machines. In one clone,
trainings have one thread. In the other, an older CPU is simulated: the libraries that compute may
use AVX2 at most. A line for each stage says which outputs differ from the committed lock files,
which should come from this machine (`make verify-reproducible` checks that). Then the metrics of
each machine follow. Equal results are not promised here, so a difference is not a failure.
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
    """Exits with 1 only if a run fails."""
    measured: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as place:
        for machine, environment in MACHINES.items():
            folder = Path(place) / machine
            clone(folder)
            committed = read_outputs(folder)
            measured.setdefault("as committed", dict(read_metrics(folder)))
            forget_results(folder)
            start_s = time.monotonic()
            if start(folder, environment).wait():
                sys.exit((folder.parent / f"{folder.name}.log").read_text()[-3000:])
            print(f"{machine}: {time.monotonic() - start_s:.0f} s", flush=True)
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
    """The top-level numbers of each metrics file."""
    for file in sorted((folder / "metrics").glob("*.json")):
        numbers: dict[str, Any] = json.loads(file.read_text())
        for name, value in numbers.items():
            if isinstance(value, int | float):
                yield f"{file.stem}.{name}", value


if __name__ == "__main__":
    main()
