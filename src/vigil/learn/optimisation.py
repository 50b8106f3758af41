"""Optimisers and learning-rate schedules, picked by name."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

OptimiserName = Literal["adam", "adamw", "sgd"]
ScheduleName = Literal["constant", "cosine"]


@dataclass(frozen=True)
class Optimisation:
    """How weights are moved.

    Attributes:
        learning_rate: at its highest.
        warmup_fraction: share of all steps over which the rate rises from zero.
    """

    optimiser: OptimiserName
    learning_rate: float
    weight_decay: float
    schedule: ScheduleName
    warmup_fraction: float

    def build(self, module: torch.nn.Module, num_steps: int) -> tuple[Optimizer, LambdaLR]:
        """An optimiser over a module's trainable weights and a schedule stepped once a batch.

        Biases and norms, which have fewer than two dimensions, do not decay.
        """
        weights = [p for p in module.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in weights if p.dim() > 1], "weight_decay": self.weight_decay},
            {"params": [p for p in weights if p.dim() <= 1], "weight_decay": 0.0},
        ]
        optimiser: Optimizer
        if self.optimiser == "sgd":
            optimiser = torch.optim.SGD(groups, self.learning_rate, momentum=0.9, nesterov=True)
        elif self.optimiser == "adam":
            optimiser = torch.optim.Adam(groups, self.learning_rate)
        else:
            optimiser = torch.optim.AdamW(groups, self.learning_rate)
        num_warmup = round(self.warmup_fraction * num_steps)

        def factor(step: int) -> float:
            if step < num_warmup:
                return (step + 1) / num_warmup
            if self.schedule == "constant":
                return 1.0
            done = (step - num_warmup) / max(1, num_steps - num_warmup)
            return 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))

        return optimiser, LambdaLR(optimiser, factor)
