"""Optimisers and learning-rate schedules, selected by name."""

import math
from collections.abc import Iterable
from typing import Any, Literal

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LinearLR, LRScheduler, ReduceLROnPlateau, StepLR

from vigil.settings.training import Optimisation

LightningOptimisation = tuple[list[Optimizer], list[dict[str, Any]]]


def configure(
    optimisation: Optimisation,
    weights: Iterable[nn.Parameter],
    num_steps: int,
    *,
    monitor: str,
    mode: Literal["min", "max"],
    others: Iterable[nn.Parameter] = (),
    others_rate: float = 0.0,
) -> LightningOptimisation:
    """The optimiser and schedules that a LightningModule's `configure_optimizers` returns.

    Weight decay leaves out biases and the weights of norms, which have fewer than two dimensions.

    Args:
        weights: the weights that learn at the learning rate of `optimisation`.
        num_steps: the number of batches in the whole training.
        monitor: the logged value in which a plateau is detected.
        mode: whether a small (`min`) or a large (`max`) value of `monitor` is better.
        others: weights that learn at another learning rate, with the same schedule.
        others_rate: the highest learning rate of `others`.
    """
    groups = [
        *_group(optimisation, weights),
        *({**group, "lr": others_rate} for group in _group(optimisation, others)),
    ]
    optimiser = _build_optimiser(optimisation, groups)
    num_warmup = round(optimisation.warmup_fraction * num_steps)
    if optimisation.schedule in {"constant", "cosine"}:
        schedule = _schedule_steps(optimisation, optimiser, num_warmup, num_steps)
        return [optimiser], [{"scheduler": schedule, "interval": "step"}]
    schedules: list[dict[str, Any]] = []
    if num_warmup > 1:
        warmup = LinearLR(optimiser, 1 / num_warmup, total_iters=num_warmup - 1)
        schedules.append({"scheduler": warmup, "interval": "step"})
    decay: LRScheduler | ReduceLROnPlateau
    if optimisation.schedule == "step":
        decay = StepLR(optimiser, optimisation.schedule_epochs, optimisation.schedule_factor)
    else:
        decay = ReduceLROnPlateau(
            optimiser, mode, optimisation.schedule_factor, optimisation.schedule_epochs
        )
    schedules.append({"scheduler": decay, "interval": "epoch", "monitor": monitor})
    return [optimiser], schedules


def _group(optimisation: Optimisation, weights: Iterable[nn.Parameter]) -> list[dict[str, Any]]:
    """Parameter groups with and without weight decay; empty groups are left out."""
    matrices: list[nn.Parameter] = []
    vectors: list[nn.Parameter] = []
    for weight in weights:
        (matrices if weight.dim() > 1 else vectors).append(weight)
    groups = [(matrices, optimisation.weight_decay), (vectors, 0.0)]
    return [{"params": members, "weight_decay": decay} for members, decay in groups if members]


def _build_optimiser(optimisation: Optimisation, groups: list[dict[str, Any]]) -> Optimizer:
    if optimisation.optimiser == "sgd":
        return torch.optim.SGD(groups, optimisation.learning_rate, momentum=0.9, nesterov=True)
    if optimisation.optimiser == "adam":
        return torch.optim.Adam(groups, optimisation.learning_rate)
    return torch.optim.AdamW(groups, optimisation.learning_rate)


def _schedule_steps(
    optimisation: Optimisation, optimiser: Optimizer, num_warmup: int, num_steps: int
) -> LambdaLR:
    """A schedule by steps: a linear warm-up, then a constant learning rate or half a cosine."""

    def factor(step: int) -> float:
        if step < num_warmup:
            return (step + 1) / num_warmup
        if optimisation.schedule == "constant":
            return 1.0
        done = (step - num_warmup) / max(1, num_steps - num_warmup)
        return 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))

    return LambdaLR(optimiser, factor)
