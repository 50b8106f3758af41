"""The sweep of learning rates."""

import numpy as np
import pandas as pd
import pytest
import torch
from lightning.pytorch import LightningModule
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from vigil.learn.training.loop import Fitting
from vigil.learn.training.lr_finder import LEAST_RATE, MOST_RATE, NUM_STEPS, suggest, sweep
from vigil.plumbing.errors import InputError

FITTING = Fitting(5, 5, "val_loss", "min", 0.0, 0.0, "32-true", 0)


class Bowl(LightningModule):
    """A parabola of a given curvature: gradient descent diverges above a rate of 2 / curvature."""

    def __init__(self, curvature: float) -> None:
        super().__init__()
        self.model = torch.nn.Linear(1, 1, bias=False)
        torch.nn.init.constant_(self.model.weight, 3.0)
        self._curvature = curvature

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        return self._curvature / 2 * self.model(batch[0]).square().mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.model.parameters(), 0.1)


@pytest.fixture
def losses(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("VIGIL_DEVICE", "cpu")
    data = DataLoader(TensorDataset(torch.ones(40, 1)), batch_size=4)

    def run(curvature: float) -> pd.DataFrame:
        return sweep(Bowl(curvature), data, FITTING)

    return run


pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning, about this machine and itself


def test_rates_rise_geometrically_over_the_whole_range(losses):
    rates = losses(1.0)["learning_rate"].to_numpy()
    assert len(rates) == NUM_STEPS
    steps = rates[2:] / rates[1:-1]
    assert steps == pytest.approx(np.full(NUM_STEPS - 2, steps[0]), rel=1e-3)
    assert steps[0] > 1.1
    assert LEAST_RATE <= rates[0] < 2 * LEAST_RATE
    assert MOST_RATE / 2 < rates[-1] <= MOST_RATE


def test_a_sweep_ends_soon_after_the_loss_diverges(losses):
    table = losses(1000.0)
    assert len(table) < NUM_STEPS
    assert 2 / 1000 < table["learning_rate"].iloc[-1] < 50 / 1000


def test_a_steeper_loss_asks_for_a_lower_rate(losses):
    gentle, steep = suggest(losses(10.0)), suggest(losses(1000.0))
    assert steep < gentle / 10
    assert steep < 2 / 1000


def test_the_suggestion_is_where_the_loss_falls_fastest():
    rates = np.geomspace(1e-6, 1, 100)
    falls = 1 / (1 + np.exp((np.arange(100) - 60) / 3))
    table = pd.DataFrame({"learning_rate": rates, "loss": falls})
    assert suggest(table) == pytest.approx(rates[60])


@pytest.mark.parametrize("losses", [[1.0] * 50, list(range(50)), [3.0, 2.0], []])
def test_a_loss_that_never_falls_suggests_nothing(losses):
    table = pd.DataFrame({"learning_rate": np.arange(len(losses)) + 1.0, "loss": losses})
    with pytest.raises(InputError, match="expected a loss that falls"):
        suggest(table)
