"""Trains an autoencoder from clips, together with the last weights of the backbone.

A backbone that learns to give vectors that are easy to reconstruct could give the same vector for
all clips. So the target of the reconstruction has no gradient. It is the vector itself, detached
(Chen and He, "Exploring Simple Siamese Representation Learning", 2021), or the vector from a copy
of the backbone that follows slowly (Grill et al., "Bootstrap Your Own Latent", 2020). The variance
of the vectors is logged, and a collapse stops the run.

If vectors contract, their reconstruction errors fall although nothing is learnt. So the validation
loss is divided by the fraction of the variance that is left. The best epoch is always one with
fine-tuning.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from vigil.learn.alarm.network.scoring.data import Batch
from vigil.learn.alarm.network.scoring.tuned import TunedAutoencoder
from vigil.learn.alarm.training.module import MONITOR
from vigil.learn.training.optimisation import configure
from vigil.plumbing.errors import InputError
from vigil.settings.fit_alarm import FineTuning
from vigil.settings.training import Optimisation

MIN_VARIANCE = 1e-12  # a collapse that the settings permit must not divide by zero


class FineTuningTraining(LightningModule):
    """Minimises the mean reconstruction error: first of stored vectors, then of clips."""

    def __init__(
        self,
        model: TunedAutoencoder,
        frames: Callable[[Tensor], Tensor],
        tuning: FineTuning,
        optimisation: Optimisation,
    ) -> None:
        """Args: frames: returns the frames (B, T, S, S, 3) of windows by their rows (B,)."""
        super().__init__()
        self.model = model
        self._frames, self._tuning, self._optimisation = frames, tuning, optimisation
        self.copies = nn.ParameterDict(
            {
                name: nn.Parameter(tensor.detach().clone(), requires_grad=False)
                for name, tensor in model.tuned.items()
            }
        )
        self._spread = [0.0, 0.0]  # within this epoch's batches: of stored vectors, of new vectors
        self._val_errors: list[Tensor] = []

    def on_train_epoch_start(self) -> None:
        self._spread = [0.0, 0.0]
        if self._is_tuning:
            self.model.unfreeze()

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        vectors, target = self._vectors_of(batch)
        # The spread is measured within batches. Over a whole epoch, the weights change, which would
        # be counted as a difference between vectors.
        for kind, values in enumerate((batch[0].detach(), vectors.detach())):
            self._spread[kind] += float((values - values.mean(0)).square().sum())
        loss = self.model.autoencoder.errors(vectors, target).mean()
        self.log("train_loss", loss.detach(), on_step=False, on_epoch=True, batch_size=len(vectors))
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        if self._is_tuning:
            for name, copy in self.copies.items():
                copy.lerp_(self.model.tuned[name].detach(), 1 - self._tuning.momentum)

    def on_validation_epoch_end(self) -> None:  # runs after the epoch's last training batch
        stored, current = self._spread
        if not stored:
            raise InputError(
                "expected vectors of training clips that differ, found them all the same"
            )
        fraction = current / stored
        self.log("train_variance", fraction)
        if fraction < self._tuning.min_variance_fraction:
            raise InputError(
                f"epoch {self.current_epoch + 1}: expected the embeddings to stay apart, found "
                f"their variance at {fraction:.2g} of what it was: the backbone collapses to a "
                "constant; a lower fine_tuning.learning_rate, fewer tensors or target: momentum "
                "may help"
            )
        error = float(torch.cat(self._val_errors).mean())
        self._val_errors = []
        self.log("val_error", error)
        self.log(MONITOR, error / max(fraction, MIN_VARIANCE))

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        vectors, target = self._vectors_of(batch)
        self._val_errors.append(self.model.autoencoder.errors(vectors, target).float().cpu())

    def configure_optimizers(self) -> Any:
        return configure(
            self._optimisation,
            self.model.autoencoder.parameters(),
            int(self.trainer.estimated_stepping_batches),
            monitor=MONITOR,
            mode="min",
            others=self.model.tuned.values(),
            others_rate=self._tuning.learning_rate,
        )

    @property
    def _is_tuning(self) -> bool:
        return self.current_epoch + 1 >= self._tuning.from_epoch

    def _vectors_of(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Vectors, and the targets of their reconstructions, (B, D) both."""
        vectors, rows = batch
        if not self._is_tuning:
            return vectors, vectors
        frames = self._frames(rows).to(self.device)
        online = self.model.embed(frames)
        if self._tuning.target == "detached":
            return online, online.detach()
        with torch.no_grad():
            return online, self.model.embed(frames, self._copies())

    def _copies(self) -> Mapping[str, Tensor]:
        return dict(self.copies.items())
