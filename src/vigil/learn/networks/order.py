"""Which samples a training learns from: their order in an epoch, and the hardest of a batch."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Sampler


class EpochSampler(Sampler[int]):
    """A permutation that depends only on the seed and the epoch, so a resumed run repeats it."""

    def __init__(self, num_samples: int, seed: int, repeats: Sequence[int] = ()) -> None:
        """Args: repeats: positions that an epoch has in addition to each position once."""
        self._positions = [*range(num_samples), *repeats]
        self._seed, self._epoch = seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this before each epoch."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._positions)

    def __iter__(self) -> Iterator[int]:
        rng = np.random.default_rng([self._seed, self._epoch])
        order = rng.permutation(len(self._positions)).tolist()
        return (self._positions[entry] for entry in order)


def hardest(logits: Tensor, is_positive: Tensor, fraction: float) -> Tensor:
    """(N,) bool: whether an example is among the hardest of its kind.

    It follows Shrivastava et al., "Training Region-Based Object Detectors with Online Hard Example
    Mining", 2016, with positives and negatives apart, so that the rarer kind is not lost.
    Binary cross-entropy and focal loss fall with the logit of a positive and rise with that of a
    negative. So the order of the losses is that of the logits. Of equal ones, the first counts.

    Args:
        logits: (N,).
        is_positive: (N,) bool.
        fraction: of the positives and of the negatives that count, rounded up.
    """
    chosen = torch.zeros_like(is_positive)
    for kind, sign in ((is_positive, 1.0), (~is_positive, -1.0)):
        positions = kind.nonzero().squeeze(1)
        num_chosen = math.ceil(fraction * len(positions) - 1e-9)
        order = torch.argsort(sign * logits.detach()[positions], stable=True)
        chosen[positions[order[:num_chosen]]] = True
    return chosen
