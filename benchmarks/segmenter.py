"""The segmenter's training against a bare loop, and run lengths of masks against pycocotools.

The bare loop is that of torchvision's reference recipe (`references/segmentation`): the same
network, batches, cross-entropy on enlarged logits and optimiser, without Lightning, averaged
weights and determinism. An epoch of each is timed in turn.

Masks are encoded and decoded one by one, as in a loop over annotations.
"""

import contextlib
import io
import os
import shutil
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import torch
from measure import WORK, Row, log, median_ratio, shipped, side_by_side
from pycocotools import mask as coco
from torch import nn
from torch.nn import functional

from vigil.domain.masks.masked import MaskedPictures
from vigil.domain.pictures.run_lengths import compress, decompress, mask_of, runs_of
from vigil.learn.networks.machine import choose_device, choose_precision
from vigil.learn.segmenter.network.data import Batch, MaskDataset, batches
from vigil.learn.segmenter.network.interface import IGNORED, Segmenter
from vigil.learn.segmenter.network.predicting import REDUCED
from vigil.learn.segmenter.network.registry import build_segmenter
from vigil.learn.segmenter.training.augmentation import MaskAugmenter
from vigil.learn.segmenter.training.module import SegmenterTraining
from vigil.learn.training.loop import Plan, fit
from vigil.learn.training.optimisation import configure
from vigil.settings.train_segmenter import TrainSegmenter

SIZE_WH = (320, 240)
NUM_PICTURES, NUM_PAIRS, NUM_MASKS, NUM_ROUNDS = 24, 5, 200, 5
TARGET = 1.05


class Timed(SegmenterTraining):
    """Runs a bare epoch before each epoch, and times both."""

    def __init__(self, *parts: Any, bare_epoch: Callable[[], None], **options: Any) -> None:
        super().__init__(*parts, **options)
        self._bare_epoch = bare_epoch
        self._start = 0.0
        self.ours_s: list[float] = []
        self.bare_s: list[float] = []

    def on_train_epoch_start(self) -> None:
        before = time.perf_counter()
        torch.use_deterministic_algorithms(False)
        self._bare_epoch()
        torch.use_deterministic_algorithms(True)
        self._start = time.perf_counter()
        self.bare_s.append(self._start - before)

    def on_validation_epoch_start(self) -> None:
        self.ours_s.append(time.perf_counter() - self._start)
        super().on_validation_epoch_start()


def run() -> list[Row]:
    return [_training(), *_codec()]


def _training() -> Row:
    settings = shipped(TrainSegmenter)
    fitting = settings.fitting.model_copy(update={"max_epochs": NUM_PAIRS + 1}).chosen
    settings = settings.model_copy(update={"loss": "ce", "canvas_wh": SIZE_WH})
    train_set = _pictures(settings, with_changes=True)
    module = Timed(
        _build(settings),
        settings,
        num_classes=2,
        class_weights=None,
        bare_epoch=_bare_loop(settings, train_set),
    )
    curves, state = WORK / "curves", WORK / "state"
    for left in (curves, state):
        shutil.rmtree(left, ignore_errors=True)
    os.environ["VIGIL_STATE_DIR"] = str(state)
    log(f"segmenter: {NUM_PAIRS + 1} epochs of {NUM_PICTURES} pictures, bare and ours in turn")
    plan = Plan(
        module,
        batches(train_set, fitting.batch_size, shuffle_seed=0),
        batches(_pictures(settings, with_changes=False), 1, shuffle_seed=None),
        fitting,
        monitor=settings.monitor,
        mode=settings.mode,
        seed=0,
    )
    with contextlib.redirect_stdout(io.StringIO()):
        fit(plan, branch="segmenter", fingerprint="benchmark", curves=curves)
    ours_s, bare_s = module.ours_s[1:], module.bare_s[1:]
    ratio = median_ratio(ours_s, bare_s)
    return Row(
        f"train an epoch of {NUM_PICTURES} pictures with masks, against a bare loop",
        f"{statistics.median(ours_s):.2f} s",
        f"{statistics.median(bare_s):.2f} s",
        ratio,
        f"<= {TARGET:.2f}x",
        ratio <= TARGET,
    )


def _build(settings: TrainSegmenter) -> Segmenter:
    config = {"num_classes": 2, **settings.unet.model_dump()}
    return build_segmenter(settings.architecture, config)


def _pictures(settings: TrainSegmenter, *, with_changes: bool) -> MaskDataset:
    """Noise with a rectangle each."""
    folder: Path = WORK / "masks"
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    images, objects = [], []
    for number in range(NUM_PICTURES if with_changes else 1):
        name = f"{number:02}.png"
        noise = rng.integers(0, 255, (SIZE_WH[1], SIZE_WH[0], 3), np.uint8)
        (folder / name).write_bytes(cv2.imencode(".png", noise)[1].tobytes())
        images.append([name, *SIZE_WH, "", -1, name])
        mask = np.zeros(SIZE_WH[::-1], bool)
        mask[40 : 40 + 4 * number, 60:120] = True
        objects.append([name, "object", compress(runs_of(mask)), False, False])
    columns = ["file_name", "width", "height", "video", "frame_index", "sha256"]
    known = MaskedPictures.of(
        pd.DataFrame(images, columns=columns),
        pd.DataFrame(objects, columns=["image", "label", "counts", "is_crowd", "is_difficult"]),
        ["object"],
        "background",
    )
    return MaskDataset(
        folder,
        known,
        canvas_wh=SIZE_WH,
        view="resized",
        augmentation=MaskAugmenter(settings.augmentation) if with_changes else None,
    )


def _bare_loop(settings: TrainSegmenter, train_set: MaskDataset) -> Callable[[], None]:
    device = choose_device()
    model = _build(settings).to(device).to(memory_format=torch.channels_last)
    fitting = settings.fitting
    loader = batches(train_set, fitting.batch_size, shuffle_seed=0)
    (optimiser,), _ = configure(
        settings.optimisation, model.parameters(), 1000, monitor="val_iou", mode="max"
    )
    dtype = REDUCED.get(choose_precision(fitting.precision, device))

    def step(batch: Batch) -> None:
        pictures, truth = (part.to(device) for part in batch)
        with torch.autocast(device.type, dtype, enabled=dtype is not None):
            logits = model.maps(pictures)["main"]
        enlarged = functional.interpolate(
            logits.float(), truth.shape[-2:], mode="bilinear", align_corners=False
        )
        loss = functional.cross_entropy(enlarged, truth, ignore_index=IGNORED)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), fitting.gradient_clip)
        optimiser.step()
        float(loss.detach())

    def epoch() -> None:
        model.train()
        for batch in loader:
            step(batch)

    return epoch


def _codec() -> list[Row]:
    """Ours against pycocotools, on masks of people of the size in photographs."""
    rng = np.random.default_rng(0)
    masks = []
    for _ in range(NUM_MASKS):
        mask = np.zeros((480, 640), np.uint8)
        x, y = (int(value) for value in rng.integers(60, 380, 2))
        cv2.ellipse(mask, (x + 40, y), (30, 80), float(rng.uniform(0, 90)), 0, 360, 1, -1)
        masks.append(mask)
    texts = [compress(runs_of(mask.astype(bool))) for mask in masks]
    theirs = [coco.encode(np.asfortranarray(mask)) for mask in masks]
    assert texts == [one["counts"].decode() for one in theirs]

    def timed(work: Callable[[], object]) -> Callable[[], float]:
        def run_once() -> float:
            before = time.perf_counter()
            work()
            return time.perf_counter() - before

        return run_once

    encode = side_by_side(
        [
            timed(lambda: [compress(runs_of(mask.astype(bool))) for mask in masks]),
            timed(lambda: [coco.encode(np.asfortranarray(mask)) for mask in masks]),
        ],
        NUM_ROUNDS,
    )
    decode = side_by_side(
        [
            timed(lambda: [mask_of(decompress(text), (480, 640)) for text in texts]),
            timed(lambda: [coco.decode(one) for one in theirs]),
        ],
        NUM_ROUNDS,
    )
    return [
        Row(
            f"{what} {NUM_MASKS} masks of 640x480 px, against pycocotools",
            f"{1000 * statistics.median(ours) / NUM_MASKS:.2f} ms each",
            f"{1000 * statistics.median(reference) / NUM_MASKS:.2f} ms each",
            median_ratio(ours, reference),
        )
        for what, (ours, reference) in (("encode", encode), ("decode", decode))
    ]
