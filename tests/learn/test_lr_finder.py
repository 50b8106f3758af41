"""The sweep of learning rates."""

import inspect
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from lightning.pytorch import LightningModule
from tiny_settings import fitting, shipped
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from vigil.domain.samples.index import BACKGROUND, INDEX_DTYPES, PERSON, array_path, write_index
from vigil.learn.lr_finder import (
    MAX_RATE,
    MIN_RATE,
    NUM_STEPS,
    PLANS,
    find_learning_rate,
    plan_classifier,
    suggest,
    sweep,
)
from vigil.learn.training.loop import Plan
from vigil.plumbing.contract import Contract
from vigil.plumbing.errors import FieldError, InputError
from vigil.plumbing.records import write_json
from vigil.settings.fit_alarm import FitAlarm
from vigil.settings.train_classifier import TrainClassifier
from vigil.settings.training import TRAININGS

NO_HARD = Path(__file__).parents[2] / "splits" / "no_hard_examples.csv"


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
        told = fitting(max_epochs=5, patience_epochs=5)
        return sweep(Plan(Bowl(curvature), data, data, told, "val_loss", "min", 0))

    return run


pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning, about this machine and itself


def test_rates_rise_geometrically_over_the_whole_range(losses):
    rates = losses(1.0)["learning_rate"].to_numpy()
    assert len(rates) == NUM_STEPS
    steps = rates[2:] / rates[1:-1]
    assert steps == pytest.approx(np.full(NUM_STEPS - 2, steps[0]), rel=1e-3)
    assert steps[0] > 1.1
    assert MIN_RATE <= rates[0] < 2 * MIN_RATE
    assert MAX_RATE / 2 < rates[-1] <= MAX_RATE


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


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """Grey crops, of which those of people are bright."""
    folder = tmp_path / "samples"
    folder.mkdir()
    rng = np.random.default_rng(0)
    crops = rng.integers(0, 100, (40, 3, 10, 10), np.uint8)
    crops[::2] += 150
    np.save(array_path(folder, "a.mp4"), crops)
    labels = [BACKGROUND if row % 2 else PERSON for row in range(40)]
    rows = [["a.mp4", row, label, "", row, 3, 9.0, 10.0] for row, label in enumerate(labels)]
    write_index(pd.DataFrame(rows, columns=list(INDEX_DTYPES)), folder)
    for side, numbers in (("train", range(32)), ("val", range(32, 40))):
        write_json([f"a.mp4/{number}" for number in numbers], tmp_path / f"{side}.json")
    return folder


def test_the_training_of_a_stage_is_swept_as_the_stage_plans_it(
    samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("VIGIL_DEVICE", "cpu")
    network = {"width": 8, "num_heads": 2, "mlp_width": 8, "dropout": 0.0}
    settings = shipped(
        TrainClassifier, network=network, fitting={"batch_size": 8, "precision": "32-true"}
    )
    sides = {side: tmp_path / f"{side}.json" for side in ("train", "val")}
    table = sweep(
        plan_classifier(samples=samples, **sides, hard_examples=NO_HARD, settings=settings)
    )
    assert list(table.columns) == ["learning_rate", "loss"]
    assert 10 < len(table) <= NUM_STEPS
    assert np.isfinite(table).all(axis=None)
    assert MIN_RATE < suggest(table) < MAX_RATE


def test_the_command_offers_what_can_be_swept():
    assert set(PLANS) == set(TRAININGS)


@pytest.mark.parametrize("stage", PLANS)
def test_a_plan_asks_for_what_the_stage_is_given(stage: str):
    script = Path(__file__).parents[2] / "stages" / f"{stage}.py"
    space: dict = {"__name__": "stage", "__file__": str(script)}
    exec(compile(script.read_text(), script, "exec"), space)
    own, asked = Contract(space["main"]), Contract(PLANS[stage])
    assert set(asked.options) <= set(own.options)
    assert asked.settings == own.settings
    assert inspect.signature(PLANS[stage]).return_annotation is Plan


def test_another_stage_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="expected one of fit_alarm, train_classifier, tr"):
        find_learning_rate("split_detector", tmp_path / "found")
    assert not list(tmp_path.iterdir())


def test_an_alarm_that_trains_no_network_is_refused_by_the_name_of_the_parameter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def plan(*, settings: FitAlarm) -> Plan:
        raise FieldError("scorers", "expected an autoencoder, found none to train")

    monkeypatch.setitem(PLANS, "fit_alarm", plan)
    given = {"settings": shipped(FitAlarm)}
    monkeypatch.setattr("vigil.learn.lr_finder._arguments", lambda stage: given)
    expected = r"^params\.yaml: fit_alarm\.scorers: expected an autoencoder, found none to train$"
    with pytest.raises(InputError, match=expected):
        find_learning_rate("fit_alarm", tmp_path / "found")
    assert not (tmp_path / "found").exists()
