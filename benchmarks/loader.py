"""Samples a second of the data loader: shuffled batches of 64 of 8,306 samples of 10x50x50.

The reference has the same samples as one pickle each, 4,153 of each class, and loads them through
torch's `DataLoader`, without workers (as ours) and with one worker process for each core. Each run
is one epoch, and the files are in the system's cache. The start of workers is not timed.

Measured on a busy 2-core AMD EPYC VM without a GPU: 310,000 samples/s; pickles 44,000 without
workers and 15,000 with two.
"""

import os
import pickle
import statistics
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measure import Row, log, median_ratio, side_by_side
from samples import make_samples
from torch.utils.data import DataLoader, Dataset

from vigil.domain.samples.index import LABELS
from vigil.learn.classifier.network.data import CropDataset, batches

BATCH_SIZE = 64
TARGET = 10_000
NUM_ROUNDS = 7


class Pickles(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """One file for each sample, in one folder for each class."""

    def __init__(self, folder: Path) -> None:
        self._files = [
            (file, float(target))
            for target, label in enumerate(LABELS)
            for file in sorted((folder / label).iterdir())
        ]

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, position: int) -> tuple[torch.Tensor, torch.Tensor]:
        file, target = self._files[position]
        with file.open("rb") as opened:
            crops: np.ndarray = pickle.load(opened)
        return torch.from_numpy(crops), torch.tensor(target)


def run() -> list[Row]:
    arrays, ids, pickles = make_samples()
    num_workers = os.cpu_count() or 1
    plain = DataLoader(Pickles(pickles), BATCH_SIZE, shuffle=True)
    workers = DataLoader(
        Pickles(pickles),
        BATCH_SIZE,
        shuffle=True,
        num_workers=num_workers,
        persistent_workers=True,
    )
    loaders = [batches(CropDataset(arrays, ids), BATCH_SIZE, shuffle_seed=0), plain, workers]
    log(f"loader: {NUM_ROUNDS} rounds of {len(ids)} samples")
    ours, *references = side_by_side(
        [partial(_speed, loader, len(ids)) for loader in loaders], NUM_ROUNDS
    )
    speed = statistics.median(ours)
    rows = [
        Row(
            f"load samples, batches of {BATCH_SIZE}, shuffled",
            f"{speed:,.0f}/s",
            f"{TARGET:,}/s (fixed)",
            speed / TARGET,
            ">= 1.00x",
            speed >= TARGET,
        )
    ]
    for name, reference in zip(("no workers", f"{num_workers} workers"), references, strict=True):
        ratio = median_ratio(ours, reference)
        rows.append(
            Row(
                f"load samples, against a pickle each, {name}",
                f"{speed:,.0f}/s",
                f"{statistics.median(reference):,.0f}/s",
                ratio,
                ">= 1.00x",
                ratio >= 1,
            )
        )
    return rows


def _speed(loader: DataLoader[Any], num_samples: int) -> float:
    start = time.perf_counter()
    seen = sum(len(targets) for _, targets in loader)
    elapsed = time.perf_counter() - start
    assert seen == num_samples
    return num_samples / elapsed
