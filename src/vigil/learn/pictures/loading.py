"""Batches of pictures, in order or shuffled anew in each epoch."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

from vigil.learn.networks.machine import num_workers
from vigil.learn.pictures.epoch_keys import EpochKeys

E = TypeVar("E")
B = TypeVar("B")


def load_batches(
    dataset: Dataset[E],
    batch_size: int,
    collate: Callable[[Sequence[E]], B],
    *,
    shuffle_seed: int | None,
    repeats: Sequence[int] = (),
) -> DataLoader[B]:
    """Batches of a dataset whose keys are an epoch and a position.

    Args:
        shuffle_seed: None: the pictures are in order.
        repeats: positions that a shuffled epoch has in addition to each position once.
    """
    num_pictures = len(dataset)  # type: ignore[arg-type]
    workers, num_entries = num_workers(), num_pictures + len(repeats)
    sized: Any = dataset  # whose type after `collate` is another
    return DataLoader(
        sized,
        batch_size,
        sampler=EpochKeys(num_pictures, shuffle_seed, repeats),
        collate_fn=collate,
        # Batch norms cannot learn from a single picture, so a last batch of one picture is left
        # out. In the next epoch, it is another picture.
        drop_last=shuffle_seed is not None
        and num_entries > batch_size > 1 == num_entries % batch_size,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=torch.cuda.is_available(),
    )
