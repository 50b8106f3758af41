"""The training of a detector: losses, averaged weights, validation by average precision."""

import copy
from collections.abc import Callable
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from vigil.learn.detector.network.data import Batch, PictureDataset
from vigil.learn.detector.network.detecting import DetectionTable, detect, detect_with_losses
from vigil.learn.detector.network.interface import Detector
from vigil.learn.pictures.averaging import decay_at, move_towards
from vigil.learn.training.optimisation import configure
from vigil.learn.training.sharding import ShardedTraining
from vigil.settings.suppression import DEFAULT
from vigil.settings.train_detector import TrainDetector

Measure = Callable[[pd.DataFrame], float]


class DetectorTraining(ShardedTraining):
    """Trains `network` on the sum of its losses. `model` is validated, and its weights are kept.

    With `ema_decay`, `model` holds a moving average of the weights.
    """

    def __init__(
        self,
        network: Detector,
        settings: TrainDetector,
        *,
        val_set: PictureDataset,
        measure: Measure,
        measure_masks: Measure | None = None,
    ) -> None:
        """Sets up a training.

        Args:
            val_set: the validation pictures, in the order of their batches.
            measure: computes the mean average precision of a table of detections in them.
            measure_masks: likewise of their masks; None: the detector has none.
        """
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)
        has_average = settings.ema_decay > 0
        self.average = copy.deepcopy(self.network).requires_grad_(False) if has_average else None
        if settings.ohem_fraction < 1:
            self.network.ohem_fraction = settings.ohem_fraction  # type: ignore[assignment]
        self._settings = settings
        self._val_set = val_set
        self._measure, self._measure_masks = measure, measure_masks
        self._detections = DetectionTable(val_set)

    @property
    def model(self) -> Detector:
        """The network whose weights are kept."""
        return self.average or self.network

    def move(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        pictures, truth = batch
        return pictures.to(device, non_blocking=True), truth.to(device)

    def compute_loss(self, batch: Batch, batch_idx: int) -> Tensor:
        losses = self.network.losses(*batch)
        total = torch.stack([loss.float() for loss in losses.values()]).sum()
        self._log("train", {**losses, "loss": total}, len(batch[0]))
        return total

    def loss_terms(self, num_samples: int) -> float:
        return float(self.network.num_terms(num_samples))

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        if self.average is not None:
            decay = decay_at(self.trainer.global_step, self._settings.ema_decay)
            move_towards(self.average, self.network, 1 - decay)

    def on_validation_epoch_start(self) -> None:
        self._detections = DetectionTable(self._val_set)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        pictures, truth = batch
        precision = self._settings.fitting.precision
        if not self._settings.is_own:  # torchvision's detectors return no loss in validation
            self._detections.add(detect(self.model, pictures, DEFAULT, precision))
            return
        found, losses = detect_with_losses(self.model, pictures, truth, DEFAULT, precision)
        self._detections.add(found)
        total = torch.stack([loss.float() for loss in losses.values()]).sum()
        self._log("val", {"loss": total}, len(pictures))

    def on_validation_epoch_end(self) -> None:
        found = self._detections.frame()
        self.log("val_map", self._measure(found))
        if self._measure_masks is not None:
            self.log("val_segm_map", self._measure_masks(found))

    def _log(self, side: str, values: dict[str, Tensor], num_pictures: int) -> None:
        named = {f"{side}_{name}": value.detach().float() for name, value in values.items()}
        self.log_dict(named, on_step=False, on_epoch=True, batch_size=num_pictures)

    def configure_optimizers(self) -> Any:
        num_steps = int(self.trainer.estimated_stepping_batches)
        return configure(
            self._settings.optimisation,
            self.network.parameters(),
            num_steps,
            monitor=self._settings.monitor,
            mode=self._settings.mode,
        )
