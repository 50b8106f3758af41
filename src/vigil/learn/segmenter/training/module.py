"""The training of a segmenter: losses, averaged weights, validation by mean IoU."""

import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vigil.domain.measures.segmenter import Counts, confusion_of, mean_iou
from vigil.learn.pictures.averaging import decay_at, move_towards
from vigil.learn.segmenter.network.data import Batch
from vigil.learn.segmenter.network.interface import Segmenter, enlarge
from vigil.learn.segmenter.network.predicting import run_network
from vigil.learn.segmenter.training.losses import (
    binary_cross_entropy,
    cross_entropy,
    dice,
    weigh_pixels,
)
from vigil.learn.training.optimisation import configure
from vigil.learn.training.sharding import ShardedTraining
from vigil.settings.train_segmenter import TrainSegmenter


class SegmenterTraining(ShardedTraining):
    """Trains `network` on its loss. `model` is validated, and its weights are kept.

    With `ema_decay`, `model` holds a moving average of the weights.

    The loss of a batch in shards is that of the whole batch: `ce` and `bce` are means over all its
    pixels that count, `dice` over all its pictures. With `ohem_fraction` it is not: each shard has
    its own hardest pixels, and its weight is that of all its pixels. Those of the whole batch are
    known only after all shards, whose maps would have to be kept until then.
    """

    def __init__(
        self,
        network: Segmenter,
        settings: TrainSegmenter,
        *,
        num_classes: int,
        class_weights: Tensor | None,
    ) -> None:
        """Args: class_weights: (num_classes,); None: all have the same weight."""
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)
        has_average = settings.ema_decay > 0
        self.average = copy.deepcopy(self.network).requires_grad_(False) if has_average else None
        self.register_buffer("class_weights", class_weights, persistent=False)
        self._settings = settings
        self._num_classes = num_classes
        self._confusion: Counts = np.zeros((num_classes, num_classes), np.int64)

    @property
    def model(self) -> Segmenter:
        """The network whose weights are kept."""
        return self.average or self.network

    def compute_loss(self, batch: Batch, batch_idx: int) -> Tensor:
        pictures, truth = batch
        maps = self.network.maps(pictures)
        total = self._loss(enlarge(maps["main"], truth.shape[-2:]), truth)
        if "auxiliary" in maps:
            auxiliary = self._loss(enlarge(maps["auxiliary"], truth.shape[-2:]), truth)
            total = total + self._settings.auxiliary_weight * auxiliary
        self._log("train_loss", total, len(pictures))
        return total

    def count_terms(self, batch: Batch) -> float:
        _, truth = batch
        parts = self._settings.loss.split("+")
        weights: Tensor | None = self.class_weights  # type: ignore[assignment]
        # In `bce`, weights are those of the classes in question, and each pixel counts as one.
        pixels = weigh_pixels(truth, weights if "ce" in parts else None)
        return float(pixels.sum(dtype=torch.float64))

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        if self.average is not None:
            decay = decay_at(self.trainer.global_step, self._settings.ema_decay)
            move_towards(self.average, self.network, 1 - decay)

    def on_validation_epoch_start(self) -> None:
        self._confusion = np.zeros_like(self._confusion)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        pictures, truth = batch
        logits = run_network(self.model, pictures, self._settings.fitting.precision)
        self._log("val_loss", self._loss(logits, truth), len(pictures))
        self._confusion += confusion_of(
            truth.to(torch.uint8).cpu().numpy(),
            logits.argmax(dim=1).to(torch.uint8).cpu().numpy(),
            self._num_classes,
        )

    def on_validation_epoch_end(self) -> None:
        self.log("val_iou", mean_iou(self._confusion))

    def _loss(self, logits: Tensor, truth: Tensor) -> Tensor:
        """The loss of the settings, of logits (B, C, H, W) for the classes (B, H, W)."""
        settings = self._settings
        weights: Tensor | None = self.class_weights  # type: ignore[assignment]
        parts = settings.loss.split("+")
        fraction = settings.ohem_fraction if self.training else 1.0
        pixels_factor = self.mean_factor if self.training else 1.0
        total = logits.new_zeros(())
        if "ce" in parts:
            total = total + pixels_factor * cross_entropy(logits, truth, weights, fraction)
        if "bce" in parts:
            total = total + pixels_factor * binary_cross_entropy(logits, truth, weights, fraction)
        if "dice" in parts:
            factor = settings.dice_weight if len(parts) > 1 else 1.0
            part = dice(logits, truth, weights, are_independent="bce" in parts)
            total = total + factor * part
        return total

    def _log(self, name: str, value: Tensor, num_pictures: int) -> None:
        self.log(name, value.detach(), on_step=False, on_epoch=True, batch_size=num_pictures)

    def configure_optimizers(self) -> Any:
        num_steps = int(self.trainer.estimated_stepping_batches)
        return configure(
            self._settings.optimisation,
            self.network.parameters(),
            num_steps,
            monitor=self._settings.monitor,
            mode=self._settings.mode,
        )
