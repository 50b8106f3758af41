"""What training a classifier of people and background means: loss, augmentation, optimiser."""

from typing import Any

from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.nn import functional

from vigil.learn.classifier.network.data import Batch
from vigil.learn.classifier.training.augmentation import CropAugmentation
from vigil.learn.training.optimisation import Optimisation

MONITOR = "val_loss"


class ClassifierTraining(LightningModule):
    """Binary cross-entropy on logits (B,) and targets (B,).

    Smoothed targets (Szegedy et al., "Rethinking the Inception Architecture", 2016) keep a network
    from growing ever surer of the few samples it gets wrong.
    """

    def __init__(
        self,
        model: nn.Module,
        augmentation: CropAugmentation,
        optimisation: Optimisation,
        label_smoothing: float,
    ) -> None:
        """Args: label_smoothing: in [0, 1): how far targets move towards one half in training."""
        super().__init__()
        self._label_smoothing = label_smoothing
        self.model = model
        self._augmentation = augmentation
        self._optimisation = optimisation

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        crops, targets = batch
        logits = self.model(self._augmentation(crops))
        smoothed = targets * (1 - self._label_smoothing) + self._label_smoothing / 2
        self._log("train", logits, targets)
        return functional.binary_cross_entropy_with_logits(logits.float(), smoothed)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        crops, targets = batch
        logits = self.model(crops)
        self._log("val", logits, targets)

    def _log(self, side: str, logits: Tensor, targets: Tensor) -> None:
        """Logs the loss of the plain targets on either side, so that the two can be compared."""
        logits = logits.detach().float()
        values = {
            f"{side}_loss": functional.binary_cross_entropy_with_logits(logits, targets),
            f"{side}_accuracy": ((logits > 0) == (targets > 0.5)).float().mean(),
        }
        self.log_dict(values, on_step=False, on_epoch=True, batch_size=len(targets))

    def configure_optimizers(self) -> Any:
        num_steps = int(self.trainer.estimated_stepping_batches)
        return self._optimisation.configure(
            self.model.parameters(), num_steps, monitor=MONITOR, mode="min"
        )
