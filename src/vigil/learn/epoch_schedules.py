"""Learning rates that change from epoch to epoch, by name."""

from dataclasses import dataclass
from typing import Any, Literal

from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau, StepLR

EpochScheduleName = Literal["constant", "step", "plateau"]


@dataclass(frozen=True)
class EpochSchedule:
    """How the learning rate falls.

    Attributes:
        schedule: `constant`; `step`: every `schedule_epochs` epochs; `plateau`: once the monitored
            value has not been better for more than `schedule_epochs` epochs.
        schedule_factor: by which the rate is multiplied then.
    """

    schedule: EpochScheduleName
    schedule_epochs: int
    schedule_factor: float

    def configure(self, optimiser: Optimizer, monitor: str) -> dict[str, Any]:
        """What a LightningModule's `configure_optimizers` returns."""
        if self.schedule == "constant":
            return {"optimizer": optimiser}
        scheduler: Any
        if self.schedule == "step":
            scheduler = StepLR(optimiser, self.schedule_epochs, self.schedule_factor)
        else:
            scheduler = ReduceLROnPlateau(
                optimiser, factor=self.schedule_factor, patience=self.schedule_epochs
            )
        return {
            "optimizer": optimiser,
            "lr_scheduler": {"scheduler": scheduler, "interval": "epoch", "monitor": monitor},
        }
