"""What two processes cost that train with two shards, beside plain data-parallel training.

Each run is a launch of two processes by torchrun, with a thread each. They train the crop
transformer with the settings of `params.yaml`, but in 32 bits. One run is `fit` with
`num_shards: 2`. The other is a bare loop with torch's DistributedDataParallel (Li et al., "PyTorch
Distributed: Experiences on Accelerating Data Parallel Training", 2020): the same loss and batches,
of which each process has half. The time is the median step on the clock: both cores are needed, so
other programs slow both.
"""

import contextlib
import io
import itertools
import os
import shutil
import statistics
import subprocess
import sys
import time
from typing import Any

from measure import WORK, Row, log, median_ratio, shipped, side_by_side
from samples import SHAPE, make_samples

NUM_WORKERS, NUM_TRAIN, NUM_VAL, NUM_EPOCHS, NUM_ROUNDS = 2, 512, 32, 3, 3
WARM_UP = 3
"""Steps that are not measured."""


def step_s(kind: str) -> float:
    """Seconds of a step, measured in two other processes."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    done = subprocess.run(
        [*launch, f"--nproc-per-node={NUM_WORKERS}", __file__, kind],
        env={**os.environ, "VIGIL_LAUNCHED": "torchrun", "VIGIL_THREADS": "1",
             "OMP_NUM_THREADS": "1", "VIGIL_STATE_DIR": str(WORK / "state")},
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return float(done.stdout.splitlines()[-1])


def run() -> list[Row]:
    """Measures both in turn."""
    make_samples()
    log(f"workers: {NUM_ROUNDS + 1} rounds of 2 runs")
    ours, plain = side_by_side([lambda: step_s("shards"), lambda: step_s("plain")], NUM_ROUNDS)
    return [
        Row(
            f"a training step of {NUM_WORKERS} processes in 32 bits: {NUM_WORKERS} shards, against "
            "plain DDP",
            f"{1000 * statistics.median(ours):.0f} ms",
            f"{1000 * statistics.median(plain):.0f} ms",
            median_ratio(ours, plain),
        )
    ]


def train(kind: str) -> float:
    """Trains in this process, which torchrun started; returns the median seconds of a step."""
    import torch
    import torch.distributed as dist
    from torch import Tensor, nn
    from torch.nn.parallel import DistributedDataParallel

    from vigil.learn.classifier.network.data import CropDataset, batches
    from vigil.learn.classifier.network.registry import build_classifier
    from vigil.learn.classifier.training.module import MONITOR, ClassifierTraining
    from vigil.learn.networks.machine import prepare_torch, seed_torch
    from vigil.learn.training.loop import Plan, fit
    from vigil.settings.train_classifier import TrainClassifier

    starts_s: list[float] = []

    class Timed(ClassifierTraining):
        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            starts_s.append(time.perf_counter())
            return super().training_step(batch, batch_idx)

    class Unlogged(ClassifierTraining):
        """The loss as the forward pass of a module, since DDP waits for that of a module."""

        def forward(self, batch: Any) -> Tensor:
            return self.compute_loss(batch, 0)

        def log_dict(self, *args: Any, **options: Any) -> None:
            pass

    folder, ids, _ = make_samples()
    settings = shipped(TrainClassifier)
    changes = {"max_epochs": NUM_EPOCHS, "precision": "32-true"}
    fitting = settings.fitting.model_copy(update=changes)
    shape = {"num_frames": SHAPE[0], "size_px": SHAPE[1]}
    seed_torch(settings.seed)
    network = build_classifier(settings.architecture, {**shape, **settings.network.model_dump()})
    rank = int(os.environ["RANK"])
    if kind == "shards":
        for left in (WORK / f"curves_{rank}", *([WORK / "state"] if rank == 0 else [])):
            shutil.rmtree(left, ignore_errors=True)
        val_set = CropDataset(folder, ids[NUM_TRAIN : NUM_TRAIN + NUM_VAL])
        plan = Plan(
            Timed(network, settings),
            batches(
                CropDataset(folder, ids[:NUM_TRAIN]), fitting.batch_size, shuffle_seed=settings.seed
            ),
            batches(val_set, fitting.batch_size, shuffle_seed=None),
            fitting,
            monitor=MONITOR,
            mode="min",
            seed=settings.seed,
            num_shards=NUM_WORKERS,
        )
        with contextlib.redirect_stdout(io.StringIO()):
            fit(plan, branch="classifier", fingerprint="workers", curves=WORK / f"curves_{rank}")
    else:
        prepare_torch()
        dist.init_process_group("gloo")
        module = DistributedDataParallel(Unlogged(network, settings))
        optimiser = torch.optim.AdamW(network.parameters(), settings.optimisation.learning_rate)
        own = CropDataset(folder, ids[rank:NUM_TRAIN:NUM_WORKERS])
        loader = batches(own, fitting.batch_size // NUM_WORKERS, shuffle_seed=settings.seed)
        for _ in range(NUM_EPOCHS):
            for batch in loader:
                starts_s.append(time.perf_counter())
                optimiser.zero_grad()
                module(batch).backward()
                nn.utils.clip_grad_norm_(network.parameters(), fitting.gradient_clip or 1e9)
                optimiser.step()
        dist.destroy_process_group()
    return statistics.median(end - start for start, end in itertools.pairwise(starts_s[WARM_UP:]))


if __name__ == "__main__":
    seconds = train(sys.argv[1])
    if os.environ["RANK"] == "0":
        print(seconds)
