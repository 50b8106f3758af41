"""Learning rates over a training, and what decays."""

import itertools
from collections.abc import Callable

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from tiny_settings import optimisation
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from vigil.learn.training.optimisation import configure
from vigil.settings.training import Optimisation

NUM_BATCHES = 5


class Watched(LightningModule):
    """Keeps the learning rate of each step; `values` are what validation says, epoch by epoch."""

    def __init__(self, told: Optimisation, values: Callable[[int], float]) -> None:
        super().__init__()
        self.model = torch.nn.Linear(1, 1)
        self.told, self.values = told, values
        self.rates: list[float] = []

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        self.rates.append(self.optimizers().param_groups[0]["lr"])
        return self.model(batch[0]).square().mean()

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        self.log("val_loss", torch.tensor(self.values(self.current_epoch)))

    def configure_optimizers(self):
        num_steps = int(self.trainer.estimated_stepping_batches)
        return configure(
            self.told, self.model.parameters(), num_steps, monitor="val_loss", mode="min"
        )


def rates_of(
    num_epochs: int,
    values: Callable[[int], float] = lambda epoch: -float(epoch),
    *,
    warmup_fraction: float = 0.0,
    **schedule: object,
) -> list[float]:
    told = optimisation(
        optimiser="sgd", learning_rate=0.1, warmup_fraction=warmup_fraction, **schedule
    )
    module = Watched(told, values)
    data = DataLoader(TensorDataset(torch.zeros(NUM_BATCHES, 1)))
    Trainer(
        accelerator="cpu",
        max_epochs=num_epochs,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    ).fit(module, data, data)
    return module.rates


pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning, about this machine and itself


def test_cosine_warms_up_to_the_rate_and_ends_near_zero():
    rates = rates_of(20, schedule="cosine", warmup_fraction=0.1)
    assert max(rates) == pytest.approx(0.1)
    assert rates.index(max(rates)) in {9, 10}
    assert rates[0] == pytest.approx(0.01)
    assert rates[-1] < 1e-4
    assert all(a >= b for a, b in itertools.pairwise(rates[10:]))


def test_a_constant_rate_is_constant():
    assert rates_of(3, schedule="constant") == pytest.approx([0.1] * 15)


def test_steps_fall_every_so_many_epochs():
    rates = rates_of(5, schedule="step", schedule_epochs=2, schedule_factor=0.5)
    expected = [0.1, 0.1, 0.05, 0.05, 0.025]
    assert rates[::NUM_BATCHES] == pytest.approx(expected)
    assert rates[NUM_BATCHES - 1 :: NUM_BATCHES] == pytest.approx(expected)


def test_a_plateau_makes_the_rate_fall_and_progress_does_not():
    falling = {"schedule": "plateau", "schedule_epochs": 1, "schedule_factor": 0.5}
    assert rates_of(6, **falling) == pytest.approx([0.1] * 30)
    stuck = rates_of(6, lambda _: 1.0, **falling)
    assert stuck[::NUM_BATCHES] == pytest.approx([0.1, 0.1, 0.1, 0.05, 0.05, 0.025])


def test_steps_and_plateaus_warm_up_too():
    for name in ("step", "plateau"):
        rates = rates_of(4, schedule=name, schedule_epochs=3, warmup_fraction=0.5)
        assert rates[:11] == pytest.approx([0.01 * min(step, 10) for step in range(1, 12)])


def test_biases_do_not_decay():
    told = optimisation(optimiser="adamw", learning_rate=0.1, weight_decay=0.5)
    (optimiser,), _ = configure(
        told, torch.nn.Linear(2, 2).parameters(), 10, monitor="val_loss", mode="min"
    )
    decays = {p.dim(): g["weight_decay"] for g in optimiser.param_groups for p in g["params"]}
    assert decays == {2: 0.5, 1: 0.0}


def test_other_weights_have_a_rate_of_their_own_on_the_same_schedule():
    told = optimisation(optimiser="adam", learning_rate=0.1, weight_decay=0.5, schedule="cosine")
    (optimiser,), (schedule,) = configure(
        told,
        torch.nn.Linear(2, 2).parameters(),
        10,
        monitor="val_loss",
        mode="min",
        others=torch.nn.Linear(2, 2).parameters(),
        others_rate=0.001,
    )
    told = {(g["lr"], g["weight_decay"], g["params"][0].dim()) for g in optimiser.param_groups}
    assert told == {(0.1, 0.5, 2), (0.1, 0.0, 1), (0.001, 0.5, 2), (0.001, 0.0, 1)}
    for _ in range(5):
        optimiser.step()
        schedule["scheduler"].step()
    rates = [group["lr"] for group in optimiser.param_groups]
    assert rates == pytest.approx([0.05, 0.05, 0.0005, 0.0005])
