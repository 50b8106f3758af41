"""Training whose result does not depend on the number of processes: logical shards.

    batch of 12, num_shards 4        | 0 1 2 | 3 4 5 | 6 7 8 | 9 10 11 |
    one process computes                 0       1       2        3
    of two processes, the first          0       1
                      the second                         2        3

Each shard is computed alone: with random numbers of its own (by the seed, the step and the shard),
and with normalisation by its own statistics. Then every process gets the gradients of all shards,
and adds them in the order of the shards, in 32 bits. So every process does the same arithmetic, and
all of them have the same weights. The idea of a fixed number of logical workers is that of Li et
al., "EasyScale: Accuracy-consistent Elastic Training for Deep Learning", 2022.
"""

import atexit
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.distributed as dist
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from vigil.learn.networks.machine import choose_device, seed_torch
from vigil.plumbing.errors import InputError
from vigil.plumbing.ranks import LEAST_SAMPLES, Batches, Rank, this_rank

HEADER = 3
"""The first numbers of a row: samples, terms of the loss, and the loss."""
Logged = tuple[str, float, int]
"""A name, its value in a shard, and the number of samples that the value is a mean of."""
ANSWER_WITHIN = timedelta(minutes=10)
Norm = nn.modules.batchnorm._BatchNorm


class Part(NamedTuple):
    """The samples of one shard.

    Attributes:
        batch: as the data set's own loader would make it; None: this batch is too small for all
            shards.
        num_samples: the number of samples in it.
    """

    batch: Any
    num_samples: int


class Parts(list[Part]):
    """The shards of a batch that one process computes, in order."""


@dataclass(frozen=True)
class Shards:
    """How a batch is cut, and which of its shards this process computes.

    Attributes:
        num: the number of shards.
        seed: the seed of the training.
    """

    num: int
    seed: int
    rank: Rank

    @property
    def own(self) -> range:
        """The numbers of the shards that this process computes."""
        each = self.num // self.rank.size
        return range(each * self.rank.number, each * (self.rank.number + 1))

    def cut(self, keys: Sequence[Any]) -> list[list[Any]]:
        """Cuts a batch into `num` parts, equal but for one sample; the last ones may be empty."""
        num_filled = max(1, min(self.num, len(keys) // LEAST_SAMPLES))
        ends = np.linspace(0, len(keys), num_filled + 1).astype(int).tolist()
        filled = [list(keys[start:stop]) for start, stop in pairwise(ends)]
        return [*filled, *([] for _ in range(self.num - num_filled))]

    def gather(self, rows: Tensor) -> Tensor:
        """(num, P): the rows of all shards, from the rows (own, P) of each process."""
        if self.rank.size == 1:
            return rows
        parts = [torch.empty_like(rows) for _ in range(self.rank.size)]
        dist.all_gather(parts, rows)
        return torch.cat(parts)

    def gather_objects(self, content: list[Any]) -> list[Any]:
        """The contents of all processes, one after the other."""
        if self.rank.size == 1:
            return content
        parts: list[list[Any]] = [[] for _ in range(self.rank.size)]
        dist.all_gather_object(parts, content)
        return [one for part in parts for one in part]


def open_shards(batches: Batches, seed: int) -> Shards | None:
    """Joins the processes of a training; None: batches are not cut, and one process trains.

    Raises:
        FieldError: the processes cannot share the batches.
        InputError: the other processes do not answer.
    """
    rank = this_rank()
    batches.check(rank.size)
    if batches.num_shards == 1:
        return None
    if rank.size > 1 and not dist.is_initialized():
        _join(rank)
    return Shards(batches.num_shards, seed, rank)


def broadcast(content: Any) -> Any:
    """The content of the first process, on every process."""
    if not dist.is_initialized():
        return content
    box = [content]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def shard_loader(loader: DataLoader[Any], shards: Shards) -> DataLoader[Any]:
    """A loader that reads only the samples of this process's shards, of the same batches."""
    dataset: Any = ShardedDataset(loader.dataset, loader.collate_fn, shards)
    return DataLoader(
        dataset,
        loader.batch_size,
        sampler=loader.sampler,
        collate_fn=_as_is,
        drop_last=loader.drop_last,
        num_workers=loader.num_workers,
        persistent_workers=loader.persistent_workers,
    )


class ShardedDataset(Dataset[Parts]):
    """A data set that returns a whole batch in parts: those that this process computes."""

    def __init__(
        self, dataset: Dataset[Any], collate: Callable[[Any], Any], shards: Shards
    ) -> None:
        self._dataset, self._collate, self._shards = dataset, collate, shards
        if hasattr(dataset, "name"):
            self.name = dataset.name

    def __len__(self) -> int:
        return len(self._dataset)  # type: ignore[arg-type]

    def __getitems__(self, keys: Sequence[Any]) -> Parts:
        """The parts of the batch with these keys."""
        cut = self._shards.cut(keys)
        return Parts(self._read(cut[number]) for number in self._shards.own)

    def _read(self, keys: list[Any]) -> Part:
        if not keys:
            return Part(None, 0)
        if hasattr(self._dataset, "__getitems__"):
            return Part(self._collate(self._dataset.__getitems__(keys)), len(keys))
        return Part(self._collate([self._dataset[key] for key in keys]), len(keys))


class ShardedTraining(LightningModule):
    """A training that can be cut into shards. With `shards` None, it is like any other.

    The loss of a batch in shards is that of the whole batch if it is a mean over samples, a mean
    over `loss_terms`, or a mean over samples plus `mean_factor` times a mean over `count_terms`.

    Attributes:
        shards: set before the training starts.
        mean_factor: by what a mean over the terms of `count_terms` must be multiplied, so that the
            mean of all shards over their samples is the mean of the whole batch over its terms. It
            is the shard's part of all terms, by its part of all samples; 1 for a whole batch.
    """

    def __init__(self) -> None:
        super().__init__()
        self.shards: Shards | None = None
        self.mean_factor = 1.0
        self._logged: list[Logged] | None = None
        self._gradients: list[tuple[nn.Parameter, Tensor]] = []

    def compute_loss(self, batch: Any, batch_idx: int) -> Tensor:
        """The loss of a batch, or of a shard; see the class."""
        raise NotImplementedError

    def loss_terms(self, num_samples: int) -> float:
        """The number of terms of the last shard's loss, which was divided by it; by 1 if it is 0.

        The loss of the whole batch is divided by the terms of all shards.
        """
        return float(num_samples)

    def count_terms(self, batch: Any) -> float:
        """The number of terms of a mean, or their weight, as far as data tell: see `mean_factor`.

        All shards are counted before the network runs. 0: there is no such mean.
        """
        return 0.0

    def running_statistics(self) -> list[Tensor]:
        """What a batch changes otherwise than by its gradient: the statistics of batch norms.

        Each shard starts from their values before the step. After the step they have the mean of
        the values after each shard, weighted by samples.
        """
        norms = [one for one in self.modules() if isinstance(one, Norm) and one.training]
        return [buffer for norm in norms for buffer in norm.buffers()]

    def move(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Moves a batch to a device."""
        return super().transfer_batch_to_device(batch, device, dataloader_idx)

    def transfer_batch_to_device(
        self, batch: Any, device: torch.device, dataloader_idx: int
    ) -> Any:
        """Moves a batch, or the parts of one."""
        if not isinstance(batch, Parts):
            return self.move(batch, device, dataloader_idx)
        return Parts(
            part if part.batch is None
            else part._replace(batch=self.move(part.batch, device, dataloader_idx))
            for part in batch
        )  # fmt: skip

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """The loss of a batch; with shards, their gradients are computed as well."""
        if self.shards is None:
            return self.compute_loss(batch, batch_idx)
        return self._step_of_shards(self.shards, batch, batch_idx)

    def backward(self, loss: Tensor, *args: Any, **options: Any) -> None:
        """Computes the gradients; those of shards have been computed."""
        if self.shards is None:
            super().backward(loss, *args, **options)
            return
        for weight, gradient in self._gradients:
            weight.grad = gradient
        self._gradients = []

    def log(self, name: str, value: Any, *args: Any, **options: Any) -> None:
        """Logs a value; those of a shard are logged later, in the order of all shards."""
        if self._logged is None:
            super().log(name, value, *args, **options)
        else:
            number = value.detach() if isinstance(value, Tensor) else value
            self._logged.append((name, float(number), int(options["batch_size"])))

    def log_dict(self, dictionary: Any, *args: Any, **options: Any) -> None:
        """As `log`, for several values."""
        if self._logged is None:
            super().log_dict(dictionary, *args, **options)
        else:
            for name, value in dictionary.items():
                self.log(name, value, *args, **options)

    def _step_of_shards(self, shards: Shards, parts: Parts, batch_idx: int) -> Tensor:
        """Computes the own shards, and combines all: gradients, statistics, loss and logs."""
        weights = [one for one in self.parameters() if one.requires_grad]
        statistics = self.running_statistics()
        before = [one.clone() for one in statistics]
        rows: list[Tensor] = []
        logged: list[list[Logged]] = []
        mean_factors = self._mean_factors(shards, parts)
        for number, part in zip(shards.own, parts, strict=True):
            for one, old in zip(statistics, before, strict=True):
                one.copy_(old)
            seed_torch(shards.seed, self.trainer.global_step * shards.num + number)
            self._logged = []
            self.mean_factor = mean_factors[number]
            row = self._compute_shard(part, batch_idx, weights)
            rows.append(torch.cat([row, *(one.float().reshape(-1) for one in statistics)]))
            logged.append(self._logged)
            self._logged = None
        gathered = shards.gather(torch.stack(rows))  # (V, P), the same on every process
        samples = _fractions(gathered[:, 0].tolist())
        terms = _divided_alike(gathered[:, 1].tolist())
        start = HEADER + len(weights)
        stop = start + sum(one.numel() for one in weights)
        has_gradient = gathered[:, HEADER:start].sum(0).tolist()
        gradients = _weighted_sum(gathered[:, start:stop], terms)
        self._gradients = [
            (weight, gradient)
            for weight, gradient, has in zip(
                weights, _split_like(gradients, weights), has_gradient, strict=True
            )
            if has
        ]
        means = _mean_of_filled(gathered[:, stop:], samples)
        for one, mean in zip(statistics, _split_like(means, statistics), strict=True):
            one.copy_(mean)
        for name, value, num in _of_whole_batch(shards.gather_objects(logged), terms):
            self.log(name, value, on_step=False, on_epoch=True, batch_size=num)
        return _weighted_sum(gathered[:, 2:HEADER], terms)[0]

    def _mean_factors(self, shards: Shards, parts: Parts) -> list[float]:
        """The `mean_factor` of each of all shards, the same on every process."""
        counts = torch.tensor(
            [
                [part.num_samples, 0.0 if part.batch is None else self.count_terms(part.batch)]
                for part in parts
            ],
            dtype=torch.float64,
            device=self.device,
        )
        samples, terms = (_fractions(column) for column in shards.gather(counts).T.tolist())
        return [
            one_terms / one_samples if one_samples and any(terms) else 1.0
            for one_samples, one_terms in zip(samples, terms, strict=True)
        ]

    def _compute_shard(self, part: Part, batch_idx: int, weights: list[nn.Parameter]) -> Tensor:
        """(HEADER + weights + their elements,): the row of a shard, without its statistics.

        Numbers of samples and of terms, the loss; which weights have a gradient; the gradients.
        """
        if part.batch is None:
            num = HEADER + len(weights) + sum(one.numel() for one in weights)
            return torch.zeros(num, device=self.device)
        for one in weights:
            one.grad = None  # of the shard or the step before
        loss = self.compute_loss(part.batch, batch_idx)
        loss.backward()
        terms = self.loss_terms(part.num_samples)
        header = [float(part.num_samples), terms, float(loss.detach())]
        flags = [float(one.grad is not None) for one in weights]
        gradients = [
            torch.zeros_like(one) if one.grad is None else one.grad.float() for one in weights
        ]
        numbers = torch.tensor([*header, *flags], device=self.device)
        return torch.cat([numbers, *(one.reshape(-1) for one in gradients)])


def _as_is(parts: Any) -> Any:
    return parts


def _fractions(counts: Sequence[float]) -> list[float]:
    """Each count as a fraction of all of them; 0 if all are 0."""
    total = sum(counts)
    return [count / total if total else 0.0 for count in counts]


def _divided_alike(counts: Sequence[float]) -> list[float]:
    """Factors of values divided by their own counts, which make one divided by all counts of them.

    A value whose count is 0 was divided by 1. It may be other than 0: a shard without any object
    has a loss of its background.
    """
    total = max(sum(counts), 1.0)
    return [max(count, 1.0) / total for count in counts]


def _of_whole_batch(logged: Sequence[Sequence[Logged]], factors: Sequence[float]) -> list[Logged]:
    """What shards logged, by shard, as values of the whole batch, in the order of the first shard.

    Args:
        factors: of the values of each shard, as of its loss.
    """
    values: dict[str, float] = {}
    numbers: dict[str, int] = {}
    for own, factor in zip(logged, factors, strict=True):
        for name, value, num in own:
            values[name] = values.get(name, 0.0) + factor * value
            numbers[name] = numbers.get(name, 0) + num
    return [(name, value, numbers[name]) for name, value in values.items()]


def _weighted_sum(rows: Tensor, factors: Sequence[float]) -> Tensor:
    """The sum (P,) of rows (V, P) by factors, added from the first row to the last."""
    total = rows[0] * factors[0]
    for row, factor in zip(rows[1:], factors[1:], strict=True):
        total.add_(row, alpha=factor)
    return total


def _mean_of_filled(rows: Tensor, fractions: Sequence[float]) -> Tensor:
    """The mean (P,) of rows (V, P), but for empty shards; a number that all share stays as it is.

    Rounding must not change a counter, or the statistics of a network that does not learn.
    """
    filled = rows[[number for number, fraction in enumerate(fractions) if fraction]]
    is_shared = (filled == filled[0]).all(0)
    return torch.where(is_shared, filled[0], _weighted_sum(rows, fractions))


def _split_like(flat: Tensor, likes: Sequence[Tensor]) -> list[Tensor]:
    """A flat tensor cut into tensors with the shapes of others."""
    parts = flat.split([one.numel() for one in likes])
    return [
        torch.empty_like(like).copy_(part.view(like.shape))
        for part, like in zip(parts, likes, strict=True)
    ]


def _join(rank: Rank) -> None:
    """Joins the other processes.

    Raises:
        InputError: they do not answer.
    """
    on_gpu = choose_device().type == "cuda"
    options: dict[str, Any] = {}
    if rank.launcher == "srun":
        slurm = SLURMEnvironment()
        options["init_method"] = f"tcp://{slurm.main_address}:{slurm.main_port}"
    if on_gpu:
        torch.cuda.set_device(choose_device())
    try:
        dist.init_process_group(
            "nccl" if on_gpu else "gloo",
            rank=rank.number,
            world_size=rank.size,
            timeout=ANSWER_WITHIN,
            **options,
        )
    except (RuntimeError, ValueError, dist.DistError) as error:
        raise InputError(
            f"rank {rank.number}: expected the other processes of {rank.size} to answer, got: "
            f"{str(error).splitlines()[0]}"
        ) from None
    atexit.register(dist.destroy_process_group)
