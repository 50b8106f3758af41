"""The order of pictures in an epoch, and the random numbers that change each picture."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch.utils.data import Sampler

from vigil.learn.networks.machine import one_thread
from vigil.learn.networks.order import EpochSampler

Key = tuple[int, int]
"""Epoch and position of a picture. With the seed, they determine its augmentation."""

MOST_EPOCHS = 1_000_001
"""More than any training has."""


class EpochKeys(Sampler[Key]):
    """Yields each position in an epoch, together with the epoch.

    A position that is repeated has a number of its own in place of the epoch, so that it is
    augmented in another way.
    """

    def __init__(
        self, num_samples: int, shuffle_seed: int | None, repeats: Sequence[int] = ()
    ) -> None:
        self._num_samples, self._epoch = num_samples, 0
        self._order = (
            None if shuffle_seed is None else EpochSampler(num_samples, shuffle_seed, repeats)
        )

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this before each epoch."""
        self._epoch = epoch
        if self._order is not None:
            self._order.set_epoch(epoch)

    def __len__(self) -> int:
        return self._num_samples if self._order is None else len(self._order)

    def __iter__(self) -> Iterator[Key]:
        num_seen: Counter[int] = Counter()
        for position in range(self._num_samples) if self._order is None else self._order:
            yield self._epoch + num_seen[position] * MOST_EPOCHS, position
            num_seen[position] += 1


@contextmanager
def own_draw(seed: int, key: Key) -> Iterator[None]:
    """Gives torch the random numbers of one picture in one epoch, and one thread.

    The changes do not depend on the worker process, nor on earlier random numbers.
    """
    with one_thread(), torch.random.fork_rng(devices=[]):
        draw = np.random.SeedSequence((seed, *key)).generate_state(1, "u8")[0]
        # torch.manual_seed would be slow: it formats a stack trace for each kind of GPU.
        torch.default_generator.manual_seed(int(draw) >> 1)
        yield
