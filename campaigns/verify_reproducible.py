"""Runs the whole pipeline in two fresh clones and compares every byte: `make verify-reproducible`.

The clones are in folders with different names. The second run has another hash seed, locale, time
zone and number of loader workers, and lists folders in a random order. A line for each stage says
whether its outputs are the same. Then the bytes of `dvc.lock`, `models/` and `metrics/` are
compared. The kind of CPU or GPU and the number of threads are not varied, since equal bytes are not
promised there. A last line says whether the committed lock files have the same outputs. If not,
that is no failure.
"""

import sys
import tempfile
import time
from pathlib import Path

from clones import PROJECT, clone, forget_results, read_outputs, read_results, start

SETTINGS = {
    "first": {"PYTHONHASHSEED": "1", "LC_ALL": "C.UTF-8", "TZ": "UTC", "VIGIL_WORKERS": "0"},
    "second, elsewhere": {
        "PYTHONHASHSEED": "4242",
        "LC_ALL": "C",
        "TZ": "Pacific/Auckland",
        "VIGIL_WORKERS": "2",
        "PYTHONPATH": str(PROJECT / "campaigns/shuffled"),
    },
}


def main() -> None:
    """Exits with 1 if anything differs."""
    with tempfile.TemporaryDirectory() as place:
        folders = [Path(place) / name for name in SETTINGS]
        for folder, environment in zip(folders, SETTINGS.values(), strict=True):
            clone(folder)
            committed = read_outputs(folder)
            forget_results(folder)
            start_s = time.monotonic()
            if start(folder, environment).wait():
                sys.exit((folder.parent / f"{folder.name}.log").read_text()[-3000:])
            print(f"{folder.name}: {time.monotonic() - start_s:.0f} s", flush=True)
        outputs = [read_outputs(folder) for folder in folders]
        same = compare_stages(*outputs)
        print(f"as committed: {'yes' if outputs[0] == committed else 'no, from another machine'}")
        same &= compare_bytes(*(read_results(folder) for folder in folders))
    sys.exit(0 if same else 1)


def compare_stages(first: dict[str, dict[str, str]], second: dict[str, dict[str, str]]) -> bool:
    """Prints a line for each stage; returns whether all outputs are the same."""
    for name in sorted(first.keys() | second.keys()):
        one, other = first.get(name, {}), second.get(name, {})
        paths = sorted(one.keys() | other.keys())
        differing = [path for path in paths if one.get(path) != other.get(path)]
        verdict = f"DIFFERS: {', '.join(differing)}" if differing else "same"
        print(f"{name:28} {len(paths)} outputs  {verdict}")
    return first == second


def compare_bytes(first: dict[str, bytes], second: dict[str, bytes]) -> bool:
    """Prints which result files differ; returns whether none does."""
    names = sorted(first.keys() | second.keys())
    differing = [name for name in names if first.get(name) != second.get(name)]
    print(f"{len(names)} files of models/, metrics/ and dvc.lock: ", end="")
    print(f"{len(differing)} DIFFER: {', '.join(differing[:20])}" if differing else "same bytes")
    return not differing


if __name__ == "__main__":
    main()
