"""Finds a learning rate for a training stage: `vigil find-lr train_detector`.

The training is set up as in the stage, from the outputs of the stages before it. Then the learning
rate rises geometrically from batch to batch, and the loss is recorded (Smith, "Cyclical Learning
Rates for Training Neural Networks", 2017). The suggestion is the learning rate at which the
smoothed loss falls fastest. The outputs of the stage itself are not changed.
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
from vigil.learn.training.loop import Plan, build_trainer, norms_explained, quiet_lightning
from vigil.pixels.drawing.figures import PALETTE, figure, use_log_scale
from vigil.plumbing.contract import Contract
from vigil.plumbing.errors import FieldError, InputError, listed, shorten
from vigil.plumbing.named_paths import named_path
from vigil.plumbing.outputs import whole
from vigil.plumbing.params import read_params
from vigil.plumbing.records import write_csv
from vigil.settings.fit_alarm import FitAlarm
from vigil.settings.train_classifier import TrainClassifier
from vigil.settings.train_detector import TrainDetector
from vigil.settings.train_segmenter import TrainSegmenter

MIN_RATE, MAX_RATE = 1e-6, 1.0
NUM_STEPS = 100
NUM_SKIPPED = 10  # the first losses depend more on the smoothing than on the learning rate
DIVERGED = 4.0  # a loss of more than this multiple of the smallest loss so far ends the sweep


def plan_classifier(
    *, samples: Path, train: Path, val: Path, hard_examples: Path, settings: TrainClassifier
) -> Plan:
    """Sets up the training of the stage `train_classifier`."""
    from vigil.learn.classifier.training.assembly import Sides, plan_training

    return plan_training(Sides.read(samples, train, val, hard_examples), settings)


def plan_detector(
    *,
    images: Path,
    detections: Path,
    train: Path,
    val: Path,
    test: Path,
    hard_examples: Path,
    settings: TrainDetector,
) -> Plan:
    """Sets up the training of the stage `train_detector`."""
    from vigil.learn.detector.training.assembly import Sides, plan_training

    sides = Sides.read(images, detections, train, val, hard_examples, test)
    return plan_training(sides, settings).training


def plan_alarm(
    *, clips: Path, embeddings: Path, labels: Path, splits: Path, settings: FitAlarm
) -> Plan:
    """Sets up the training of the stage `fit_alarm`."""
    from vigil.learn.alarm.training.assembly import Embedded, first_autoencoder, plan_training

    data = Embedded.read(clips, embeddings, labels, splits)
    settings, _ = data.decide(settings)
    data, _ = data.by_place(settings)
    return plan_training(data, first_autoencoder(data, settings), settings).training


def plan_segmenter(
    *, images: Path, masks: Path, train: Path, val: Path, settings: TrainSegmenter
) -> Plan:
    """Sets up the training of the stage `train_segmenter`."""
    from vigil.learn.segmenter.training.assembly import Sides, plan_training

    return plan_training(Sides.read(images, masks, train, val), settings).training


PLANS: dict[str, Callable[..., Plan]] = {
    "train_classifier": plan_classifier,
    "train_detector": plan_detector,
    "train_segmenter": plan_segmenter,
    "fit_alarm": plan_alarm,
}
"""By the name of a stage: the function that sets up its training.

`train_dino` has none. Its student learns from a teacher that changes with it, and its loss rises
while it learns. So where its loss falls says nothing about a learning rate.
"""


def sweep(plan: Plan) -> pd.DataFrame:
    """Trains with a rising learning rate.

    Returns:
        `learning_rate` and smoothed `loss` of each step with a finite loss.
    """
    prepare_torch()
    with tempfile.TemporaryDirectory() as folder, quiet_lightning(), norms_explained():
        fitting = plan.fitting.model_copy(update={"max_epochs": NUM_STEPS})
        trainer = build_trainer(fitting, [], default_root_dir=folder, enable_checkpointing=False)
        result = Tuner(trainer).lr_find(
            plan.module,
            train_dataloaders=plan.train,
            min_lr=MIN_RATE,
            max_lr=MAX_RATE,
            num_training=NUM_STEPS,
            early_stop_threshold=DIVERGED,
            update_attr=False,
        )
    assert result is not None
    table = pd.DataFrame({"learning_rate": result.results["lr"], "loss": result.results["loss"]})
    return table[np.isfinite(table["loss"])]


def suggest(table: pd.DataFrame) -> float:
    """The learning rate at which the loss falls fastest.

    Args:
        table: what `sweep` returns.

    Raises:
        InputError: there are too few steps, or the loss never falls.
    """
    steps = table.iloc[NUM_SKIPPED:]
    # The learning rate rises geometrically, so this is the slope over its logarithm.
    slopes = np.gradient(steps["loss"]) if len(steps) > 1 else np.zeros(1)
    if slopes.min() >= 0:
        raise InputError(
            f"expected a loss that falls at some learning rate, got none in {len(table)} steps"
        )
    return float(steps["learning_rate"].iloc[int(slopes.argmin())])


def find_learning_rate(stage: str, folder: Path) -> float:
    """Suggests a learning rate for a stage of the project in the current folder.

    Args:
        stage: one of `PLANS`.
        folder: the output folder for the losses and their curve.

    Raises:
        InputError: there is no such stage, an input of the stage is missing, the stage trains no
            network with these parameters, or the loss never falls.
    """
    if stage not in PLANS:
        raise InputError(f"expected one of {listed(PLANS)}, got {stage!r}")
    try:
        table = sweep(PLANS[stage](**_arguments(stage)))
    except FieldError as error:
        place = Contract(PLANS[stage]).place_of(error.field)
        raise InputError(f"{place}: {error.problem}") from None
    rate = suggest(table)
    with whole(folder) as partial:
        partial.mkdir()
        write_csv(table.round(9), partial / "losses.csv")
        _draw(table, rate, stage, partial / "curve.png")
    return rate


def _arguments(stage: str) -> Mapping[str, Any]:
    """The arguments that DVC gives to the stage's script, as far as the setup needs them."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            (known,) = repo.stage.collect(stage)
    except DvcException as error:
        raise InputError(
            f"dvc.yaml: expected a stage {stage}, got: {shorten(str(error), 300)}"
        ) from None
    command = shlex.split(str(known.cmd))
    words = command[command.index("python") + 2 :]  # after the name of the script
    contract = Contract(PLANS[stage])
    paths = dict(zip(words[::2], words[1::2], strict=True))
    chosen = [word for option in contract.options for word in (option, paths[option])]
    content = read_params()
    values = contract.parse_values(content)
    named = contract.parse_paths(stage, chosen)
    return {**{name: named_path(path, content) for name, path in named.items()}, **values}


def _draw(table: pd.DataFrame, rate: float, stage: str, path: Path) -> None:
    with figure(path, title=stage, x_label="learning rate", y_label="loss, smoothed") as axes:
        steps = table.iloc[NUM_SKIPPED:]
        axes.plot(steps["learning_rate"], steps["loss"])
        axes.axvline(rate, color=PALETTE[1], label=f"falls fastest: {rate:.1e}")
        use_log_scale(axes)
        axes.legend()
