"""Kills the pipeline again and again, and looks whether anything is lost: `make torture`.

One clone runs undisturbed, which tells how long each stage takes. In another, `dvc repro` is killed
with SIGKILL at a random moment of a stage, at least `--kills` times over all stages alike, and
started again, as `make repro` does: half of the times with the stage it runs, half of the times
alone, which leaves that stage running. Now and then a lock file of DVC's is cut too, as by a kill
that comes while DVC writes it. Then it may finish. It has survived where it went on each time,
where it ends in the same bytes of `dvc.lock`, `models/` and `metrics/` as the first, where
trainings went on after an epoch in place of beginning again, and where no checkpoint is left.
"""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from clones import (
    clone,
    forget_results,
    forget_work,
    kill,
    kill_dvc_alone,
    read_results,
    read_times,
    start,
)

from vigil.plumbing.cut_files import LOCK_FILES, RUNNING, put_back

START_S = 4.0  # of a stage, until it does its work
LONGEST_S = 1800.0  # of a run without a kill
PATIENCE = 3
CUT_SHARE = 0.1  # of kills, for each lock file
RUNS_ALONE = "expected to run alone"
GOES_ON = "resumes after epoch"
MUST_MEET = ("extract_frames", "embed_clips", "train_classifier", "train_detector")


@dataclass
class Victim:
    """A clone that is killed again and again."""

    folder: Path
    stage_s: dict[str, float]
    num_kills: int
    draw: random.Random
    met: "Counter[str]" = field(default_factory=Counter)
    num_alone: int = 0
    num_refused: int = 0
    num_put_back: int = 0

    @property
    def log(self) -> Path:
        """What all its runs print."""
        return self.folder.parent / f"{self.folder.name}.log"

    @property
    def num_met(self) -> int:
        """Kills so far."""
        return sum(self.met.values())

    def torment(self) -> None:
        """Kills runs until there were enough, then lets one finish; exits where none can go on."""
        failures = 0
        while True:
            is_last = self.num_met >= self.num_kills and all(map(self.met.get, MUST_MEET))
            seen = len(self._read(0))
            code = self._run(is_last)
            told = self._read(seen)
            if code is None or RUNS_ALONE in told:  # killed, or a killed run's stage goes on
                failures = 0
                time.sleep(1)
            elif code:
                failures += 1
                self.num_refused += 1
                print(f"ended with {code}: {told.splitlines()[-1]}", flush=True)
                if failures >= PATIENCE:
                    sys.exit(f"does not go on after a kill:\n{told[-3000:]}")
            elif is_last:
                return
            else:
                forget_work(self.folder)

    def _run(self, is_last: bool) -> int | None:
        """One run as of `make repro`; its exit code, or None where it was killed."""
        for line in put_back(self.folder):
            self.num_put_back += 1
            print(line, flush=True)
        seen = len(self._read(0))
        process = start(self.folder, {})
        begun, stage, deadline = time.monotonic(), "", float("inf")
        while process.poll() is None:
            time.sleep(0.05)
            now = time.monotonic()
            if now - begun > LONGEST_S:
                kill(process)
                sys.exit(f"hangs:\n{self._read(seen)[-3000:]}")
            if is_last:
                continue
            if (running := _last_stage(self._read(seen))) != stage:
                stage, deadline = running, now + self._delay(running)
            if now >= deadline:
                self.met[stage] += 1
                if self.draw.random() < 0.5:
                    kill(process)
                else:
                    self.num_alone += 1
                    kill_dvc_alone(process)
                self._cut()
                return None
        return process.returncode

    def _cut(self) -> None:
        """Now and then leaves a part of a lock file, as a kill does while DVC writes it."""
        files = [self.folder / name for name in (*LOCK_FILES, RUNNING)]
        files = [file for file in files if file.exists() and self.draw.random() < CUT_SHARE]
        for file in files:
            content = file.read_bytes()
            file.write_bytes(content[: self.draw.randrange(len(content) + 1)])

    def _delay(self, stage: str) -> float:
        """Seconds from its start at which to kill a stage; none where it was met often enough."""
        if self.met[stage] > self.num_kills // len(self.stage_s):
            return float("inf")
        longest_s = START_S + self.stage_s.get(stage, START_S)
        return self.draw.uniform(0, longest_s if self.met[stage] else longest_s / 2)

    def _read(self, start: int) -> str:
        return self.log.read_text()[start:] if self.log.exists() else ""


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
        victim = Victim(tortured, read_times(calm), words.kills, random.Random(words.seed))
        victim.torment()
        expected, found = read_results(calm), read_results(tortured)
        num_resumed = victim.log.read_text().count(GOES_ON)
        left = [file for file in (tortured / ".vigil/checkpoints").rglob("*") if file.is_file()]
    lost = sorted(name for name in expected | found if expected.get(name) != found.get(name))
    print(f"{victim.num_met} kills, {victim.num_alone} of DVC alone; by stage:")
    print(", ".join(f"{name} {number}" for name, number in sorted(victim.met.items())))
    print(f"went on after an epoch: {num_resumed}; lock files put back: {victim.num_put_back}")
    print(f"lost: {', '.join(lost)}" if lost else f"survived: {len(expected)} files, same bytes")
    if left:
        print(f"checkpoints left: {len(left)}")
    if victim.num_refused:
        print(f"did not go on at once: {victim.num_refused}")
    is_well = num_resumed and victim.num_put_back and not victim.num_refused
    sys.exit(1 if lost or left or not is_well else 0)


def _last_stage(told: str) -> str:
    """The stage that a run is at, as DVC told; empty before the first."""
    lines = [line for line in told.splitlines() if line.startswith("Running stage")]
    return lines[-1].split("'")[1].rsplit(":", 1)[-1] if lines else ""


if __name__ == "__main__":
    main()
