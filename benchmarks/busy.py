"""Time of a training step while other programs run, with spinning and with waiting threads.

Torch computes on OpenMP threads, one for each core. In GNU's OpenMP, a thread spins while it waits
for the others. While other programs run, it then occupies a core that the others could use.
`vigil.learn` sets `OMP_WAIT_POLICY=PASSIVE` before torch is loaded, so that threads do not spin.

Each run is a process that trains the crop transformer on samples in memory for a few seconds. It
runs alone and beside four busy loops, with both policies. Two threads beside four loops on two
cores have a fair share of one third.
"""

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from measure import PROJECT, Row, log

NUM_LOOPS = 4
NUM_ROUNDS = 3
SECONDS = 8.0
MOST_TIMES_ITS_SHARE = 3.0
POLICIES = ("PASSIVE", "ACTIVE")

STEPS = """
import sys, time
from vigil.learn.networks.machine import prepare_torch, seed_torch
import torch
from vigil.learn.classifier.network.registry import build_classifier
from vigil.learn.classifier.training.augmentation import CropAugmentation
from vigil.plumbing.params import parse_section, read_params
from vigil.settings.train_classifier import TrainClassifier

settings = parse_section(TrainClassifier, read_params(), TrainClassifier.section)
prepare_torch()
seed_torch(0)
config = {"num_frames": 10, "size_px": 50, **settings.network.model_dump()}
model = build_classifier(settings.architecture, config)
optimiser = torch.optim.AdamW(model.parameters(), 1e-3)
augmentation = CropAugmentation(settings.augmentation)
crops = torch.randint(0, 256, (settings.fitting.batch_size, 10, 50, 50), dtype=torch.uint8)
targets = (torch.arange(len(crops)) % 2).float()


def step():
    optimiser.zero_grad()
    logits = model(augmentation(crops))
    torch.nn.functional.binary_cross_entropy_with_logits(logits, targets).backward()
    optimiser.step()


step()
start, num_steps = time.perf_counter(), 0
while time.perf_counter() - start < float(sys.argv[1]):
    step()
    num_steps += 1
print((time.perf_counter() - start) / num_steps)
"""


@contextmanager
def busy_loops(num: int) -> Iterator[None]:
    """Runs `num` processes that compute all the time."""
    words = [sys.executable, "-c", "while True: pass"]
    loops = [subprocess.Popen(words) for _ in range(num)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def step_s(policy: str) -> float:
    """Seconds of a training step in a process with this policy."""
    process = subprocess.run(
        [sys.executable, "-c", STEPS, str(SECONDS)],
        cwd=PROJECT,
        env={**os.environ, "OMP_WAIT_POLICY": policy},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(process.stdout)


def run() -> list[Row]:
    rows = []
    alone: dict[str, list[float]] = {policy: [] for policy in POLICIES}
    beside: dict[str, list[float]] = {policy: [] for policy in POLICIES}
    for number in range(NUM_ROUNDS):
        for policy in POLICIES:
            log(f"busy: round {number + 1} of {NUM_ROUNDS}, {policy}")
            alone[policy].append(step_s(policy))
            with busy_loops(NUM_LOOPS):
                beside[policy].append(step_s(policy))
    quiet, spinning = (statistics.median(alone[policy]) for policy in POLICIES)
    rows.append(
        Row(
            "training step, alone",
            f"{1000 * quiet:.0f} ms",
            f"{1000 * spinning:.0f} ms spinning",
            quiet / spinning,
        )
    )
    num_cores = os.cpu_count() or 1
    share = (num_cores + NUM_LOOPS) / num_cores
    for policy in POLICIES:
        beside_s = statistics.median(beside[policy])
        times = beside_s / (statistics.median(alone[policy]) * share)
        is_ours = policy == POLICIES[0]
        rows.append(
            Row(
                f"beside {NUM_LOOPS} busy loops, {policy.lower()}",
                f"{1000 * beside_s:.0f} ms",
                f"{1000 * statistics.median(alone[policy]) * share:.0f} ms its share",
                times,
                f"<= {MOST_TIMES_ITS_SHARE:.0f}x" if is_ours else "",
                times <= MOST_TIMES_ITS_SHARE if is_ours else None,
            )
        )
    return rows
