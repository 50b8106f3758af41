"""Finds a learning rate for a training stage: `vigil find-lr train_detector`.

The training is put together as the stage does, from what the stages before it made. In place of the
training itself, the rate rises geometrically from batch to batch while the loss is watched (Smith,
"Cyclical Learning Rates for Training Neural Networks", 2017). The rate at which the smoothed loss
falls fastest is suggested. Nothing that the stage made before is touched.
"""

import shlex
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from lightning.pytorch.tuner.tuning import Tuner

from vigil.learn.networks.machine import prepare_torch
from vigil.learn.training.loop import Plan, build_trainer, quiet_lightning
from vigil.pixels.drawing.figures import PALETTE, figure
from vigil.plumbing.contract import Contract
from vigil.plumbing.errors import InputError, listed
from vigil.plumbing.outputs import whole
from vigil.plumbing.params import read_params
from vigil.plumbing.records import write_csv
from vigil.settings.fit_alarm import FitAlarm
from vigil.settings.train_classifier import TrainClassifier
from vigil.settings.train_detector import TrainDetector

LEAST_RATE, MOST_RATE = 1e-6, 1.0
NUM_STEPS = 100
NUM_SKIPPED = 10  # the first losses say more about the smoothing than about the rate
DIVERGED = 4.0  # times the least loss so far ends the sweep


def plan_classifier(*, samples: Path, train: Path, val: Path, settings: TrainClassifier) -> Plan:
    """The training of the stage `train_classifier`."""
    from vigil.learn.classifier.training.assembly import Sides, plan_training

    return plan_training(Sides.read(samples, train, val), settings)


def plan_detector(
    *, images: Path, detections: Path, train: Path, val: Path, settings: TrainDetector
) -> Plan:
    """The training of the stage `train_detector`."""
    from vigil.learn.detector.training.assembly import Sides, plan_training

    return plan_training(Sides.read(images, detections, train, val), settings).training


def plan_alarm(
    *, clips: Path, embeddings: Path, labels: Path, splits: Path, settings: FitAlarm
) -> Plan:
    """The training of the stage `fit_alarm`."""
    from vigil.learn.alarm.training.assembly import Embedded, first_autoencoder, plan_training

    data = Embedded.read(clips, embeddings, labels, splits)
    return plan_training(data, first_autoencoder(data, settings), settings).training


PLANS: dict[str, Callable[..., Plan]] = {
    "train_classifier": plan_classifier,
    "train_detector": plan_detector,
    "fit_alarm": plan_alarm,
}
"""How a training is put together, by the stage that trains."""


def sweep(plan: Plan) -> pd.DataFrame:
    """Trains with a rising rate: `learning_rate` and smoothed `loss`, step by step."""
    prepare_torch()
    with tempfile.TemporaryDirectory() as folder, quiet_lightning():
        enough = plan.fitting.model_copy(update={"max_epochs": NUM_STEPS})
        trainer = build_trainer(enough, [], default_root_dir=folder, enable_checkpointing=False)
        found = Tuner(trainer).lr_find(
            plan.module,
            train_dataloaders=plan.train,
            min_lr=LEAST_RATE,
            max_lr=MOST_RATE,
            num_training=NUM_STEPS,
            early_stop_threshold=DIVERGED,
            update_attr=False,
        )
    assert found is not None
    table = pd.DataFrame({"learning_rate": found.results["lr"], "loss": found.results["loss"]})
    return table[np.isfinite(table["loss"])]


def suggest(table: pd.DataFrame) -> float:
    """The rate at which the loss falls fastest.

    Raises:
        InputError: too few steps, or a loss that never falls.
    """
    steps = table.iloc[NUM_SKIPPED:]
    slopes = np.gradient(steps["loss"]) if len(steps) > 1 else np.zeros(1)
    if slopes.min() >= 0:
        raise InputError(f"expected a loss that falls at some rate, got {len(table)} steps without")
    return float(steps["learning_rate"].iloc[int(slopes.argmin())])


def find_learning_rate(stage: str, folder: Path) -> float:
    """Sweeps the rates of a stage of the project in the current folder, and draws the losses.

    Args:
        stage: one of `PLANS`.
        folder: where the losses and their curve go.

    Raises:
        InputError: no such stage, what the stage reads is not there, or a loss that never falls.
    """
    if stage not in PLANS:
        raise InputError(f"expected one of {listed(PLANS)}, got {stage!r}")
    table = sweep(PLANS[stage](**_arguments(stage)))
    rate = suggest(table)
    with whole(folder) as partial:
        partial.mkdir()
        write_csv(table.round(9), partial / "losses.csv")
        _draw(table, rate, stage, partial / "curve.png")
    return rate


def _arguments(stage: str) -> Mapping[str, Any]:
    """What DVC would hand to the stage's script, as far as putting a training together needs it."""
    from dvc.repo import Repo

    with Repo() as repo:
        (known,) = repo.stage.collect(stage)
    _, _, *words = shlex.split(str(known.cmd))
    contract = Contract(PLANS[stage])
    paths = dict(zip(words[::2], words[1::2], strict=True))
    chosen = [word for option in contract.options for word in (option, paths[option])]
    return {**contract.parse_paths(stage, chosen), **contract.parse_values(read_params())}


def _draw(table: pd.DataFrame, rate: float, stage: str, path: Path) -> None:
    with figure(path, title=stage, x_label="learning rate", y_label="loss, smoothed") as axes:
        steps = table.iloc[NUM_SKIPPED:]
        axes.plot(steps["learning_rate"], steps["loss"])
        axes.axvline(rate, color=PALETTE[1], label=f"falls fastest: {rate:.1e}")
        axes.set_xscale("log")
        axes.legend()
