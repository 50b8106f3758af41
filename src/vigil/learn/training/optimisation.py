"""Optimisers and learning-rate schedules, picked by name."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LinearLR, LRScheduler, ReduceLROnPlateau, StepLR

OptimiserName = Literal["adam", "adamw", "sgd"]
ScheduleName = Literal["constant", "cosine", "step", "plateau"]
LightningOptimisation = tuple[list[Optimizer], list[dict[str, Any]]]


@dataclass(frozen=True)
class Optimisation:
    """How weights are moved.

    Attributes:
        learning_rate: at its highest.
        schedule: `constant`; `cosine`: down to zero at the last step; `step`: multiplied by
            `schedule_factor` every `schedule_epochs` epochs; `plateau`: likewise, once the
            monitored value has not been better for more than `schedule_epochs` epochs.
        warmup_fraction: share of all steps over which the rate rises from zero.
    """

    optimiser: OptimiserName
    learning_rate: float
    weight_decay: float
    schedule: ScheduleName
    warmup_fraction: float
    schedule_epochs: int = 10
    schedule_factor: float = 0.1

    def configure(
        self,
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
        groups = [*self._group(weights), *({**g, "lr": others_rate} for g in self._group(others))]
        optimiser = self._build_optimiser(groups)
        num_warmup = round(self.warmup_fraction * num_steps)
        if self.schedule in {"constant", "cosine"}:
            whole = self._schedule_steps(optimiser, num_warmup, num_steps)
            return [optimiser], [{"scheduler": whole, "interval": "step"}]
        schedules: list[dict[str, Any]] = []
        if num_warmup > 1:
            warmup = LinearLR(optimiser, 1 / num_warmup, total_iters=num_warmup - 1)
            schedules.append({"scheduler": warmup, "interval": "step"})
        fall: LRScheduler | ReduceLROnPlateau
        if self.schedule == "step":
            fall = StepLR(optimiser, self.schedule_epochs, self.schedule_factor)
        else:
            fall = ReduceLROnPlateau(optimiser, mode, self.schedule_factor, self.schedule_epochs)
        schedules.append({"scheduler": fall, "interval": "epoch", "monitor": monitor})
        return [optimiser], schedules

    def _group(self, weights: Iterable[nn.Parameter]) -> list[dict[str, Any]]:
        matrices: list[nn.Parameter] = []
        vectors: list[nn.Parameter] = []
        for weight in weights:
            (matrices if weight.dim() > 1 else vectors).append(weight)
        groups = [(matrices, self.weight_decay), (vectors, 0.0)]
        return [{"params": own, "weight_decay": decay} for own, decay in groups if own]

    def _build_optimiser(self, groups: list[dict[str, Any]]) -> Optimizer:
        if self.optimiser == "sgd":
            return torch.optim.SGD(groups, self.learning_rate, momentum=0.9, nesterov=True)
        if self.optimiser == "adam":
            return torch.optim.Adam(groups, self.learning_rate)
        return torch.optim.AdamW(groups, self.learning_rate)

    def _schedule_steps(self, optimiser: Optimizer, num_warmup: int, num_steps: int) -> LambdaLR:
        def factor(step: int) -> float:
            if step < num_warmup:
                return (step + 1) / num_warmup
            if self.schedule == "constant":
                return 1.0
            done = (step - num_warmup) / max(1, num_steps - num_warmup)
            return 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))

        return LambdaLR(optimiser, factor)
