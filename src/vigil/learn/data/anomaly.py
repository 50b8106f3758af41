"""Stored embeddings as batches of tensors."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from vigil.learn.data.epoch_sampler import EpochSampler

Batch = list[Tensor]
"""Vectors (B, D)."""


def batches(
    vectors: npt.NDArray[np.float32], batch_size: int, *, shuffle_seed: int | None
) -> DataLoader[Batch]:
    """Batches of vectors, in order or shuffled anew in each epoch.

    A shuffled last batch of one vector is left out: batch norm can make nothing of it.
    """
    sampler = None if shuffle_seed is None else EpochSampler(len(vectors), shuffle_seed)
    alone = shuffle_seed is not None and len(vectors) % batch_size == 1
    dataset: Any = TensorDataset(torch.from_numpy(vectors))
    return DataLoader(dataset, batch_size, sampler=sampler, drop_last=alone)
