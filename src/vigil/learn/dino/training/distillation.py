"""The head and the loss of self-distillation.

Caron et al., "Emerging Properties in Self-Supervised Vision Transformers", 2021.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from vigil.settings.train_dino import Distillation


class Head(nn.Module):
    """Class tokens to scores of prototypes: three layers, a vector of length 1, a linear layer.

    The weights of each prototype have length 1. So no prototype has larger scores only since its
    weights are longer.
    """

    def __init__(self, width: int, settings: Distillation) -> None:
        super().__init__()
        hidden = settings.hidden_width
        self.layers = nn.Sequential(
            *(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU()),
            nn.Linear(hidden, settings.bottleneck_width),
        )
        for module in self.layers:
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
        self.prototypes = nn.Parameter(
            torch.empty(settings.prototypes, settings.bottleneck_width).normal_()
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, D) class tokens to (N, K) scores, which are cosines."""
        vectors = self.layers(tokens)
        # A low temperature enlarges differences of scores, so these need 32 bits.
        with torch.autocast(tokens.device.type, enabled=False):
            vectors = functional.normalize(vectors.float(), dim=1)
            return vectors @ functional.normalize(self.prototypes, dim=1).T


def cross_entropy(
    student: Tensor, teacher: Tensor, centre: Tensor, student_temperature: float, temperature: float
) -> Tensor:
    """The mean cross-entropy of the student's distributions under the teacher's.

    Each view of the student is compared with each large view of the teacher, except with itself.

    Args:
        student: (V, B, K) scores of the student, in 32 bits; the first views are the teacher's.
        teacher: (T, B, K) scores of the teacher.
        centre: (K,) the mean scores of the teacher, which are subtracted: otherwise one prototype
            could win for all pictures.
        temperature: the teacher's.
    """
    # The teacher's distribution is sharp: otherwise all prototypes could be equal for all pictures.
    targets = ((teacher - centre) / temperature).softmax(dim=2)
    logs = (student / student_temperature).log_softmax(dim=2)
    # (T, V) mean cross-entropy of each pair of views.
    with torch.autocast(student.device.type, enabled=False):
        pairs = -torch.einsum("tbk,vbk->tv", targets, logs) / student.shape[1]
    is_same = torch.eye(len(teacher), len(student), dtype=torch.bool, device=pairs.device)
    return pairs[~is_same].mean()


def teacher_temperature(settings: Distillation, progress: float) -> float:
    """The teacher's temperature. Args: progress: the done fraction of the training, in [0, 1]."""
    if settings.warmup_fraction == 0:
        return settings.teacher_temperature
    risen = min(progress / settings.warmup_fraction, 1.0)
    change = settings.teacher_temperature - settings.first_temperature
    return settings.first_temperature + risen * change


def teacher_momentum(settings: Distillation, progress: float) -> float:
    """The fraction of its weights that the teacher keeps: half a cosine up to 1."""
    return 1 - (1 - settings.momentum) * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
