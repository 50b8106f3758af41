"""A training epoch of the crop transformer, against a bare torch loop on tensors in memory.

Ours is `fit` of `vigil.learn.training.loop` with the `train_classifier` section of `params.yaml`,
from the start of one epoch to that of the next: loading, 32 batches of training, validation, curves
and the checkpoint. The bare loop trains and validates a model of the same architecture with the
same batch size, precision, optimiser, schedule, clipping and augmentation, and does nothing else;
it is not made deterministic, as ours is. It runs an epoch in front of each epoch of ours, within
the same process, so both meet the same machine; the first pair is warm-up. Where others use the
machine too, more threads than free cores drown the ratio in waiting: `VIGIL_THREADS=1` then tells
more.

Seen on a quiet 2-core AMD EPYC VM without a GPU: 1.08x (pairs from 0.92 to 1.11), which misses the
target of 1.05x; a profile shows about 3 % of it in Lightning and the checkpoint. Busy with other
work, on one thread: 11.3 s and 10.6 s, 1.04x.
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
from measure import WORK, Row, median_ratio, shipped, tell
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
    """Runs a bare epoch in front of each of its own, and times both."""

    def __init__(self, *parts: Any, bare_epoch: Callable[[], None]) -> None:
        super().__init__(*parts)
        self._bare_epoch = bare_epoch
        self._start: float | None = None
        self.own_s: list[float] = []
        self.bare_s: list[float] = []

    def on_train_epoch_start(self) -> None:
        now = time.perf_counter()
        if self._start is not None:
            self.own_s.append(now - self._start)
        before = time.perf_counter()
        torch.use_deterministic_algorithms(False)
        self._bare_epoch()
        torch.use_deterministic_algorithms(True)
        self._start = time.perf_counter()
        self.bare_s.append(self._start - before)


def run() -> list[Row]:
    folder, ids, _ = make_samples()
    num_epochs = NUM_PAIRS + 2  # the first is warm-up, the last has no next one to end at
    told = shipped(TrainClassifier)
    enough = {"max_epochs": num_epochs, "patience_epochs": num_epochs}
    told = told.model_copy(update={"fitting": told.fitting.model_copy(update=enough)})
    train_set = CropDataset(folder, ids[:NUM_TRAIN])
    val_set = CropDataset(folder, ids[NUM_TRAIN : NUM_TRAIN + NUM_VAL])
    module = Timed(_build(told), told, bare_epoch=_bare_loop(told, train_set, val_set))
    tell(f"epoch: {num_epochs} epochs of {NUM_TRAIN} samples, bare and with Lightning in turn")
    curves, state = WORK / "curves", WORK / "state"
    for left in (curves, state):
        shutil.rmtree(left, ignore_errors=True)
    os.environ["VIGIL_STATE_DIR"] = str(state)
    plan = Plan(
        module,
        batches(train_set, told.fitting.batch_size, shuffle_seed=told.seed),
        batches(val_set, told.fitting.batch_size, shuffle_seed=None),
        told.fitting,
        monitor=MONITOR,
        mode="min",
        seed=told.seed,
    )
    with contextlib.redirect_stdout(io.StringIO()):
        fit(plan, branch="classifier", fingerprint="benchmark", curves=curves)
    own_s, bare_s = module.own_s[1:], module.bare_s[1 : len(module.own_s)]
    ratio = median_ratio(own_s, bare_s)
    return [
        Row(
            f"train an epoch of {NUM_TRAIN} samples, against a bare loop",
            f"{statistics.median(own_s):.2f} s",
            f"{statistics.median(bare_s):.2f} s",
            ratio,
            f"<= {TARGET:.2f}x",
            ratio <= TARGET,
        )
    ]


def _build(told: TrainClassifier) -> nn.Module:
    shape = {"num_frames": SHAPE[0], "size_px": SHAPE[1]}
    return build_classifier(told.architecture, {**shape, **told.network.model_dump()})


def _bare_loop(
    told: TrainClassifier, train_set: CropDataset, val_set: CropDataset
) -> Callable[[], None]:
    device = choose_device()
    model, augmentation = _build(told).to(device), CropAugmentation(told.augmentation)
    batch_size, clip = told.fitting.batch_size, told.fitting.gradient_clip
    train, targets = (part.to(device) for part in train_set.__getitems__(range(NUM_TRAIN)))
    val, val_targets = (part.to(device) for part in val_set.__getitems__(range(NUM_VAL)))
    num_steps = told.fitting.max_epochs * -(-NUM_TRAIN // batch_size)
    (optimiser,), (schedule,) = configure(
        told.optimisation, model.parameters(), num_steps, monitor=MONITOR, mode="min"
    )
    dtype = PRECISIONS[choose_precision(told.fitting.precision, device)]
    smoothing = told.label_smoothing

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
