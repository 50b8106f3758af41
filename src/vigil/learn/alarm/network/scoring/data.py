"""Reads stored embeddings as batches of tensors."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from vigil.learn.networks.order import EpochSampler

Batch = list[Tensor]
"""Vectors (B, D) and their rows (B,) in the table of embeddings."""


def batches(
    vectors: npt.NDArray[np.float32],
    rows: npt.NDArray[np.int64],
    batch_size: int,
    *,
    shuffle_seed: int | None,
) -> DataLoader[Batch]:
    """Batches of some rows of a table of vectors, in order, or shuffled anew in each epoch.

    If vectors are shuffled, a last batch of one vector is left out, since batch norm needs two.
    """
    sampler = None if shuffle_seed is None else EpochSampler(len(rows), shuffle_seed)
    is_single = shuffle_seed is not None and len(rows) % batch_size == 1
    dataset: Any = TensorDataset(torch.from_numpy(vectors[rows]), torch.from_numpy(rows))
    return DataLoader(dataset, batch_size, sampler=sampler, drop_last=is_single)
