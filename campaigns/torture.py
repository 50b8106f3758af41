"""Kills the pipeline many times, and checks that nothing is lost: `make torture`.

One clone runs undisturbed, which measures how long each stage takes. In another clone, `dvc repro`
is killed with SIGKILL at a random moment of a stage, and started again as `make repro` does. This
happens at least `--kills` times, spread evenly over the stages. Half of the kills hit DVC and its
stage; the other half hit only DVC, so that the stage keeps running. Sometimes a lock file of DVC is
cut too, as by a kill while DVC writes it. Each training of a network is also killed after an epoch,
together with DVC. At last a run may finish. The pipeline has survived if it resumed each time, if
`dvc.lock`, `models/` and `metrics/` have the same bytes as in the first clone, if each of these
trainings resumed after its epoch instead of starting again, and if no checkpoint is left.
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

START_S = 4.0  # time that a stage needs before it starts its work
LONGEST_S = 1800.0  # longest time of a run without a kill
PATIENCE = 3
CUT_SHARE = 0.1  # fraction of kills after which a lock file is cut
RUNS_ALONE = "expected to run alone"
RUNS_NOW = "Running stage '"
EPOCH = "epoch 2/"  # of the lines of a training: by then, its first epoch is stored
GOES_ON = "resumes after epoch"
TRAININGS = ("train_classifier", "train_detector", "train_segmenter")
MUST_KILL = ("extract_frames", "embed_clips")


@dataclass
class Victim:
    """A clone in which runs are killed many times."""

    folder: Path
    stage_s: dict[str, float]
    num_kills: int
    draw: random.Random
    kills: "Counter[str]" = field(default_factory=Counter)
    num_alone: int = 0
    num_refused: int = 0
    num_put_back: int = 0

    @property
    def log(self) -> Path:
        """The log file of all runs."""
        return self.folder.parent / f"{self.folder.name}.log"

    @property
    def num_killed(self) -> int:
        """The number of kills so far."""
        return sum(self.kills.values())

    @property
    def resumed(self) -> set[str]:
        """The trainings that resumed after an epoch."""
        parts = self._read(0).split(RUNS_NOW)
        return {_name_of(part) for part in parts[1:] if GOES_ON in part}

    @property
    def is_enough(self) -> bool:
        """Whether there were enough kills, and each training resumed after an epoch."""
        return (
            self.num_killed >= self.num_kills
            and all(map(self.kills.get, MUST_KILL))
            and self.resumed.issuperset(TRAININGS)
        )

    def torment(self) -> None:
        """Kills runs until there were enough kills, then lets one finish; exits if none resumes."""
        failures = 0
        while True:
            is_last = self.is_enough
            log_start = len(self._read(0))
            code = self._run(is_last)
            output = self._read(log_start)
            if code is None or RUNS_ALONE in output:  # killed, or a killed run's stage still runs
                failures = 0
                time.sleep(1)
            elif code:
                failures += 1
                self.num_refused += 1
                print(f"ended with {code}: {output.splitlines()[-1]}", flush=True)
                if failures >= PATIENCE:
                    sys.exit(f"does not resume after a kill:\n{output[-3000:]}")
            elif is_last:
                return
            else:
                forget_work(self.folder)

    def _run(self, is_last: bool) -> int | None:
        """Runs as `make repro` does; returns the exit code, or None if the run was killed."""
        for line in put_back(self.folder):
            self.num_put_back += 1
            print(line, flush=True)
        log_start = len(self._read(0))
        process = start(self.folder, {})
        start_s, stage, deadline = time.monotonic(), "", float("inf")
        while process.poll() is None:
            time.sleep(0.05)
            now = time.monotonic()
            if now - start_s > LONGEST_S:
                kill(process)
                sys.exit(f"hangs:\n{self._read(log_start)[-3000:]}")
            if is_last:
                continue
            part = _last_part(self._read(log_start))
            if (running := _name_of(part)) != stage:
                stage, deadline = running, now + self._delay(running)
            has_epoch = EPOCH in part and self._awaits_epoch(stage)
            if now >= deadline or has_epoch:
                self.kills[stage] += 1
                if has_epoch or self.draw.random() < 0.5:
                    kill(process)
                else:
                    self.num_alone += 1
                    kill_dvc_alone(process)
                self._cut()
                return None
        return process.returncode

    def _awaits_epoch(self, stage: str) -> bool:
        """Whether a training is to be killed after an epoch."""
        if stage not in TRAININGS or stage in self.resumed:
            return False
        if self.kills[stage] >= self.num_kills + PATIENCE:
            sys.exit(f"{stage} starts anew after each kill:\n{self._read(0)[-3000:]}")
        return True

    def _cut(self) -> None:
        """Sometimes cuts lock files at a random place, as a kill does while DVC writes them."""
        files = [self.folder / name for name in (*LOCK_FILES, RUNNING)]
        files = [file for file in files if file.exists() and self.draw.random() < CUT_SHARE]
        for file in files:
            content = file.read_bytes()
            file.write_bytes(content[: self.draw.randrange(len(content) + 1)])

    def _delay(self, stage: str) -> float:
        """Seconds after its start at which to kill a stage; infinity if it had enough kills."""
        if self.kills[stage] > self.num_kills // len(self.stage_s):
            return float("inf")
        longest_s = START_S + self.stage_s.get(stage, START_S)
        return self.draw.uniform(0, longest_s if self.kills[stage] else longest_s / 2)

    def _read(self, start: int) -> str:
        return self.log.read_text()[start:] if self.log.exists() else ""


def main() -> None:
    """Exits with 1 if anything is lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        calm, tortured = Path(place) / "calm", Path(place) / "tortured"
        for folder in (calm, tortured):
            clone(folder)
            forget_results(folder)
        start_s = time.monotonic()
        if start(calm, {}).wait():
            sys.exit((calm.parent / "calm.log").read_text()[-3000:])
        print(f"undisturbed: {time.monotonic() - start_s:.0f} s", flush=True)
        victim = Victim(tortured, read_times(calm), words.kills, random.Random(words.seed))
        victim.torment()
        expected, results = read_results(calm), read_results(tortured)
        resumed = victim.resumed
        left = [file for file in (tortured / ".vigil/checkpoints").rglob("*") if file.is_file()]
    lost = sorted(name for name in expected | results if expected.get(name) != results.get(name))
    print(f"{victim.num_killed} kills, {victim.num_alone} of DVC alone; by stage:")
    print(", ".join(f"{name} {number}" for name, number in sorted(victim.kills.items())))
    print(f"resumed after an epoch: {', '.join(sorted(resumed))}")
    print(f"lock files restored: {victim.num_put_back}")
    print(f"lost: {', '.join(lost)}" if lost else f"survived: {len(expected)} files, same bytes")
    if left:
        print(f"checkpoints left: {len(left)}")
    if victim.num_refused:
        print(f"did not resume at once: {victim.num_refused}")
    is_well = victim.num_put_back and not victim.num_refused
    sys.exit(1 if lost or left or not is_well else 0)


def _last_part(output: str) -> str:
    """The output since the last stage began, from its name on; empty before the first stage."""
    return output.rpartition(RUNS_NOW)[2] if RUNS_NOW in output else ""


def _name_of(part: str) -> str:
    """The stage of a part of DVC's output: `'demo/dvc.yaml:make_demo':` is `make_demo`."""
    return part.partition("'")[0].rsplit(":", 1)[-1]


if __name__ == "__main__":
    main()
