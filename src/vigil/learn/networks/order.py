"""The order of samples in each epoch."""

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler


class EpochSampler(Sampler[int]):
    """A permutation that depends only on the seed and the epoch, so a resumed run repeats it."""

    def __init__(self, num_samples: int, seed: int) -> None:
        self._num_samples, self._seed, self._epoch = num_samples, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this before each epoch."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._num_samples

    def __iter__(self) -> Iterator[int]:
        rng = np.random.default_rng([self._seed, self._epoch])
        yield from rng.permutation(self._num_samples).tolist()
