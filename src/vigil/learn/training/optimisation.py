"""Optimisers and learning-rate schedules, picked by name."""

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
    """What a LightningModule's `configure_optimizers` returns.

    Biases and norms, which have fewer than two dimensions, do not decay.

    Args:
        num_steps: batches of the whole training.
        monitor: the logged value that tells a plateau; `mode`: whether less of it is better.
        others: weights with a learning rate of their own, `others_rate` at its highest.
    """
    groups = [
        *_group(optimisation, weights),
        *({**group, "lr": others_rate} for group in _group(optimisation, others)),
    ]
    optimiser = _build_optimiser(optimisation, groups)
    num_warmup = round(optimisation.warmup_fraction * num_steps)
    if optimisation.schedule in {"constant", "cosine"}:
        whole = _schedule_steps(optimisation, optimiser, num_warmup, num_steps)
        return [optimiser], [{"scheduler": whole, "interval": "step"}]
    schedules: list[dict[str, Any]] = []
    if num_warmup > 1:
        warmup = LinearLR(optimiser, 1 / num_warmup, total_iters=num_warmup - 1)
        schedules.append({"scheduler": warmup, "interval": "step"})
    fall: LRScheduler | ReduceLROnPlateau
    if optimisation.schedule == "step":
        fall = StepLR(optimiser, optimisation.schedule_epochs, optimisation.schedule_factor)
    else:
        fall = ReduceLROnPlateau(
            optimiser, mode, optimisation.schedule_factor, optimisation.schedule_epochs
        )
    schedules.append({"scheduler": fall, "interval": "epoch", "monitor": monitor})
    return [optimiser], schedules


def _group(optimisation: Optimisation, weights: Iterable[nn.Parameter]) -> list[dict[str, Any]]:
    matrices: list[nn.Parameter] = []
    vectors: list[nn.Parameter] = []
    for weight in weights:
        (matrices if weight.dim() > 1 else vectors).append(weight)
    groups = [(matrices, optimisation.weight_decay), (vectors, 0.0)]
    return [{"params": own, "weight_decay": decay} for own, decay in groups if own]


def _build_optimiser(optimisation: Optimisation, groups: list[dict[str, Any]]) -> Optimizer:
    if optimisation.optimiser == "sgd":
        return torch.optim.SGD(groups, optimisation.learning_rate, momentum=0.9, nesterov=True)
    if optimisation.optimiser == "adam":
        return torch.optim.Adam(groups, optimisation.learning_rate)
    return torch.optim.AdamW(groups, optimisation.learning_rate)


def _schedule_steps(
    optimisation: Optimisation, optimiser: Optimizer, num_warmup: int, num_steps: int
) -> LambdaLR:
    def factor(step: int) -> float:
        if step < num_warmup:
            return (step + 1) / num_warmup
        if optimisation.schedule == "constant":
            return 1.0
        done = (step - num_warmup) / max(1, num_steps - num_warmup)
        return 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))

    return LambdaLR(optimiser, factor)
