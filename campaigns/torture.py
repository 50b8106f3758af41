"""Kills the pipeline again and again, and looks whether anything is lost: `make torture`.

One clone runs undisturbed. In another, `dvc repro` and the stage it runs are killed with SIGKILL
after a random time, at least `--kills` times, and started again; then it may finish. It has
survived where it ends in the same bytes of `dvc.lock`, `models/` and `metrics/` as the first.
"""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from clones import clone, forget_results, kill, read_results, start

LONGEST_S = 20.0
PATIENCE = 5


def main() -> None:
    """Exits with 1 where anything is lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        calm, tortured = Path(place) / "calm", Path(place) / "tortured"
        for folder in (calm, tortured):
            clone(folder)
            forget_results(folder)
        begun = time.monotonic()
        if start(calm, {}).wait():
            sys.exit((calm.parent / "calm.log").read_text()[-3000:])
        print(f"undisturbed: {time.monotonic() - begun:.0f} s", flush=True)
        kills = torment(tortured, words.kills, random.Random(words.seed))
        expected, found = read_results(calm), read_results(tortured)
    lost = sorted(name for name in expected | found if expected.get(name) != found.get(name))
    print(f"{sum(kills.values())} kills: {dict(sorted(kills.items()))}")
    print(f"lost: {', '.join(lost)}" if lost else f"survived: {len(expected)} files, same bytes")
    sys.exit(1 if lost else 0)


def torment(folder: Path, num_kills: int, draw: random.Random) -> "Counter[str]":
    """Kills runs in `folder` until there were enough, then lets one finish.

    Where all is done before there were enough, it begins again.

    Returns:
        How many kills met each stage.
    """
    log = folder.parent / f"{folder.name}.log"
    met: Counter[str] = Counter()
    failures = 0
    while sum(met.values()) < num_kills:
        process = start(folder, {})
        deadline = time.monotonic() + draw.uniform(0.5, LONGEST_S)
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        if process.poll() is None:
            kill(process)
            met[running(log)] += 1
            continue
        if process.returncode:
            failures += 1
            if failures >= PATIENCE:
                sys.exit(f"does not go on after a kill:\n{log.read_text()[-3000:]}")
        else:
            begin_again(folder)
    for _ in range(PATIENCE):
        if start(folder, {}).wait() == 0:
            return met
    sys.exit(f"does not finish after {num_kills} kills:\n{log.read_text()[-3000:]}")


def begin_again(folder: Path) -> None:
    """Forgets the results, but keeps what vigil remembers, as after `rm -r` of the outputs."""
    for lock in ("demo/dvc.lock", "dvc.lock"):
        (folder / lock).unlink(missing_ok=True)


def running(log: Path) -> str:
    """The stage that ran last, as DVC told."""
    lines = [line for line in log.read_text().splitlines() if line.startswith("Running stage")]
    return lines[-1].split("'")[1] if lines else "none yet"


if __name__ == "__main__":
    main()
