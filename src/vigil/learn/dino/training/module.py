"""The training of a vision transformer by self-distillation: student, teacher and centre."""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from vigil.learn.dino.training.distillation import (
    Head,
    cross_entropy,
    teacher_momentum,
    teacher_temperature,
)
from vigil.learn.dino.training.frames import FrameBatch
from vigil.learn.dino.training.views import ViewCutter
from vigil.learn.networks.machine import seed_torch
from vigil.learn.training.optimisation import configure
from vigil.learn.training.sharding import ShardedTraining
from vigil.learn.vision_transformers.network import AttentiveTransformer
from vigil.settings.train_dino import TrainDino

MONITOR = "val_loss"


class DinoTraining(ShardedTraining):
    """Trains a student to predict what its own slow average, the teacher, says of other views.

    Attributes:
        model: the teacher without its head, which is kept.
    """

    centre: Tensor

    def __init__(self, model: AttentiveTransformer, settings: TrainDino) -> None:
        super().__init__()
        self._settings = settings
        self.model, self.head = model, Head(model.width, settings.distillation)
        self.student, self.student_head = copy.deepcopy(model), copy.deepcopy(self.head)
        for weight in (*self.model.parameters(), *self.head.parameters()):
            weight.requires_grad_(False)
        self._cut = ViewCutter(settings.views, settings.network.size_px)
        self._tokens: list[Tensor] = []
        self.register_buffer("centre", torch.zeros(settings.distillation.prototypes))

    def compute_loss(self, batch: FrameBatch, batch_idx: int) -> Tensor:
        large, small = self._cut(batch)
        with torch.no_grad():
            taught = self._scores(self.model, self.head, large).unflatten(0, (2, -1))
        learnt = [self._scores(self.student, self.student_head, large)]
        if len(small):
            learnt.append(self._scores(self.student, self.student_head, small))
        loss = self._loss(torch.cat(learnt), taught)
        momentum = self._settings.distillation.centre_momentum
        self.centre.lerp_(taught.mean(dim=(0, 1)), 1 - momentum)
        self.log("train_loss", loss.detach(), on_epoch=True, on_step=False, batch_size=len(large))
        return loss

    def running_statistics(self) -> list[Tensor]:
        return [*super().running_statistics(), self.centre]

    def validation_step(self, batch: FrameBatch, batch_idx: int) -> None:
        """Logs the loss, and keeps the teacher's class tokens of the two large views."""
        seed_torch(self._settings.seed, -1 - batch_idx)  # the same views in each epoch
        large, small = self._cut(batch)
        tokens = self.model(self._normalise(large))
        taught = self.head(tokens).unflatten(0, (2, -1))
        learnt = [self._scores(self.student, self.student_head, large)]
        if len(small):
            learnt.append(self._scores(self.student, self.student_head, small))
        loss = self._loss(torch.cat(learnt), taught)
        self.log("val_loss", loss, on_epoch=True, on_step=False, batch_size=taught.shape[1])
        self._tokens.append(tokens.float().unflatten(0, (2, -1)))

    def on_validation_epoch_end(self) -> None:
        """Logs two measures of the teacher's class tokens in all regions.

        `val_spread` is the standard deviation of vectors of length 1, over its value for vectors
        in random directions: near 0, all pictures have one vector. `val_matched` is the fraction
        of regions whose first view is nearer to their own second view than to all other ones.
        """
        vectors = functional.normalize(torch.cat(self._tokens, dim=1), dim=2)
        self._tokens.clear()
        first, second = vectors
        nearest = (first @ second.T).argmax(dim=1)
        own = torch.arange(len(first), device=nearest.device)
        spread = vectors.flatten(0, 1).std(dim=0, correction=0).mean() * vectors.shape[2] ** 0.5
        matched = (nearest == own).float().mean()
        self.log_dict({"val_spread": spread, "val_matched": matched})

    def on_after_backward(self) -> None:
        if self.current_epoch < self._settings.distillation.frozen_epochs:
            self.student_head.prototypes.grad = None

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """The teacher follows the student."""
        kept = teacher_momentum(self._settings.distillation, self._progress())
        pairs = ((self.model, self.student), (self.head, self.student_head))
        with torch.no_grad():
            for teacher, student in pairs:
                for own, other in zip(teacher.parameters(), student.parameters(), strict=True):
                    own.lerp_(other, 1 - kept)

    def configure_optimizers(self) -> Any:
        num_steps = int(self.trainer.estimated_stepping_batches)
        weights = [*self.student.parameters(), *self.student_head.parameters()]
        return configure(
            self._settings.optimisation, weights, num_steps, monitor=MONITOR, mode="min"
        )

    def _loss(self, learnt: Tensor, taught: Tensor) -> Tensor:
        """Args: learnt: (V B, K) scores of the student. taught: (2, B, K) of the teacher."""
        settings = self._settings.distillation
        return cross_entropy(
            learnt.unflatten(0, (-1, taught.shape[1])),
            taught,
            self.centre,
            settings.student_temperature,
            teacher_temperature(settings, self._progress()),
        )

    def _scores(self, model: AttentiveTransformer, head: nn.Module, views: Tensor) -> Tensor:
        scores: Tensor = head(model(self._normalise(views)))
        return scores

    def _normalise(self, views: Tensor) -> Tensor:
        """(B, 3, S, S) in [0, 255] as a network expects them."""
        return self.model.normalise(views.permute(0, 2, 3, 1))

    def _progress(self) -> float:
        """The done fraction of the training."""
        return self.global_step / max(1, int(self.trainer.estimated_stepping_batches))
