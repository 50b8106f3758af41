"""What shards cost beside whole batches, and portable arithmetic beside native.

Each run is a process of its own that trains the crop transformer with `fit`, with the settings of
`params.yaml` but for the precision: 32 bits, since portable arithmetic has no other. The time is
processor time, since other programs change it little: the median epoch, without the first and the
last one.
"""

import contextlib
import io
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from measure import WORK, Row, log, median_ratio, shipped, side_by_side
from samples import SHAPE, make_samples

from vigil.plumbing.arithmetic import use_arithmetic

NUM_TRAIN, NUM_VAL, NUM_EPOCHS, NUM_ROUNDS = 256, 64, 5, 2
SHARDS = (2, 4)


def epoch_s(num_shards: int, arithmetic: str = "native") -> float:
    """Processor seconds of an epoch, measured in another process of two threads."""
    threads = {} if arithmetic == "portable" else {"VIGIL_THREADS": "2", "OMP_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, str(Path(__file__)), str(num_shards)],
        env={**os.environ, "VIGIL_ARITHMETIC": arithmetic, **threads},
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return float(done.stdout.splitlines()[-1])


def run() -> list[Row]:
    """Measures whole batches, shards and portable arithmetic in turn."""
    make_samples()
    log(f"sharded: {NUM_ROUNDS + 1} rounds of {len(SHARDS) + 2} runs")
    sharded: list[Callable[[], float]] = [lambda num=num: epoch_s(num) for num in SHARDS]  # type: ignore[misc]
    runs = [lambda: epoch_s(1), lambda: epoch_s(1, "portable"), *sharded]
    whole, *others = side_by_side(runs, NUM_ROUNDS)
    names = ("portable arithmetic, against native", *(f"{n} shards, against 1" for n in SHARDS))
    return [
        Row(
            f"train an epoch of {NUM_TRAIN} samples in 32 bits: {name}",
            f"{statistics.median(times):.2f} s",
            f"{statistics.median(whole):.2f} s",
            median_ratio(times, whole),
        )
        for name, times in zip(names, others, strict=True)
    ]


def train(num_shards: int) -> float:
    """Trains in this process; returns the processor seconds of an epoch."""
    from vigil.learn.classifier.network.data import CropDataset, batches
    from vigil.learn.classifier.network.registry import build_classifier
    from vigil.learn.classifier.training.module import MONITOR, ClassifierTraining
    from vigil.learn.training.loop import Plan, fit
    from vigil.settings.train_classifier import TrainClassifier

    class Timed(ClassifierTraining):
        def __init__(self, *parts: Any) -> None:
            super().__init__(*parts)
            self.starts_s: list[float] = []

        def on_train_epoch_start(self) -> None:
            self.starts_s.append(time.process_time())

    folder, ids, _ = make_samples()
    settings = shipped(TrainClassifier)
    changes = {"max_epochs": NUM_EPOCHS, "precision": "32-true"}
    fitting = settings.fitting.model_copy(update=changes)
    shape = {"num_frames": SHAPE[0], "size_px": SHAPE[1]}
    network = build_classifier(settings.architecture, {**shape, **settings.network.model_dump()})
    module = Timed(network, settings)
    curves, state = WORK / "curves", WORK / "state"
    for left in (curves, state):
        shutil.rmtree(left, ignore_errors=True)
    os.environ["VIGIL_STATE_DIR"] = str(state)
    train_set = CropDataset(folder, ids[:NUM_TRAIN])
    val_set = CropDataset(folder, ids[NUM_TRAIN : NUM_TRAIN + NUM_VAL])
    plan = Plan(
        module,
        batches(train_set, fitting.batch_size, shuffle_seed=settings.seed),
        batches(val_set, fitting.batch_size, shuffle_seed=None),
        fitting,
        monitor=MONITOR,
        mode="min",
        seed=settings.seed,
        num_shards=num_shards,
    )
    with contextlib.redirect_stdout(io.StringIO()):
        fit(plan, branch="classifier", fingerprint="benchmark", curves=curves)
    return statistics.median(end - start for start, end in pairwise(module.starts_s[1:]))


if __name__ == "__main__":
    use_arithmetic(sys.argv)
    print(train(int(sys.argv[1])))
