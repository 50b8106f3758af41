"""The training of a classifier of people and background: loss, augmentation, optimiser."""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from vigil.learn.classifier.network.data import Batch
from vigil.learn.classifier.training.augmentation import CropAugmentation
from vigil.learn.networks.order import hardest
from vigil.learn.training.optimisation import configure
from vigil.learn.training.sharding import ShardedTraining
from vigil.settings.train_classifier import TrainClassifier

MONITOR = "val_loss"


class ClassifierTraining(ShardedTraining):
    """Trains by the binary cross-entropy of logits (B,) and targets (B,).

    Label smoothing (Szegedy et al., "Rethinking the Inception Architecture", 2016) keeps the
    network from becoming more and more confident on the few samples that it gets wrong.
    """

    def __init__(
        self,
        model: nn.Module,
        settings: TrainClassifier,
    ) -> None:
        super().__init__()
        self.model = model
        self._label_smoothing = settings.label_smoothing
        self._ohem_fraction = settings.ohem_fraction
        self._augmentation = CropAugmentation(settings.augmentation)
        self._optimisation = settings.optimisation

    def compute_loss(self, batch: Batch, batch_idx: int) -> Tensor:
        crops, targets = batch
        logits = self.model(self._augmentation(crops))
        smoothed = targets * (1 - self._label_smoothing) + self._label_smoothing / 2
        self._log("train", logits, targets)
        if self._ohem_fraction < 1:
            counts = hardest(logits, targets > 0.5, self._ohem_fraction)
            logits, smoothed = logits[counts], smoothed[counts]
        return functional.binary_cross_entropy_with_logits(logits.float(), smoothed)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        crops, targets = batch
        logits = self.model(crops)
        self._log("val", logits, targets)

    def _log(self, side: str, logits: Tensor, targets: Tensor) -> None:
        """Logs accuracy, and the loss without label smoothing.

        So the losses of training and validation can be compared.
        """
        logits = logits.detach().float()
        values = {
            f"{side}_loss": functional.binary_cross_entropy_with_logits(logits, targets),
            f"{side}_accuracy": ((logits > 0) == (targets > 0.5)).float().mean(),
        }
        self.log_dict(values, on_step=False, on_epoch=True, batch_size=len(targets))

    def configure_optimizers(self) -> Any:
        num_steps = int(self.trainer.estimated_stepping_batches)
        return configure(
            self._optimisation, self.model.parameters(), num_steps, monitor=MONITOR, mode="min"
        )
