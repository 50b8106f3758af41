"""The training of an autoencoder of embeddings: loss, optimiser, schedule."""

from typing import Any

from torch import Tensor

from vigil.learn.alarm.network.scoring.autoencoder import Autoencoder
from vigil.learn.alarm.network.scoring.data import Batch
from vigil.learn.training.optimisation import configure
from vigil.learn.training.sharding import ShardedTraining
from vigil.settings.training import Optimisation

MONITOR = "val_loss"


class AutoencoderTraining(ShardedTraining):
    """Minimises the mean reconstruction error of vectors."""

    def __init__(self, model: Autoencoder, optimisation: Optimisation) -> None:
        super().__init__()
        self.model = model
        self._optimisation = optimisation

    def compute_loss(self, batch: Batch, batch_idx: int) -> Tensor:
        vectors, _ = batch
        loss = self.model.errors(vectors).mean()
        self._log("train_loss", loss, len(vectors))
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        vectors, _ = batch
        self._log(MONITOR, self.model.errors(vectors).mean(), len(vectors))

    def _log(self, name: str, loss: Tensor, num: int) -> None:
        self.log(name, loss.detach(), on_step=False, on_epoch=True, batch_size=num)

    def configure_optimizers(self) -> Any:
        num_steps = int(self.trainer.estimated_stepping_batches)
        return configure(
            self._optimisation, self.model.parameters(), num_steps, monitor=MONITOR, mode="min"
        )
