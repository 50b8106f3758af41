"""Reads stored samples of crops as batches of tensors."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from vigil.domain.samples.index import LABELS, array_path, read_index
from vigil.learn.networks.order import EpochSampler
from vigil.plumbing.errors import InputError

DIGESTED_AT_ONCE = 1024
Batch = tuple[Tensor, Tensor]
"""Crops (B, T, S, S) uint8 and targets (B,) float: the position of the label in `LABELS`."""


class CropDataset(Dataset[Batch]):
    """Samples by their ids, read from memory-mapped arrays, a whole batch at a time.

    `DataLoader` calls `__getitems__` with the positions of a whole batch. All samples of a video in
    the batch are read at once, so worker processes would not make reading faster.
    """

    def __init__(self, folder: Path, ids: Sequence[str]) -> None:
        """Raises InputError if the index lacks an id, or if an array does not fit the index."""
        index = read_index(folder)
        unknown = pd.Index(ids).difference(index.index)
        if len(unknown):
            raise InputError(
                f"{folder}: expected the samples of the split, found no {unknown[0]} "
                f"({len(unknown)} of {len(ids)} missing)"
            )
        self.table = index.loc[list(ids)]
        videos = sorted(self.table["video"].unique())
        self._arrays = [_open_array(array_path(folder, video)) for video in videos]
        self._videos = self.table["video"].map({v: i for i, v in enumerate(videos)}).to_numpy()
        self._rows = self.table["row"].to_numpy()
        self._targets = torch.tensor(
            self.table["label"].map({label: i for i, label in enumerate(LABELS)}).to_numpy(),
            dtype=torch.float32,
        )
        for video, array, last_row in zip(
            videos, self._arrays, self.table.groupby("video")["row"].max(), strict=True
        ):
            if last_row >= len(array) or array.shape[1:] != self._arrays[0].shape[1:]:
                raise InputError(f"{array_path(folder, video)}: does not fit the index of {folder}")

    @property
    def sample_shape(self) -> tuple[int, int, int]:
        """The shape (T, S, S) of a sample."""
        _, num_frames, height, width = self._arrays[0].shape
        return num_frames, height, width

    def digest(self) -> str:
        """The SHA-256 of all crops and targets, in order, in hexadecimal."""
        digest = hashlib.sha256(repr((len(self), self.sample_shape)).encode())
        for start in range(0, len(self), DIGESTED_AT_ONCE):
            positions = range(start, min(start + DIGESTED_AT_ONCE, len(self)))
            crops, targets = self.__getitems__(positions)
            digest.update(crops.numpy().tobytes())
            digest.update(targets.numpy().tobytes())
        return digest.hexdigest()

    @property
    def ids(self) -> list[str]:
        """The ids of the samples, in order."""
        return list(self.table.index)

    def name(self, position: int) -> str:
        """The id of the sample at a position."""
        return str(self.table.index[position])

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, position: int) -> Batch:
        crops, targets = self.__getitems__([position])
        return crops[0], targets[0]

    def __getitems__(self, positions: Sequence[int]) -> Batch:
        """The samples at the given positions as one batch."""
        chosen = np.asarray(positions)
        crops = np.empty((len(chosen), *self.sample_shape), np.uint8)
        videos = self._videos[chosen]
        for video in np.unique(videos):
            # The places in the batch of this video's samples; one read takes all of their rows.
            places = np.flatnonzero(videos == video)
            crops[places] = self._arrays[video][self._rows[chosen[places]]]
        return torch.from_numpy(crops), self._targets[chosen]


def batches(
    dataset: CropDataset,
    batch_size: int,
    *,
    shuffle_seed: int | None,
    repeats: Sequence[int] = (),
) -> DataLoader[Batch]:
    """Batches of a dataset, in order, or shuffled anew in each epoch if there is a seed.

    Args:
        repeats: positions that a shuffled epoch has in addition to each position once.
    """
    sampler = None if shuffle_seed is None else EpochSampler(len(dataset), shuffle_seed, repeats)
    return DataLoader(
        dataset,
        batch_size,
        sampler=sampler,
        collate_fn=_as_is,
        pin_memory=torch.cuda.is_available(),
    )


def _as_is(batch: Any) -> Any:
    """Does nothing: `__getitems__` has already made a batch."""
    return batch


def _open_array(path: Path) -> npt.NDArray[np.uint8]:
    try:
        array: npt.NDArray[np.uint8] = np.load(path, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected an array of samples, got: {error}") from None
    if array.ndim != 4 or array.dtype != np.uint8 or array.shape[2] != array.shape[3]:
        raise InputError(f"{path}: expected (N, T, S, S) uint8, got {array.shape} {array.dtype}")
    return array
