"""A training epoch of the crop transformer, against a bare torch loop on tensors in memory.

Ours is `fit` of `vigil.learn.training.loop` with the `train_classifier` section of `params.yaml`,
from the start of one epoch to the start of the next: loading, 32 training batches, validation,
curves and the checkpoint. The bare loop trains and validates a model of the same architecture with
the same batch size, precision, optimiser, schedule, clipping and augmentation, and does nothing
else. Ours is deterministic, the bare loop is not. The bare loop runs an epoch before each epoch of
ours, in the same process, so that both run under the same conditions. The first pair is warm-up. If
other programs run and there are more threads than free cores, waiting dominates the ratio. Then use
`VIGIL_THREADS=1`.

Measured on a quiet 2-core AMD EPYC VM without a GPU: 1.08x (pairs from 0.92 to 1.11), which misses
the target of 1.05x. A profile shows about 3 % of the time in Lightning and the checkpoint. On one
thread of a busy machine: 11.3 s and 10.6 s, 1.04x.
"""

import contextlib
import io
import os
import shutil
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from measure import WORK, Row, log, median_ratio, shipped
from samples import SHAPE, make_samples
from torch import Tensor, nn
from torch.nn import functional

from vigil.learn.classifier.network.data import CropDataset, batches
from vigil.learn.classifier.network.registry import build_classifier
from vigil.learn.classifier.training.augmentation import CropAugmentation
from vigil.learn.classifier.training.module import MONITOR, ClassifierTraining
from vigil.learn.networks.machine import choose_device, choose_precision
from vigil.learn.training.loop import Plan, fit
from vigil.learn.training.optimisation import configure
from vigil.settings.train_classifier import TrainClassifier

NUM_TRAIN, NUM_VAL = 2048, 512
NUM_PAIRS = 11
TARGET = 1.05
PRECISIONS = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16, "32-true": None}


class Timed(ClassifierTraining):
    """Runs a bare epoch before each epoch, and times both."""

    def __init__(self, *parts: Any, bare_epoch: Callable[[], None]) -> None:
        super().__init__(*parts)
        self._bare_epoch = bare_epoch
        self._start: float | None = None
        self.ours_s: list[float] = []
        self.bare_s: list[float] = []

    def on_train_epoch_start(self) -> None:
        now = time.perf_counter()
        if self._start is not None:
            self.ours_s.append(now - self._start)
        before = time.perf_counter()
        torch.use_deterministic_algorithms(False)
        self._bare_epoch()
        torch.use_deterministic_algorithms(True)
        self._start = time.perf_counter()
        self.bare_s.append(self._start - before)


def run() -> list[Row]:
    folder, ids, _ = make_samples()
    num_epochs = NUM_PAIRS + 2  # the first is warm-up; the last has no next epoch that ends it
    settings = shipped(TrainClassifier)
    enough = {"max_epochs": num_epochs, "patience_epochs": num_epochs}
    settings = settings.model_copy(update={"fitting": settings.fitting.model_copy(update=enough)})
    train_set = CropDataset(folder, ids[:NUM_TRAIN])
    val_set = CropDataset(folder, ids[NUM_TRAIN : NUM_TRAIN + NUM_VAL])
    module = Timed(_build(settings), settings, bare_epoch=_bare_loop(settings, train_set, val_set))
    log(f"epoch: {num_epochs} epochs of {NUM_TRAIN} samples, bare and with Lightning in turn")
    curves, state = WORK / "curves", WORK / "state"
    for left in (curves, state):
        shutil.rmtree(left, ignore_errors=True)
    os.environ["VIGIL_STATE_DIR"] = str(state)
    plan = Plan(
        module,
        batches(train_set, settings.fitting.batch_size, shuffle_seed=settings.seed),
        batches(val_set, settings.fitting.batch_size, shuffle_seed=None),
        settings.fitting,
        monitor=MONITOR,
        mode="min",
        seed=settings.seed,
    )
    with contextlib.redirect_stdout(io.StringIO()):
        fit(plan, branch="classifier", fingerprint="benchmark", curves=curves)
    ours_s, bare_s = module.ours_s[1:], module.bare_s[1 : len(module.ours_s)]
    ratio = median_ratio(ours_s, bare_s)
    return [
        Row(
            f"train an epoch of {NUM_TRAIN} samples, against a bare loop",
            f"{statistics.median(ours_s):.2f} s",
            f"{statistics.median(bare_s):.2f} s",
            ratio,
            f"<= {TARGET:.2f}x",
            ratio <= TARGET,
        )
    ]


def _build(settings: TrainClassifier) -> nn.Module:
    shape = {"num_frames": SHAPE[0], "size_px": SHAPE[1]}
    return build_classifier(settings.architecture, {**shape, **settings.network.model_dump()})


def _bare_loop(
    settings: TrainClassifier, train_set: CropDataset, val_set: CropDataset
) -> Callable[[], None]:
    device = choose_device()
    model, augmentation = _build(settings).to(device), CropAugmentation(settings.augmentation)
    batch_size, clip = settings.fitting.batch_size, settings.fitting.gradient_clip
    train, targets = (part.to(device) for part in train_set.__getitems__(range(NUM_TRAIN)))
    val, val_targets = (part.to(device) for part in val_set.__getitems__(range(NUM_VAL)))
    num_steps = settings.fitting.max_epochs * -(-NUM_TRAIN // batch_size)
    (optimiser,), (schedule,) = configure(
        settings.optimisation, model.parameters(), num_steps, monitor=MONITOR, mode="min"
    )
    dtype = PRECISIONS[choose_precision(settings.fitting.precision, device)]
    smoothing = settings.label_smoothing

    def loss_of(crops: Tensor, targets: Tensor) -> Tensor:
        if model.training:
            targets = targets * (1 - smoothing) + smoothing / 2
        with torch.autocast(device.type, dtype, enabled=dtype is not None):
            logits = model(augmentation(crops) if model.training else crops)
            return functional.binary_cross_entropy_with_logits(logits.float(), targets)

    def epoch() -> None:
        model.train()
        for chosen in torch.randperm(NUM_TRAIN, device=device).split(batch_size):
            loss = loss_of(train[chosen], targets[chosen])
            optimiser.zero_grad()
            loss.backward()
            if clip:
                nn.utils.clip_grad_norm_(model.parameters(), clip)
            optimiser.step()
            schedule["scheduler"].step()
        model.eval()
        with torch.inference_mode():
            losses = [
                loss_of(*batch)
                for batch in zip(val.split(batch_size), val_targets.split(batch_size), strict=True)
            ]
        float(torch.stack(losses).mean())

    return epoch
